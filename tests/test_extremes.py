"""Cases at the edge of floating point, and beyond what a model allows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import legdx
from strategies import build, row

COUGH = Path(__file__).parent / "data" / "cough"


def wide_model(parent: str, n: int = 120) -> Any:
    """Two causes, `n` findings: the stated state has probability 1e-3 under one cause, 1e-3 / 1.05 under the other."""
    p = {"a": 1e-3, "b": 1e-3 / 1.05}
    states = ["yes", "no"]
    docs: dict[str, Any] = {
        "manifest.toml": {
            "schema_version": 1, "id": "wide", "label": "Wide", "version": "1", "population": "none",
            "intended_use": "tests", "licence": "none", "settings": {"here": "Here"},
            "reporting_error": dict.fromkeys(("context", "symptom", "sign", "test", "mechanism"), 0.0),
        },
        "findings.toml": {
            f"f{k}": {
                "label": "f", "question": "f", "kind": "test", "cost": 0, "states": states, "parent": parent,
                "background": row({"yes": 0.5, "no": 0.5}),
            }
            for k in range(n)
        },
        "mechanisms.toml": {
            "m": {
                "label": "m", "states": ["a", "b"], "background": row({"a": 0.5, "b": 0.5}),
                "findings": {f"f{k}": {s: row({"yes": p[s], "no": 1 - p[s]}) for s in "ab"} for k in range(n)}
                if parent == "m"
                else {},
            }
        },
        "sources.toml": {},
        "red_flags.toml": {},
    }  # fmt: skip
    for cause in "ab":
        docs[f"causes/{cause}.toml"] = {
            "label": cause, "family": "f", "category": "c", "needs_emergency_care": False, "description": "-",
            "work_up": "-", "care": "-", "text_source": ["expert_estimate"],
            "prior": {"here": row(0.5)},  # type: ignore[arg-type]
            "mechanisms": {"m": row({"a": float(cause == "a"), "b": float(cause == "b")})},
            "findings": {f"f{k}": row({"yes": p[cause], "no": 1 - p[cause]}) for k in range(n)}
            if parent == "cause"
            else {},
        }  # fmt: skip
    return build(docs)


@pytest.mark.parametrize("parent", ["cause", "m"])
def test_120_findings_of_probability_1e_minus_3_are_answered_rightly(parent: str) -> None:
    model = wide_model(parent)
    ranking = legdx.rank({f.id: "yes" for f in model.findings}, setting="here", model=model)
    odds = 1.05**120
    assert ranking.probability("a") == pytest.approx(odds / (1 + odds), rel=1e-9)
    expected = 120 * math.log(1e-3) + math.log(0.5 + 0.5 / odds)
    assert ranking.log_evidence == pytest.approx(expected, rel=1e-12)


def test_impossible_evidence_names_the_findings_in_conflict_and_no_others() -> None:
    model = legdx.load_model(COUGH)
    possible = {"smoker": "present", "temperature": "high"}
    assert legdx.rank(possible, setting="clinic", model=model).log_evidence < 0
    docs = wide_model("cause", 3)
    zero = _with_zero(docs)
    with pytest.raises(legdx.ImpossibleEvidence) as caught:
        legdx.rank({"f0": "yes", "f1": "yes", "f2": "yes"}, setting="here", model=zero)
    assert caught.value.findings == {"f0": "yes", "f1": "yes"}
    assert str(caught.value) == (
        "the findings are impossible under this model, 1 fault:\n"
        "  f0 = yes, f1 = yes: no cause allows these together; "
        "check each of them, or give the model a reporting error over 0"
    )


def _with_zero(model: Any) -> Any:
    """Cause a rules out f0, cause b rules out f1: together they exclude every cause."""
    from dataclasses import replace

    def never(cause: Any, name: str) -> Any:
        gone = replace(cause.findings[name], p=(0.0, 1.0))
        return replace(cause, findings={**cause.findings, name: gone})

    a, b = model.spec.causes
    spec = replace(model.spec, causes=(never(a, "f0"), never(b, "f1")))
    return type(model)(spec, model.rules, "sha256:test")


def test_every_finding_of_the_shipped_model_at_its_rarest_state_is_answered(model: Any) -> None:
    said = {}
    for finding, first in zip(model.findings, model.tables.start, strict=True):
        block = model.tables.likelihood[first : first + len(finding.states)].sum(axis=1)
        said[finding.id] = finding.states[int(block.argmin())]
    ranking = legdx.rank(said)
    assert math.isfinite(ranking.log_evidence)
    assert math.fsum(c.probability for c in ranking.causes) == pytest.approx(1.0)


def test_no_table_of_the_shipped_model_has_a_zero(model: Any) -> None:
    for start, finding, columns in zip(model.tables.start, model.findings, model.tables.columns, strict=True):
        assert (model.tables.likelihood[start : start + len(finding.states), columns] > 0).all(), finding.id
    assert (model.tables.mechanism > 0).all()
    assert (model.tables.prior > 0).all()
