"""Arrow in and out, Parquet, the command line, and red flags in batch, each against the single case."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import legdx
from legdx.cli import main
from legdx.cohort import Written, rank_batches, rank_parquet, workers
from legdx.cohort.flags import fired_rules, open_rules, urgency_of
from legdx.evidence import Evidence, parse_evidence
from legdx.loaded import Model
from legdx.redflags import URGENCIES, RuleSet
from strategies import build, cases, documents

ROWS: list[dict[str, Any]] = [
    {"id": "p0", "age": 71.0, "saddle_numbness": None, "reflexes": "normal", "HP:0001347": None, "setting": None},
    {"id": "p1", "age": 30.0, "saddle_numbness": True, "reflexes": None, "HP:0001347": False, "setting": "emergency"},
    {"id": "p2", "age": None, "saddle_numbness": False, "reflexes": "brisk", "HP:0001347": True, "setting": None},
    {"id": "p3", "age": 2.0, "saddle_numbness": None, "reflexes": None, "HP:0001347": None, "setting": "neurology"},
]


def assert_same(ranked: list[dict[str, Any]], rows: list[dict[str, Any]] = ROWS, exact: float = 1e-12) -> None:
    """Every row that came out is what `legdx.rank` says of the row that went in."""
    assert [row["id"] for row in ranked] == [row["id"] for row in rows]
    for got, row in zip(ranked, rows, strict=True):
        findings = {k: v for k, v in row.items() if k not in ("id", "setting")}
        one = legdx.rank(findings, setting=row.get("setting") or "primary_care")
        if "cause_1" in got:
            assert got["cause_1"] == one.causes[0].id
            assert got["probability_1"] == pytest.approx(one.causes[0].probability, rel=0, abs=exact)
        else:
            whole = {c.id: c.probability for c in one.causes}
            assert {id: got[id] for id in whole} == pytest.approx(whole, rel=0, abs=exact)
        assert got["log_evidence"] == pytest.approx(one.log_evidence, rel=max(1e-12, exact))
        assert got["urgency"] == one.urgency
        assert list(got["fired"]) == [rule.id for rule in one.red_flags.fired]


# Red flags in batch


@st.composite
def rule_models(draw: st.DrawFn) -> Model:
    docs = draw(documents(zeros=False))
    findings = {name: entry["states"] for name, entry in docs["findings.toml"].items()}

    def conditions(names: list[str]) -> st.SearchStrategy[Any]:
        literals = st.sampled_from(names).flatmap(
            lambda name: st.lists(
                st.sampled_from(findings[name]), min_size=1, max_size=len(findings[name]) - 1, unique=True
            ).map(lambda states: {name: states})
        )
        return st.recursive(
            literals,
            lambda inner: st.one_of(
                st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
                st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
                st.lists(inner, min_size=2, max_size=3).map(lambda parts: {"at_least": 2, "of": parts}),
            ),
            max_leaves=6,
        )

    def rule(k: int) -> dict[str, Any]:
        names = draw(st.permutations(sorted(findings)))
        cut = draw(st.integers(1, len(names)))
        exception = {"unless": draw(conditions(names[cut:]))} if names[cut:] and draw(st.booleans()) else {}
        return {
            "id": f"r{k}", "label": "-", "urgency": draw(st.sampled_from(URGENCIES[:3])), "suspected": ["c0"],
            "action": "-", "source": ["expert_estimate"], "when": draw(conditions(names[:cut])), **exception,
        }  # fmt: skip

    docs["red_flags.toml"] = {"rule": [rule(k) for k in range(draw(st.integers(0, 4)))]}
    return build(docs)


def assert_rules_agree(rules: RuleSet, known: list[Evidence]) -> None:
    vocabulary = rules.vocabulary
    codes = np.full((len(known), len(vocabulary.findings)), -1)
    for line, evidence in enumerate(known):
        for row in evidence.rows:
            i = vocabulary.finding_of_row[row]
            codes[line, i] = row - vocabulary.start[i]
    fired, still_open = fired_rules(rules, codes), open_rules(rules, codes)
    urgency = urgency_of(rules, fired)
    for line, evidence in enumerate(known):
        flags = rules.evaluate(evidence)
        assert {rules.rules[k].id for k in np.flatnonzero(fired[line])} == {rule.id for rule in flags.fired}
        assert {rules.rules[k].id for k in np.flatnonzero(still_open[line])} == {r.id for r in flags.not_excluded}
        assert URGENCIES[urgency[line]] == flags.urgency


@given(st.data())
def test_rules_say_the_same_of_a_table_as_of_each_case(data: st.DataObject) -> None:
    model = data.draw(rule_models())
    known = [parse_evidence(model.vocabulary, case) for case in data.draw(st.lists(cases(model), max_size=6))]
    assert_rules_agree(model.rules, known)


def test_the_shipped_rules_say_the_same_of_random_cases() -> None:
    rules, random = legdx.load_model().rules, np.random.default_rng(1)
    known = []
    for share in np.repeat([0.02, 0.1, 0.3, 0.9], 50):
        rows = [
            start + int(random.integers(len(finding.states)))
            for start, finding in zip(rules.vocabulary.start, rules.vocabulary.findings, strict=True)
            if random.random() < share
        ]
        known.append(Evidence(rules.vocabulary, tuple(rows)))
    assert_rules_agree(rules, known)


# Arrow


def batches_of(rows: list[dict[str, Any]], size: int = 3) -> Iterator[pa.RecordBatch]:
    yield from pa.Table.from_pylist(rows).to_batches(max_chunksize=size)


@pytest.mark.parametrize("many", [0, 100])
@pytest.mark.parametrize("top", [None, 2])
@pytest.mark.parametrize(("dtype", "exact"), [("float64", 1e-12), ("float32", 2e-6)])
def test_each_row_of_a_batch_equals_the_single_case(
    top: int | None, dtype: str, exact: float, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("legdx.cohort.table.MANY_ROWS", many)
    ranked = pa.Table.from_batches(rank_batches(batches_of(ROWS), keep=["id"], top=top, dtype=dtype))
    assert_same(ranked.to_pylist(), exact=exact)
    assert ranked.schema.metadata[b"legdx.digest"].decode() == legdx.load_model().digest


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["normal", None, "brisk"]),
        pa.array(["normal", None, "brisk"], pa.large_string()),
        pa.array(["normal", None, "brisk"], pa.string_view()),
        pa.array(["normal", None, "brisk"]).dictionary_encode(),
        pa.array(["normal", None, "brisk"]).dictionary_encode(null_encoding="encode"),
        pa.array([{"normal": 1, "reduced_or_absent": 0, "brisk": 0}, None,
                  {"normal": 0, "reduced_or_absent": 0, "brisk": 2}]),
        pa.array([[("normal", 1.0), ("reduced_or_absent", 0.0), ("brisk", 0.0)], None,
                  [("brisk", 1.0), ("normal", 0.0), ("reduced_or_absent", 0.0)]],
                 pa.map_(pa.string(), pa.float64())),
    ],
    ids=lambda column: str(column.type)[:12],
)  # fmt: skip
def test_every_arrow_type_of_text_and_likelihood_is_read(column: pa.Array) -> None:
    batch = pa.record_batch({"id": ["a", "b", "c"], "reflexes": column})
    rows = [{"id": i, "reflexes": state} for i, state in zip("abc", ["normal", None, "brisk"], strict=True)]
    assert_same(next(rank_batches([batch], keep=["id"], top=1)).to_pylist(), rows)


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint16(), pa.int64(), pa.float32(), pa.float64(), pa.decimal128(20, 1)])
def test_every_arrow_type_of_number_is_read(kind: pa.DataType) -> None:
    ages = [2, 18, None, 40, 65, 80, 120]
    batch = pa.record_batch({"id": [str(k) for k in range(7)], "age": pa.array(ages, pa.int64()).cast(kind)})
    rows = [{"id": str(k), "age": age} for k, age in enumerate(ages)]
    assert_same(next(rank_batches([batch], keep=["id"], top=1)).to_pylist(), rows)


def test_virtual_evidence_in_a_batch_equals_the_single_case() -> None:
    likely = [
        {"normal": 0.2, "reduced_or_absent": 1.0, "brisk": 0.1},
        None,
        {"normal": 3, "reduced_or_absent": 1, "brisk": 0},
    ]
    rows = [{"id": str(k), "reflexes": one, "age": 50.0 + k} for k, one in enumerate(likely)]
    assert_same(next(rank_batches(batches_of(rows), keep=["id"])).to_pylist(), rows)


def test_rows_at_fault_are_marked_with_nulls() -> None:
    batch = pa.record_batch({"id": ["a", "b"], "saddle_numbness": ["yes", "present"]})
    bad, good = next(rank_batches([batch], keep=["id"], top=1, on_error="mark")).to_pylist()
    assert bad == {
        "id": "a", "cause_1": None, "probability_1": None, "urgency": None, "fired": [], "log_evidence": None,
        "error": "saddle_numbness: no state 'yes'; use one of: absent, present",
    }  # fmt: skip
    assert good["error"] is None
    assert good["urgency"] == "emergency"


def test_a_fault_names_the_row_by_what_is_kept_or_by_its_number_in_the_stream() -> None:
    rows = [{"id": f"p{k}", "fever": "present" if k != 5 else "x"} for k in range(7)]
    with pytest.raises(legdx.EvidenceError, match="row 'p5', column 'fever': no state 'x'"):
        list(rank_batches(batches_of(rows), keep=["id"]))
    with pytest.raises(legdx.EvidenceError, match="row 5, column 'fever': no state 'x'"):
        list(rank_batches(batches_of(rows), columns={"id": None}))


def test_a_kept_column_may_not_take_the_name_of_an_answer() -> None:
    batch = pa.record_batch({"urgency": ["a"], "fever": [True]})
    with pytest.raises(legdx.EvidenceError, match="column 'urgency': has the name of an answer; rename it"):
        next(rank_batches([batch], keep=["urgency"]))


def test_polars_and_duckdb_pass_through_arrow() -> None:
    frame = pl.DataFrame(ROWS, infer_schema_length=None)
    ranked = pl.from_arrow(rank_batches(frame.to_arrow().to_batches(), keep=["id"], top=1))
    assert isinstance(ranked, pl.DataFrame)
    assert_same(ranked.to_dicts())
    patients = pa.Table.from_pylist(ROWS)  # noqa: F841 (DuckDB finds it by its name)
    reader = duckdb.sql("select * from patients").to_arrow_reader(3)
    answers = pa.Table.from_batches(rank_batches(reader, keep=["id"], top=1))  # noqa: F841
    assert_same(duckdb.sql("select * from answers order by id").to_arrow_table().to_pylist())


# Parquet and the command line


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path


def test_parquet_to_parquet_equals_the_single_case(parquet: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    out = tmp_path / "out.parquet"
    written = rank_parquet(parquet, out, keep=["id"], progress=lambda done, n: seen.append((done, n)))
    assert written == Written(rows=4, marked=0)
    assert_same(pq.read_table(out).to_pylist())
    assert seen == [(4, 4)]
    assert pq.read_schema(out).metadata[b"legdx.digest"].decode() == legdx.load_model().digest
    assert out.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_rows_keep_their_order_over_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("legdx.cohort.parquet.BLOCK_ROWS", 2)
    rows = [{**ROWS[k % 4], "id": f"{k:02}"} for k in range(21)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    rank_parquet(tmp_path / "in.parquet", tmp_path / "out.parquet", keep=["id"], top=1)
    assert_same(pq.read_table(tmp_path / "out.parquet").to_pylist(), rows)


@pytest.mark.slow
def test_memory_does_not_grow_with_rows(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from legdx.cohort import rank_parquet;"
        "rank_parquet(sys.argv[1], sys.argv[2], columns={'id': None}, dtype='float32', threads=2);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    table = pa.Table.from_pylist(ROWS * 65_536)
    peak = []
    for n in (2, 6):
        with pq.ParquetWriter(tmp_path / "in.parquet", table.schema) as writer:
            for _ in range(n):
                writer.write_table(table)
        arguments = [sys.executable, "-c", code, str(tmp_path / "in.parquet"), str(tmp_path / "out.parquet")]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        peak.append(int(done.stdout))
    assert max(peak) < 1_500_000, "kilobytes"
    assert peak[1] < 1.15 * peak[0]


def test_a_target_is_left_as_it_was_where_something_is_wrong(tmp_path: Path) -> None:
    pq.write_table(pa.table({"fever": ["present", "x", "y"]}), tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    out.write_text("from before")
    with pytest.raises(legdx.EvidenceError, match="the findings have 2 faults"):
        rank_parquet(tmp_path / "in.parquet", out)
    assert out.read_text() == "from before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


def test_faults_past_the_limit_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("legdx.cohort.parquet._FAULTS_KEPT", 3)
    pq.write_table(pa.table({"fever": ["x"] * 10}), tmp_path / "in.parquet")
    with pytest.raises(legdx.EvidenceError) as caught:
        rank_parquet(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert len(caught.value.faults) == 4
    assert str(caught.value.faults[3]).startswith("the rest of the table: 7 faults more than can be listed")


def test_an_empty_table_gives_an_empty_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"fever": pa.array([], pa.string())}), tmp_path / "in.parquet")
    assert rank_parquet(tmp_path / "in.parquet", tmp_path / "out.parquet", top=1) == Written(rows=0, marked=0)
    assert pq.read_table(tmp_path / "out.parquet").column_names == [
        "cause_1", "probability_1", "urgency", "fired", "log_evidence",
    ]  # fmt: skip


def test_the_command(parquet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.parquet"
    assert main(["cohort", str(parquet), str(out), "--keep", "id", "--top", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"wrote {out}: 4 rows\n"
    assert captured.err == "", "a progress bar is for a terminal"
    assert_same(pq.read_table(out).to_pylist())


def test_the_command_marks_and_maps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"nr": [1, 2], "hot": ["present", "x"]}), source)
    options = ["--column", "hot=fever", "--column", "nr=", "--on-error", "mark", "--float32"]
    assert main(["cohort", str(source), str(out), *options]) == 0
    assert capsys.readouterr().out == f"wrote {out}: 2 rows, 1 of them marked as at fault\n"
    table = pq.read_table(out)
    assert table["error"].to_pylist()[1].startswith("hot: no state 'x'")
    assert table.schema.field("stroke").type == pa.float32()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nowhere.parquet", "out.parquet"], "nowhere.parquet: cannot be read: no such file"),
        (
            ["IN", "nowhere/out.parquet", "--keep", "id"],
            "nowhere/out.parquet: cannot be written: No such file or directory",
        ),
        (["TEXT", "out.parquet"], "cannot be read as Parquet"),
        (["IN", "out.parquet"], "column 'id': no such finding"),
        (["IN", "out.parquet", "--column", "id"], "--column id: write it as COLUMN=FINDING"),
    ],
)
def test_the_command_refuses(
    options: list[str], message: str, parquet: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(parquet.parent)
    (parquet.parent / "TEXT").write_text("no parquet")
    parquet.rename("IN")
    assert main(["cohort", *options]) == 2
    assert message in capsys.readouterr().err
    assert not Path("out.parquet").exists()


# Models on their way to workers


def _digest_in_worker(handle: bytes) -> str:
    return workers.model_of(handle).digest


def test_a_model_travels_as_path_and_digest(model: Model) -> None:
    for handle in (workers.handle_of(None), workers.handle_of(model)):
        assert len(handle) < 400
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(_digest_in_worker, (handle,)) == model.digest


def test_another_release_on_a_worker_is_an_error() -> None:
    with pytest.raises(legdx.ModelError, match="install the same release of legdx on both"):
        workers.model_of(pickle.dumps("sha256:other"))


@settings(max_examples=5)
@given(st.data())
def test_a_model_made_in_memory_travels_whole(data: st.DataObject) -> None:
    model = build(data.draw(documents(zeros=False)))
    again = workers.model_of(workers.handle_of(model))
    assert (
        legdx.rank({}, model=again, setting="here").to_json() == legdx.rank({}, model=model, setting="here").to_json()
    )
