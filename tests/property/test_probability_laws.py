"""The laws of probability, one test a law, over random small models and cases."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import legdx
from legdx.loaded import Model
from legdx.ranking import Ranking
from strategies import SETTINGS, build, cases, documents, models, row

CLOSE: dict[str, float] = {"rel": 1e-9, "abs": 1e-12}


def rank(model: Model, findings: dict[str, Any], setting: str = "here") -> Ranking:
    return legdx.rank(findings, setting=setting, model=model)


def posterior(ranking: Ranking) -> dict[str, float]:
    return {cause.id: cause.probability for cause in ranking.causes}


@st.composite
def model_and_case(draw: st.DrawFn, zeros: bool = False, virtual: bool = True) -> tuple[Model, dict[str, Any]]:
    model = draw(models(zeros=zeros))
    return model, draw(cases(model, virtual=virtual))


def brute_force(model: Model, findings: dict[str, Any], setting: str) -> tuple[np.ndarray, float]:
    """Sum the joint over every state of every node: the definition, with none of the engine."""
    spec, error = model.spec, model.spec.manifest.reporting_error
    softened = lambda p, e: [(1 - e) * x + e / len(p) for x in p]  # noqa: E731
    joint = np.zeros(len(spec.causes))
    mechanisms = [range(len(m.states)) for m in spec.mechanisms]
    number = {m.id: k for k, m in enumerate(spec.mechanisms)}
    for c, cause in enumerate(spec.causes):
        for states in itertools.product(*mechanisms):
            p = cause.prior[setting].p
            for m, s in zip(spec.mechanisms, states, strict=True):
                p *= softened(cause.mechanisms.get(m.id, m.background).p, error["mechanism"])[s]
            for f in spec.vocabulary.findings:
                if f.id not in findings:
                    continue
                if f.parent == "cause":
                    table = cause.findings.get(f.id, f.background).p
                else:
                    m = spec.mechanisms[number[f.parent]]
                    table = m.findings[f.id].get(m.states[states[number[f.parent]]], f.background).p
                table = softened(table, error[f.kind])
                value = findings[f.id]
                if isinstance(value, str):
                    p *= table[f.states.index(value)]
                else:
                    top = max(value.values())
                    p *= sum(x * value[s] / top for x, s in zip(table, f.states, strict=True))
            joint[c] += p
    return joint / joint.sum() if joint.sum() else joint, float(joint.sum())


@given(model_and_case(zeros=True), st.sampled_from(SETTINGS))
def test_equals_brute_force_enumeration(pair: tuple[Model, dict[str, Any]], setting: str) -> None:
    model, findings = pair
    expected, evidence = brute_force(model, findings, setting)
    if evidence == 0.0:
        with pytest.raises(legdx.ImpossibleEvidence):
            rank(model, findings, setting)
        return
    ranking = rank(model, findings, setting)
    assert ranking.posterior.probability == pytest.approx(expected, **CLOSE)
    assert ranking.log_evidence == pytest.approx(math.log(evidence), rel=1e-9, abs=1e-9)


@given(model_and_case())
def test_posteriors_lie_in_the_unit_interval_and_sum_to_one(pair: tuple[Model, dict[str, Any]]) -> None:
    ranking = rank(*pair)
    for level in (ranking.causes, ranking.categories, ranking.families):
        assert all(0.0 <= item.probability <= 1.0 for item in level)
        assert math.fsum(item.probability for item in level) == pytest.approx(1.0, abs=1e-12)


@given(model_and_case(), st.randoms())
def test_finding_order_does_not_matter(pair: tuple[Model, dict[str, Any]], random: Any) -> None:
    model, findings = pair
    items = list(findings.items())
    random.shuffle(items)
    assert rank(model, dict(items)).to_json() == rank(model, findings).to_json()


@given(model_and_case())
def test_unknown_equals_omitted(pair: tuple[Model, dict[str, Any]]) -> None:
    model, findings = pair
    for unknown in (None, float("nan")):
        filled = {f.id: findings.get(f.id, unknown) for f in model.findings}
        assert rank(model, filled).to_json() == rank(model, findings).to_json()


@given(documents(zeros=False), st.data())
def test_renaming_causes_permutes_the_answer(docs: dict[str, Any], data: st.DataObject) -> None:
    model = build(docs)
    findings = data.draw(cases(model))
    old = [c.id for c in model.causes]
    new = data.draw(st.permutations(old))
    names = dict(zip(old, new, strict=True))
    renamed = {k: v for k, v in docs.items() if not k.startswith("causes/")}
    renamed |= {f"causes/{names[c]}.toml": docs[f"causes/{c}.toml"] for c in old}
    before, after = posterior(rank(model, findings)), posterior(rank(build(renamed), findings))
    assert {names[c]: p for c, p in before.items()} == pytest.approx(after, **CLOSE)


@given(model_and_case(virtual=False), st.data())
def test_evidence_in_two_steps_equals_at_once(pair: tuple[Model, dict[str, Any]], data: st.DataObject) -> None:
    model, findings = pair
    first = {k: v for k, v in findings.items() if data.draw(st.booleans())}
    at_once, step = rank(model, findings), rank(model, first)
    # Bayes: P(c | e1, e2) is P(c | e1) P(e2 | c, e1), normalised.
    for cause in model.causes:
        alone = rank(_only_cause(model, cause.id), findings).log_evidence
        before = rank(_only_cause(model, cause.id), first).log_evidence
        gain = alone - before - (at_once.log_evidence - step.log_evidence)
        expected = step.probability(cause.id) * math.exp(gain)
        assert at_once.probability(cause.id) == pytest.approx(expected, rel=1e-7, abs=1e-12)


def _only_cause(model: Model, id: str) -> Model:
    """The same model with all prior probability on one cause."""
    from dataclasses import replace

    causes = tuple(
        replace(c, prior={s: replace(p, p=float(c.id == id)) for s, p in c.prior.items()}) for c in model.spec.causes
    )
    return Model(replace(model.spec, causes=causes), model.rules, "sha256:test")


@given(documents(zeros=False), st.data())
def test_a_finding_equally_likely_under_every_cause_changes_nothing(docs: dict[str, Any], data: st.DataObject) -> None:
    docs = copy.deepcopy(docs)
    docs["findings.toml"]["flat"] = {
        "label": "flat", "question": "flat", "kind": "symptom", "cost": 0, "states": ["a", "b"], "parent": "cause",
        "background": row({"a": 0.3, "b": 0.7}),
    }  # fmt: skip
    model = build(docs)
    findings = data.draw(cases(model))
    findings.pop("flat", None)
    before, after = posterior(rank(model, findings)), posterior(rank(model, findings | {"flat": "a"}))
    assert before == pytest.approx(after, **CLOSE)


@given(model_and_case(virtual=False))
def test_virtual_evidence_with_one_state_at_one_equals_hard_evidence(pair: tuple[Model, dict[str, Any]]) -> None:
    model, findings = pair
    virtual = {name: {s: float(s == state) for s in model.findings[name].states} for name, state in findings.items()}
    assert posterior(rank(model, virtual)) == posterior(rank(model, findings))


@given(model_and_case(), st.floats(1e-6, 1e6))
def test_virtual_evidence_with_equal_likelihoods_equals_unknown(
    pair: tuple[Model, dict[str, Any]], likelihood: float
) -> None:
    model, findings = pair
    flat = {f.id: dict.fromkeys(f.states, likelihood) for f in model.findings if f.id not in findings}
    assert posterior(rank(model, findings | flat)) == posterior(rank(model, findings))


@given(model_and_case(), st.floats(1e-3, 1e3))
def test_the_scale_of_virtual_evidence_does_not_matter(pair: tuple[Model, dict[str, Any]], scale: float) -> None:
    model, findings = pair
    scaled = {k: v if isinstance(v, str) else {s: w * scale for s, w in v.items()} for k, v in findings.items()}
    assert posterior(rank(model, scaled)) == pytest.approx(posterior(rank(model, findings)), **CLOSE)


@given(model_and_case())
def test_category_posterior_is_the_sum_over_its_causes(pair: tuple[Model, dict[str, Any]]) -> None:
    ranking = rank(*pair)
    for level, groups in (("category", ranking.categories), ("family", ranking.families)):
        for group in groups:
            members = [c.probability for c in ranking.causes if getattr(c, level) == group.id]
            assert group.probability == pytest.approx(math.fsum(members), abs=1e-12)


@given(documents(zeros=False), st.data())
def test_posterior_odds_are_prior_odds_times_likelihood_ratio(docs: dict[str, Any], data: st.DataObject) -> None:
    model = build(docs)
    hanging = [f for f in model.findings if f.parent == "cause"]
    assume(hanging)
    finding = data.draw(st.sampled_from(hanging))
    state = data.draw(st.sampled_from(finding.states))
    k, tables = model.vocabulary.rows[finding.id][state], model.tables
    before, after = rank(model, {}), rank(model, {finding.id: state})
    for (i, a), (j, b) in itertools.combinations(enumerate(tables.causes), 2):
        ratio = tables.likelihood[k, i] / tables.likelihood[k, j]
        odds = before.probability(a) / before.probability(b)
        assert after.probability(a) / after.probability(b) == pytest.approx(odds * ratio, rel=1e-9)


@given(model_and_case())
def test_a_block_of_cases_equals_its_single_cases(pair: tuple[Model, dict[str, Any]]) -> None:
    from legdx.evidence import parse_evidence
    from legdx.inference.engine import infer_block

    model, findings = pair
    block = [parse_evidence(model.vocabulary, f) for f in ({}, findings)]
    together = infer_block(model.tables, block, [0, 1])
    for k, setting in enumerate(SETTINGS):
        single = rank(model, ({}, findings)[k], setting)
        assert together.probability[k] == pytest.approx(single.posterior.probability, rel=1e-12, abs=1e-15)
