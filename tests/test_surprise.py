"""Surprise on the shipped model: calibrated on cases of its own making, and what it says of those outside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import legdx
from legdx.evidence import Evidence
from legdx.inference.engine import infer
from legdx.inference.surprise import _draw, surprise

CASES = Path(__file__).parent / "validation" / "cases.jsonl"
KNOWN = {
    "age": 52, "sex": "male", "onset_speed": "subacute", "laterality": "bilateral_symmetric", "reflexes": "normal",
    "muscle_tone": "normal", "numbness_or_tingling": False, "fever": False, "leg_pain": "none", "muscle_pain": True,
}  # fmt: skip


def test_cases_of_the_models_own_making_are_called_unusual_no_more_often_than_the_level(model: Any) -> None:
    evidence = legdx.rank(KNOWN, model=model).evidence
    rows, _ = _draw(model.tables, evidence, model.tables.prior[0], np.random.default_rng(7))
    found = []
    for drawn in rows[:300].tolist():
        case = Evidence(evidence.vocabulary, tuple(drawn))
        found.append(surprise(model.spec, model.tables, case, 0, infer(model.tables, case, 0)))
    # Binomial bounds for 300 draws: 5% is 15, and 25 is over three standard errors of the simulation above it.
    assert sum(s.share <= 0.05 for s in found) <= 25
    assert np.mean([s.share <= 0.5 for s in found]) == pytest.approx(0.5, abs=0.1)
    assert sum(s.fit <= 0.05 for s in found) <= 25


def test_findings_that_go_together_under_no_cause_are_named(model: Any) -> None:
    odd = {
        "muscle_tone": "spastic",
        "reflexes": "reduced_or_absent",
        "plantar_response": "flexor",
        "gait_pattern": "waddling",
    }
    surprise = legdx.rank(odd, model=model).surprise
    assert surprise.conflict > 0
    assert surprise.conflicts[0].finding == "muscle_tone"
    assert "muscle tone = spastic" in surprise.text
    bits = [one.bits for one in surprise.conflicts]
    assert bits == sorted(bits, reverse=True)
    assert all(one.bits > 0 and one.with_findings for one in surprise.conflicts)


def test_findings_that_belong_together_are_not_in_conflict(model: Any) -> None:
    typical = {
        "onset_speed": "acute",
        "ascending_weakness": True,
        "reflexes": "reduced_or_absent",
        "course": "progressive",
    }
    surprise = legdx.rank(typical, setting="emergency", model=model).surprise
    assert surprise.conflict < -1
    assert not surprise.is_outside
    assert surprise.fit > 0.05


def test_nothing_known_is_no_surprise(model: Any) -> None:
    surprise = legdx.rank({}, model=model).surprise
    assert (surprise.share, surprise.fit, surprise.conflicts) == (1.0, 1.0, ())
    assert surprise.outside == pytest.approx(surprise.catch_all, abs=1e-12)


def test_virtual_evidence_bears_on_the_causes_only(model: Any) -> None:
    hard = {"reflexes": "brisk", "fever": True}
    with_virtual = legdx.rank(
        hard | {"leg_pain": {"none": 1, "unilateral": 0.5, "bilateral": 0.1}}, model=model
    ).surprise
    without = legdx.rank(hard, model=model).surprise
    assert with_virtual.log_evidence == without.log_evidence
    assert with_virtual.conflicts == without.conflicts


def test_cases_outside_the_model_are_told_from_the_others(model: Any) -> None:
    scores: dict[bool, list[float]] = {True: [], False: []}
    for line in CASES.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        ranking = legdx.rank(case["findings"], setting=case["setting"], model=model)
        scores[not case["accepted"]].append(ranking.surprise.outside)
    outside, inside = np.array(scores[True]), np.array(scores[False])
    auc = float(np.mean(outside[:, None] > inside) + np.mean(outside[:, None] == inside) / 2)
    # 0.75 when written, 95% bootstrap interval 0.64 to 0.84; it was not fitted to these cases (docs/reasoning.md).
    assert auc > 0.7
    assert np.mean(outside >= 0.95) > 2 * np.mean(inside >= 0.95)
