"""A table of cases in pandas: every row is answered as the single case, and every bad cell is told."""

from __future__ import annotations

from datetime import date
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import legdx
from legdx.cohort.columns import CellFault
from legdx.loaded import Model
from legdx.redflags import URGENCIES
from strategies import SETTINGS, cases, models

RED_FLAG_SYMPTOMS = {"saddle_numbness": True, "fever": False, "reflexes": "brisk", "age": 61}


def assert_same(model: Model, row: pd.Series[Any], findings: dict[str, Any], setting: str) -> None:
    one = legdx.rank(findings, setting=setting, model=model)
    assert {c.id: row[c.id] for c in one.causes} == pytest.approx(
        {c.id: c.probability for c in one.causes}, rel=0, abs=1e-12
    )
    assert row["log_evidence"] == pytest.approx(one.log_evidence, rel=1e-12, abs=1e-12)
    assert row["urgency"] == one.urgency
    assert row["fired"] == tuple(rule.id for rule in one.red_flags.fired)


@given(st.data())
def test_each_row_equals_the_single_case(data: st.DataObject) -> None:
    model = data.draw(models(zeros=False))
    rows = data.draw(st.lists(cases(model), min_size=1, max_size=8))
    wheres = data.draw(st.lists(st.sampled_from([*SETTINGS, None]), min_size=len(rows), max_size=len(rows)))
    frame = pd.DataFrame(rows, columns=list(model.findings.keys())).assign(setting=wheres)
    with patch(
        "legdx.cohort.table.MANY_ROWS", data.draw(st.sampled_from([0, 100]), label="where the batch kernel begins")
    ):
        ranked = legdx.rank_frame(frame, setting="there", model=model)
    assert list(ranked.index) == list(frame.index)
    for (_, row), findings, where in zip(ranked.iterrows(), rows, wheres, strict=True):
        assert_same(model, row, findings, where or "there")


# What people write in cells; some of it is wrong, and some contradicts what stands beside it.
VALUES = {
    "fever": ["present", " Absent", True, False, None, float("nan"), "yes", 1, {"absent": 1, "present": 3}],
    "HP:0001945": [True, "absent", None, pd.NA],
    "reflexes": ["brisk", "normal", None, True, 2.5, {"normal": 0, "reduced_or_absent": 1, "brisk": 0}, {"brisk": 1}],
    "HP:0001347": [True, False, "present", None, "brisk", 3],
    "hp:0001284": [False, None, np.True_],
    "Age": [30, 59, 120, np.int64(2), 4.5, "elderly", None, 1, 300, float("inf"), True, date(1990, 1, 1), [30]],
    "age_band": ["young_adult", 75, None],
    "potassium": [2.6, 3.5, 10.0, np.float32(5.1), "low", None, -1],
}  # fmt: skip


@settings(max_examples=150)
@given(st.lists(st.fixed_dictionaries({k: st.sampled_from(v) for k, v in VALUES.items()}), min_size=1, max_size=6))
def test_a_cell_means_or_is_refused_as_in_the_single_case(rows: list[dict[str, Any]]) -> None:
    model = legdx.load_model()
    frame = pd.DataFrame({k: pd.Series([row[k] for row in rows], dtype=object) for k in VALUES})
    with patch("legdx.cohort.table.MANY_ROWS", 0):
        ranked = legdx.rank_frame(frame, on_error="mark")
    for n, given_row in enumerate(rows):
        findings = {k: given_row[k] for k in VALUES}
        try:
            legdx.rank(findings)
        except legdx.EvidenceError as error:
            faults = error.faults
        else:
            faults = ()
        if faults:
            assert ranked.loc[n, list(model.causes.keys())].isna().all()
            assert all(f"{fault.problem}; {fault.fix}" in ranked.loc[n, "error"] for fault in faults)
            assert ranked.loc[n, "error"].count(" | ") == len(faults) - 1
        else:
            assert ranked.loc[n, "error"] is None
            assert_same(model, ranked.loc[n], findings, "primary_care")


@pytest.mark.parametrize("dtype", ["float32", "float64", "Float64", "Int64", "int16", "double[pyarrow]", "object"])
def test_numbers_of_every_type_go_through_the_cut_points(dtype: str) -> None:
    ages = [2, 17, 18, 39, 40, 64, 65, 79, 80, 120]
    frame = pd.DataFrame({"age": pd.Series(ages, dtype=dtype)})
    ranked = legdx.rank_frame(frame)
    for n, age in enumerate(ages):
        assert_same(legdx.load_model(), ranked.loc[n], {"age": age}, "primary_care")


@pytest.mark.parametrize("dtype", ["str", "object", "category", "string", "string[pyarrow]"])
def test_text_of_every_type_is_read(dtype: str) -> None:
    frame = pd.DataFrame({"reflexes": pd.Series(["brisk", None, "normal", "brisk"], dtype=dtype)})
    ranked = legdx.rank_frame(frame)
    for n, value in enumerate(["brisk", None, "normal", "brisk"]):
        assert_same(legdx.load_model(), ranked.loc[n], {"reflexes": value}, "primary_care")


