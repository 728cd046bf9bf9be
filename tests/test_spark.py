"""Spark data frames, ranked on a real local session with two workers, against the single case."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import legdx
from legdx.cohort.spark import rank_frame

# These tests mean nothing without a session, and a session needs Java: CI installs both.
pytest.importorskip("pyspark", reason="pyspark is not installed; it is in the extras spark and dev")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java, and there is no java on the path", allow_module_level=True)

# legdx hands Spark Arrow batches alone, so what PySpark says of pandas does not touch it.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]

ROWS: list[tuple[Any, ...]] = [
    (f"p{k}", *row)
    for k, row in enumerate(
        [
            (71.0, None, "normal", None, None, {"absent": 0.2, "present": 1.0}),
            (30.0, True, None, False, "emergency", None),
            (None, False, "brisk", True, None, None),
            (2.0, None, None, None, "neurology", None),
        ]
        * 5
    )
]
NAMES = ["id", "age", "saddle_numbness", "reflexes", "HP:0001347", "setting", "facial_droop"]
SCHEMA = "id string, age double, saddle_numbness boolean, reflexes string, `HP:0001347` boolean, setting string, " \
         "facial_droop map<string, double>"  # fmt: skip


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def test_each_row_equals_the_single_case(spark: Any) -> None:
    frame = spark.createDataFrame(ROWS, SCHEMA).repartition(2)
    ranked = rank_frame(frame, keep=["id"], setting="primary_care")
    got = {row["id"]: row for row in ranked.collect()}
    assert len(got) == len(ROWS)
    for row in ROWS[:4]:
        findings = {k: v for k, v in zip(NAMES, row, strict=True) if k not in ("id", "setting")}
        one = legdx.rank(findings, setting=row[5] or "primary_care")
        answer = got[row[0]]
        whole = {c.id: c.probability for c in one.causes}
        assert {id: answer[id] for id in whole} == pytest.approx(whole, rel=0, abs=1e-12)
        assert answer["urgency"] == one.urgency
        assert answer["fired"] == [rule.id for rule in one.red_flags.fired]
        assert answer["log_evidence"] == pytest.approx(one.log_evidence, rel=1e-12)


def test_a_bad_cell_is_marked_or_stops_the_job(spark: Any) -> None:
    frame = spark.createDataFrame([("a", "yes"), ("b", "present")], "id string, saddle_numbness string")
    marked = {row["id"]: row for row in rank_frame(frame, keep=["id"], top=1, on_error="mark").collect()}
    assert marked["a"]["error"] == "saddle_numbness: no state 'yes'; use one of: absent, present"
    assert (marked["a"]["cause_1"], marked["a"]["probability_1"]) == (None, None)
    assert (marked["b"]["error"], marked["b"]["urgency"]) == (None, "emergency")
    with pytest.raises(Exception, match="row 'a', column 'saddle_numbness': no state 'yes'"):
        rank_frame(frame, keep=["id"], top=1).collect()


def test_an_unknown_column_is_refused_before_the_job_starts(spark: Any) -> None:
    frame = spark.createDataFrame([("a", True)], "id string, fevr boolean")
    with pytest.raises(legdx.EvidenceError, match="column 'fevr': no such finding; did you mean 'fever'"):
        rank_frame(frame, keep=["id"])
