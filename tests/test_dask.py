"""Dask data frames, ranked on a real cluster of two worker processes, against the single case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

import legdx
from legdx.cohort.dask import rank_frame

pytest.importorskip("distributed", reason="dask is not installed; it is in the extras dask and dev")
pytestmark = pytest.mark.slow

ROWS: list[dict[str, Any]] = [
    {"age": 71.0, "saddle_numbness": None, "reflexes": "normal", "setting": None},
    {"age": 30.0, "saddle_numbness": True, "reflexes": None, "setting": "emergency"},
    {"age": None, "saddle_numbness": False, "reflexes": "brisk", "setting": None},
    {"age": 2.0, "saddle_numbness": None, "reflexes": None, "setting": "neurology"},
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def frame() -> pd.DataFrame:
    rows = pd.DataFrame(ROWS * 5, index=[f"p{k}" for k in range(20)])
    return rows.astype({"saddle_numbness": "boolean"})


def test_each_row_equals_the_single_case(cluster: Any) -> None:
    import dask.dataframe as dd

    ranked = rank_frame(dd.from_pandas(frame(), npartitions=4, sort=False))
    got = ranked.compute()
    assert list(got.index) == [f"p{k}" for k in range(20)]
    assert got.dtypes.to_dict() == ranked.dtypes.to_dict()
    for k, row in enumerate(ROWS):
        one = legdx.rank({n: v for n, v in row.items() if n != "setting"}, setting=row["setting"] or "primary_care")
        answer = got.loc[f"p{k}"]
        whole = {c.id: c.probability for c in one.causes}
        assert {id: answer[id] for id in whole} == pytest.approx(whole, rel=0, abs=1e-12)
        assert answer["urgency"] == one.urgency
        assert answer["fired"] == tuple(rule.id for rule in one.red_flags.fired)
        assert answer["log_evidence"] == pytest.approx(one.log_evidence, rel=1e-12)


def test_both_workers_load_the_model(cluster: Any) -> None:
    from legdx.cohort.workers import handle_of, model_of

    loaded = cluster.run(lambda handle: model_of(handle).digest, handle_of(None))
    assert len(loaded) == 2
    assert set(loaded.values()) == {legdx.load_model().digest}


def test_a_bad_cell_is_marked_or_stops_the_work(cluster: Any) -> None:
    import dask.dataframe as dd

    bad = dd.from_pandas(pd.DataFrame({"saddle_numbness": ["yes", "present"]}, index=["a", "b"]), npartitions=1)
    marked = rank_frame(bad, top=1, on_error="mark").compute()
    assert marked.loc["a", "error"] == "saddle_numbness: no state 'yes'; use one of: absent, present"
    assert marked["cause_1"].isna().tolist() == [True, False]
    with pytest.raises(legdx.EvidenceError, match="row 'a', column 'saddle_numbness': no state 'yes'"):
        rank_frame(bad).compute()


def test_an_unknown_column_is_refused_before_the_work_starts() -> None:
    import dask.dataframe as dd

    with pytest.raises(legdx.EvidenceError, match="column 'fevr': no such finding; did you mean 'fever'"):
        rank_frame(dd.from_pandas(pd.DataFrame({"fevr": [True]}), npartitions=1))
