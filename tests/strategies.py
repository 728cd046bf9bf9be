"""Random small models and evidence, shared by all property tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from legdx.loaded import Model
from legdx.model.fields import Faults
from legdx.model.spec import read_spec
from legdx.redflags import read_rules

SETTINGS = ("here", "there")


def row(p: dict[str, float], strength: float = 10.0) -> dict[str, Any]:
    return {"p": p, "strength": strength, "source": ["expert_estimate"]}


@st.composite
def distributions(draw: st.DrawFn, states: tuple[str, ...], zeros: bool = True) -> dict[str, float]:
    weights = draw(st.lists(st.integers(0 if zeros else 1, 1000), min_size=len(states), max_size=len(states)))
    if not any(weights):
        weights[draw(st.integers(0, len(states) - 1))] = 1
    p = np.array(weights, dtype=float) / sum(weights)
    return dict(zip(states, p.tolist(), strict=True))


@st.composite
def documents(draw: st.DrawFn, zeros: bool = True, max_causes: int = 4, max_findings: int = 5) -> dict[str, Any]:
    """The parsed documents of a small model, zeros in its tables allowed or not."""
    n_causes = draw(st.integers(2, max_causes))
    n_mechanisms = draw(st.integers(0, 2))
    mechanisms = {f"m{k}": tuple(f"s{j}" for j in range(draw(st.integers(2, 3)))) for k in range(n_mechanisms)}
    findings: dict[str, tuple[tuple[str, ...], str]] = {}
    for k in range(draw(st.integers(1, max_findings))):
        states = tuple(f"v{j}" for j in range(draw(st.integers(2, 3))))
        findings[f"f{k}"] = (states, draw(st.sampled_from(["cause", *mechanisms])))
    error = 0.0 if zeros else draw(st.sampled_from([0.0, 0.02]))
    docs: dict[str, Any] = {
        "manifest.toml": {
            "schema_version": 1, "id": "small", "label": "Small", "version": "1", "population": "none",
            "intended_use": "tests", "licence": "none", "settings": {s: s for s in SETTINGS},
            "reporting_error": dict.fromkeys(("context", "symptom", "sign", "test", "mechanism"), error),
        },
        "findings.toml": {
            name: {
                "label": name, "question": name, "kind": "symptom", "cost": 0, "states": list(states),
                "parent": parent, "background": row(draw(distributions(states, zeros))),
            }
            for name, (states, parent) in findings.items()
        },
        "mechanisms.toml": {
            name: {
                "label": name, "states": list(states), "background": row(draw(distributions(states, zeros))),
                "findings": {
                    f: {s: row(draw(distributions(values, zeros))) for s in states}
                    for f, (values, parent) in findings.items()
                    if parent == name
                },
            }
            for name, states in mechanisms.items()
        },
        "sources.toml": {"expert_estimate": {"citation": "made up", "kind": "expert_estimate"}},
        "red_flags.toml": {},
    }  # fmt: skip
    causes = [f"c{k}" for k in range(n_causes)]
    priors = {s: draw(distributions(tuple(causes), zeros=False)) for s in SETTINGS}
    for k, cause in enumerate(causes):
        docs[f"causes/{cause}.toml"] = {
            "label": cause, "family": f"family{k % 2}", "category": f"category{k % 3}", "needs_emergency_care": False,
            "description": "-", "work_up": "-", "care": "-", "text_source": ["expert_estimate"],
            "prior": {s: row(priors[s][cause]) for s in SETTINGS},  # type: ignore[arg-type]
            "mechanisms": {m: row(draw(distributions(states, zeros))) for m, states in mechanisms.items()},
            "findings": {
                f: row(draw(distributions(states, zeros)))
                for f, (states, parent) in findings.items()
                if parent == "cause" and draw(st.booleans())
            },
        }  # fmt: skip
    for name in [c for c in docs if c.startswith("causes/")]:
        # A family holds whole categories: category k % 3 lies in the family of the same number.
        docs[name]["family"] = "family" + docs[name]["category"][-1]
    return docs


def build(docs: dict[str, Any]) -> Model:
    """A model from parsed documents, without a folder."""
    faults = Faults()
    spec = read_spec(docs, faults)
    rules = read_rules(docs["red_flags.toml"], spec.vocabulary, faults)
    assert not faults.found, faults.found
    return Model(spec, rules, "sha256:test")


def models(zeros: bool = True, max_causes: int = 4, max_findings: int = 5) -> st.SearchStrategy[Model]:
    return documents(zeros=zeros, max_causes=max_causes, max_findings=max_findings).map(build)


@st.composite
def cases(draw: st.DrawFn, model: Model, virtual: bool = True) -> dict[str, Any]:
    """Findings for a model: some hard, some virtual, the rest left out."""
    said: dict[str, Any] = {}
    for finding in model.findings:
        how = draw(st.sampled_from(["unknown", "hard", "virtual"] if virtual else ["unknown", "hard"]))
        if how == "hard":
            said[finding.id] = draw(st.sampled_from(finding.states))
        elif how == "virtual":
            weights = draw(st.lists(st.integers(1, 20), min_size=len(finding.states), max_size=len(finding.states)))
            said[finding.id] = dict(zip(finding.states, weights, strict=True))
    return said