@pytest.mark.parametrize("dtype", ["bool", "boolean", "bool[pyarrow]", "object", "category"])
def test_booleans_of_every_type_are_read(dtype: str) -> None:
    ranked = legdx.rank_frame(pd.DataFrame({"fever": pd.Series([True, False], dtype=dtype)}))
    for n in (0, 1):
        assert_same(legdx.load_model(), ranked.loc[n], {"fever": n == 0}, "primary_care")


def test_true_is_not_one() -> None:
    frame = pd.DataFrame({"fever": pd.Series([True, 1, 1.0], dtype=object)})
    assert legdx.rank_frame(frame, on_error="mark")["error"].notna().tolist() == [False, True, True]


def test_the_top_causes_are_the_first_of_the_ranking() -> None:
    rows = [RED_FLAG_SYMPTOMS, {}, {"ascending_weakness": True}]
    ranked = legdx.rank_frame(pd.DataFrame(rows), top=4, setting="emergency")
    for n, findings in enumerate(rows):
        first = legdx.rank(findings, setting="emergency").causes[:4]
        assert [ranked.loc[n, f"cause_{k}"] for k in range(1, 5)] == [c.id for c in first]
        assert [ranked.loc[n, f"probability_{k}"] for k in range(1, 5)] == pytest.approx(
            [c.probability for c in first], abs=1e-12
        )


@given(st.data())
def test_equal_probabilities_stand_in_the_order_of_ids(data: st.DataObject) -> None:
    model = data.draw(models(zeros=True))
    n = len(model.causes)
    ranked = legdx.rank_frame(pd.DataFrame(index=["x"]), model=model, setting="here", top=n)
    single = legdx.rank({}, model=model, setting="here").causes
    assert [ranked.loc["x", f"cause_{k}"] for k in range(1, n + 1)] == [c.id for c in single]


def test_every_bad_cell_is_told_at_once() -> None:
    frame = pd.DataFrame(
        {"Saddle": [True, "yes", None], "age": [30, 400, 20], "age_band": ["elderly", None, None]},
        index=["ann", "bob", "cy"],
    )
    with pytest.raises(legdx.EvidenceError) as caught:
        legdx.rank_frame(frame, columns={"Saddle": "saddle_numbness"})
    assert str(caught.value) == (
        "the findings have 3 faults:\n"
        "  row 'ann', column 'age', 'age_band': contradiction: age = 30 and age_band = 'elderly'; "
        "keep the one that is right\n"
        "  row 'bob', column 'age': 400 is out of range; give years from 2 to 120, or one of: child, young_adult, "
        "middle_aged, older_adult, elderly\n"
        "  row 'bob', column 'Saddle': no state 'yes'; use one of: absent, present"
    )
    fault = caught.value.faults[2]
    assert isinstance(fault, CellFault)
    assert (fault.row, fault.columns, fault.values) == ("bob", ("Saddle",), ("yes",))


def test_a_message_stays_short_and_the_faults_are_all_there() -> None:
    with pytest.raises(legdx.EvidenceError) as caught:
        legdx.rank_frame(pd.DataFrame({"fever": ["x" * 10_000] * 500}))
    assert len(caught.value.faults) == 500
    assert len(str(caught.value)) < 10_000
    assert "and 480 more: see .faults" in str(caught.value)


def test_a_marked_row_keeps_what_fired_and_never_reads_routine() -> None:
    frame = pd.DataFrame({"saddle_numbness": [True, False, True], "fever": ["bad", "bad", False]})
    ranked = legdx.rank_frame(frame, on_error="mark", top=1)
    assert ranked["fired"].tolist() == [("saddle_numbness",), (), ("saddle_numbness",)]
    assert ranked["urgency"].isna().tolist() == [False, True, False]
    assert ranked["cause_1"].isna().tolist() == [True, True, False]
    assert ranked["log_evidence"].isna().tolist() == [True, True, False]


def test_an_impossible_row_is_told_and_the_rest_ranked() -> None:
    model = impossible_model()
    frame = pd.DataFrame({"f0": ["v0", "v1", None]}, index=["a", "b", "c"])
    with pytest.raises(legdx.EvidenceError, match="row 'b', f0 = v1: no cause allows these together"):
        legdx.rank_frame(frame, model=model, setting="here")
    ranked = legdx.rank_frame(frame, model=model, setting="here", on_error="mark")
    assert ranked["error"].notna().tolist() == [False, True, False]
    assert ranked[["c0", "c1"]].isna().all(axis=1).tolist() == [False, True, False]
    assert ranked.loc["b", "urgency"] == "routine"


