"""Hand-made small models, for tests that need to know every number."""

from __future__ import annotations

from typing import Any

from legdx.loaded import Model
from strategies import build, row

KINDS = ("context", "symptom", "sign", "test", "mechanism")


def finding(states: list[str], parent: str = "cause", background: dict[str, float] | None = None) -> dict[str, Any]:
    p = background or {state: 1 / len(states) for state in states}
    return {
        "label": "-", "question": "-", "kind": "symptom", "cost": 0, "states": states, "parent": parent,
        "background": row(p),
    }  # fmt: skip


def cause(prior: float, strength: float, **parts: dict[str, Any]) -> dict[str, Any]:
    return {
        "label": "-", "family": "all", "category": "some", "needs_emergency_care": False, "description": "-",
        "work_up": "-", "care": "-", "text_source": ["expert_estimate"],
        "prior": {"here": row(prior, strength)},  # type: ignore[arg-type]
        "mechanisms": parts.get("mechanisms", {}), "findings": parts.get("findings", {}),
    }  # fmt: skip


def model(
    causes: dict[str, dict[str, Any]],
    findings: dict[str, dict[str, Any]],
    mechanisms: dict[str, dict[str, Any]] | None = None,
    error: float = 0.0,
) -> Model:
    return build(
        {
            "manifest.toml": {
                "schema_version": 1, "id": "small", "label": "Small", "version": "1", "population": "none",
                "intended_use": "tests", "licence": "none", "settings": {"here": "here"},
                "reporting_error": dict.fromkeys(KINDS, error),
            },
            "findings.toml": findings,
            "mechanisms.toml": mechanisms or {},
            "sources.toml": {"expert_estimate": {"citation": "made up", "kind": "expert_estimate"}},
            "red_flags.toml": {},
            **{f"causes/{id}.toml": one for id, one in causes.items()},
        }
    )  # fmt: skip


def two_causes(*, p: float, strength: float, prior: float = 0.5, prior_strength: float = 1e9) -> Model:
    """Two causes and one finding: P(f = yes | a) is p with a strength, P(f = yes | b) is exactly 0.4."""
    return model(
        {
            "a": cause(prior, prior_strength, findings={"f": row({"yes": p, "no": 1 - p}, strength)}),
            "b": cause(1 - prior, prior_strength, findings={"f": row({"yes": 0.4, "no": 0.6}, 1e9)}),
        },
        {"f": finding(["no", "yes"])},
    )


def with_mechanism(error: float = 0.0) -> Model:
    """Two causes, a mechanism of two states with two findings, and a finding of three states on the cause."""
    return model(
        {
            "a": cause(
                0.3, 20,
                mechanisms={"m": row({"on": 0.8, "off": 0.2}, 12)},
                findings={"g": row({"x": 0.5, "y": 0.3, "z": 0.2}, 8)},
            ),
            "b": cause(0.7, 20, mechanisms={"m": row({"on": 0.1, "off": 0.9}, 12)}),
        },
        {
            "f1": finding(["no", "yes"], "m"),
            "f2": finding(["no", "yes"], "m"),
            "g": finding(["x", "y", "z"], background={"x": 0.2, "y": 0.5, "z": 0.3}),
        },
        {
            "m": {
                "label": "-", "states": ["on", "off"], "background": row({"on": 0.5, "off": 0.5}),
                "findings": {
                    "f1": {"on": row({"no": 0.1, "yes": 0.9}), "off": row({"no": 0.8, "yes": 0.2})},
                    "f2": {"on": row({"no": 0.3, "yes": 0.7}), "off": row({"no": 0.9, "yes": 0.1})},
                },
            }
        },
        error,
    )  # fmt: skip