def impossible_model() -> Model:
    from strategies import build, row

    def document(cause: str) -> dict[str, Any]:
        return {
            "label": cause, "family": "f", "category": "c", "needs_emergency_care": False, "description": "-",
            "work_up": "-", "care": "-", "text_source": ["expert_estimate"],
            "prior": {s: row({"p": 1}) | {"p": 0.5} for s in SETTINGS},
            "mechanisms": {}, "findings": {"f0": row({"v0": 1.0, "v1": 0.0})},
        }  # fmt: skip

    return build(
        {
            "manifest.toml": {
                "schema_version": 1, "id": "small", "label": "Small", "version": "1", "population": "none",
                "intended_use": "tests", "licence": "none", "settings": {s: s for s in SETTINGS},
                "reporting_error": dict.fromkeys(("context", "symptom", "sign", "test", "mechanism"), 0.0),
            },
            "findings.toml": {
                "f0": {
                    "label": "f0", "question": "?", "kind": "symptom", "cost": 0, "states": ["v0", "v1"],
                    "parent": "cause", "background": row({"v0": 0.5, "v1": 0.5}),
                }
            },
            "mechanisms.toml": {},
            "sources.toml": {"expert_estimate": {"citation": "made up", "kind": "expert_estimate"}},
            "red_flags.toml": {},
            "causes/c0.toml": document("c0"),
            "causes/c1.toml": document("c1"),
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        ({"fevr": [True]}, {}, "column 'fevr': no such finding; did you mean 'fever'?; or say with columns what it is"),
        ({"fever": [True], "note": ["x"]}, {}, "column 'note': no such finding"),
        ({"fever": [True]}, {"columns": ["fever", "tone"]}, "column 'tone': is not in the table"),
        ({"fever": [True]}, {"columns": {"fever": "feverish"}}, "column 'fever': no such finding"),
        ({"a": [True], "fever": [True]}, {"columns": {"a": "fever"}},
         "columns 'a', 'fever': are all to be read as 'fever'; choose one"),
        ({7: [True]}, {}, "column 7: is not a name"),
        ({"setting": ["home"]}, {}, "row 0, column 'setting': no setting 'home'; use one of: primary_care"),
        ({"fever": [True]}, {"top": 0}, "top: is 0; give 1 to 82, or None for all"),
        ({"fever": [True]}, {"setting": "home"}, "no setting 'home'"),
        ({"fever": [True]}, {"on_error": "ignore"}, "no way to treat errors 'ignore'; use one of: raise, mark"),
    ],
)  # fmt: skip
def test_refusals(frame: dict[Any, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(legdx.LegdxError) as caught:
        legdx.rank_frame(pd.DataFrame(frame), **options)
    assert message in str(caught.value)


def test_a_column_that_stands_twice_is_refused() -> None:
    with pytest.raises(legdx.EvidenceError, match="column 'fever': stands twice in the table"):
        legdx.rank_frame(pd.DataFrame([[True, False]], columns=["fever", "fever"]))


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(legdx.EvidenceShapeError, match="frame: is a list, not a pandas data frame"):
        legdx.rank_frame([{"fever": True}])  # type: ignore[arg-type]


def test_columns_left_out_on_purpose() -> None:
    frame = pd.DataFrame({"id": ["a"], "warm": [True], "fever": [False]})
    for columns in (["fever"], {"id": None, "warm": None}):
        assert_same(
            legdx.load_model(), legdx.rank_frame(frame, columns=columns).loc[0], {"fever": False}, "primary_care"
        )
    mapped = legdx.rank_frame(frame, columns={"id": None, "warm": "fever", "fever": None})
    assert_same(legdx.load_model(), mapped.loc[0], {"fever": True}, "primary_care")


def test_more_rows_than_a_block_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("legdx.cohort.table.BLOCK_ROWS", 7)
    monkeypatch.setattr("legdx.cohort.table.MANY_ROWS", 50)
    ages = np.resize([10.0, 30.0, 50.0, 70.0, 90.0, np.nan], 100)
    whole = legdx.rank_frame(pd.DataFrame({"age": ages}))
    few = legdx.rank_frame(pd.DataFrame({"age": ages[:6]}))
    numbers = list(legdx.load_model().causes.keys())
    np.testing.assert_allclose(whole[numbers], np.resize(few[numbers], (100, len(numbers))), rtol=0, atol=1e-15)


def test_no_rows_give_no_rows() -> None:
    ranked = legdx.rank_frame(pd.DataFrame({"fever": []}), top=2)
    assert ranked.shape == (0, 7)


def test_urgency_can_be_compared_and_the_model_is_stamped() -> None:
    ranked = legdx.rank_frame(pd.DataFrame({"saddle_numbness": [True, None]}))
    assert (ranked["urgency"] >= "same_day").tolist() == [True, False]
    assert tuple(ranked["urgency"].cat.categories) == URGENCIES[::-1]
    assert ranked.attrs["legdx"]["digest"] == legdx.load_model().digest
