"""Laws of explanations, of the value of information and of surprise, on random small models."""

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
from legdx.inference import advise, weights
from legdx.inference.explain import Explanation
from legdx.loaded import Model
from legdx.ranking import Ranking
from strategies import SETTINGS, build, cases, documents, models, row


def rank(model: Model, findings: dict[str, Any], setting: str = "here") -> Ranking:
    return legdx.rank(findings, setting=setting, model=model)


@st.composite
def model_and_case(draw: st.DrawFn, virtual: bool = True) -> tuple[Model, dict[str, Any]]:
    model = draw(models(zeros=False))
    return model, draw(cases(model, virtual=virtual))


def names_of(model: Model) -> list[str]:
    return sorted({name for c in model.causes for name in (c.id, c.category, c.family)})


def log10_odds(p: float) -> float:
    return math.log10(p / (1 - p))


def weighed(explanation: Explanation) -> dict[str, float]:
    return {c.finding: c.log10_lr for c in explanation.contributions}


@given(model_and_case(), st.sampled_from(SETTINGS))
def test_prior_and_contributions_add_up_to_the_posterior(pair: tuple[Model, dict[str, Any]], setting: str) -> None:
    model, findings = pair
    ranking, before = rank(model, findings, setting), rank(model, {}, setting)
    for name in names_of(model):
        if before.probability(name) > 1 - 1e-9:  # a family of all causes has no rival
            continue
        why = ranking.explain(name)
        assert {c.finding for c in why.contributions} == set(ranking.evidence.named())
        assert why.prior == pytest.approx(before.probability(name), abs=1e-12)
        assert why.posterior == pytest.approx(ranking.probability(name), abs=1e-12)
        total = log10_odds(why.prior) + sum(weighed(why).values())
        assert total == pytest.approx(log10_odds(why.posterior), abs=1e-9)


@given(model_and_case())
def test_against_one_rival_contributions_add_up_to_the_odds_of_the_two(pair: tuple[Model, dict[str, Any]]) -> None:
    model, findings = pair
    ranking = rank(model, findings)
    for a, b in itertools.permutations([c.id for c in model.causes], 2):
        why = ranking.explain(a, versus=b)
        total = why.prior_log10_odds + sum(weighed(why).values())
        assert total == pytest.approx(math.log10(ranking.probability(a) / ranking.probability(b)), abs=1e-9)
        assert weighed(ranking.explain(b, versus=a)) == pytest.approx(
            {k: -v for k, v in weighed(why).items()}, abs=1e-9
        )


@given(model_and_case(virtual=False))
def test_against_one_rival_a_finding_on_the_cause_weighs_its_likelihood_ratio(
    pair: tuple[Model, dict[str, Any]],
) -> None:
    model, findings = pair
    a, b = [c.id for c in model.causes][:2]
    for c in rank(model, findings).explain(a, versus=b).contributions:
        if c.mechanism is None:
            assert c.log10_lr == pytest.approx(math.log10(c.likelihood / c.rival_likelihood), abs=1e-9)


@given(model_and_case())
def test_within_a_mechanism_each_finding_has_its_mean_gain_over_all_orders(pair: tuple[Model, dict[str, Any]]) -> None:
    model, findings = pair
    a, b = [c.id for c in model.causes][:2]
    found = weighed(rank(model, findings).explain(a, versus=b))
    odds = lambda known: math.log10(  # noqa: E731
        rank(model, known).probability(a) / rank(model, known).probability(b)
    )
    for mechanism in model.spec.mechanisms:
        group = [name for name in found if model.findings[name].parent == mechanism.id]
        gains: dict[str, list[float]] = {name: [] for name in group}
        for order in itertools.permutations(group[:4]):
            known: dict[str, Any] = {}
            for name in order:
                before, known = odds(known), known | {name: findings[name]}
                gains[name].append(odds(known) - before)
        if len(group) <= 4:
            for name in group:
                assert found[name] == pytest.approx(np.mean(gains[name]), abs=1e-9)


@given(model_and_case())
def test_two_orders_add_up_as_all_orders_do(pair: tuple[Model, dict[str, Any]]) -> None:
    model, findings = pair
    evidence = rank(model, findings).evidence
    exact = weights.finding_log_likelihood(model.tables, evidence)
    limit = weights._SHAPLEY_LIMIT
    weights._SHAPLEY_LIMIT = 1
    try:
        in_two = weights.finding_log_likelihood(model.tables, evidence)
    finally:
        weights._SHAPLEY_LIMIT = limit
    assert in_two.sum(axis=0) == pytest.approx(exact.sum(axis=0), abs=1e-9)
    on_mechanism = [model.findings[name].parent for name in evidence.named()]
    if max((on_mechanism.count(m.id) for m in model.spec.mechanisms), default=0) <= 2:
        assert in_two == pytest.approx(exact, abs=1e-9)


@given(model_and_case())
def test_the_sign_is_that_of_being_likelier_than_under_every_rival(pair: tuple[Model, dict[str, Any]]) -> None:
    model, findings = pair
    lines = {cause.id: rank(model, findings).explain(cause.id).contributions for cause in model.causes}
    likelihood = {(id, line.finding): line.likelihood for id in lines for line in lines[id]}
    for id, contributions in lines.items():
        for line in contributions:
            if line.mechanism is None:
                rivals = [likelihood[other, line.finding] for other in lines if other != id]
                if line.likelihood >= max(rivals) - 1e-12:
                    assert line.log10_lr >= -1e-9
                if line.likelihood <= min(rivals) + 1e-12:
                    assert line.log10_lr <= 1e-9


@st.composite
def possible(draw: st.DrawFn) -> Ranking:
    """A ranking under a model that may hold zeros."""
    model = draw(models(zeros=True))
    try:
        return rank(model, draw(cases(model)))
    except legdx.ImpossibleEvidence:
        assume(False)
        raise


@given(possible())
def test_findings_that_exclude_weigh_without_bound_and_never_nan(ranking: Ranking) -> None:
    for cause in ranking.model.causes:
        why = ranking.explain(cause.id)
        total = why.prior_log10_odds + math.fsum(weighed(why).values())
        assert total == pytest.approx(why.posterior_log10_odds, abs=1e-9)
        assert ranking.probability(cause.id) == pytest.approx(why.posterior, abs=1e-12)


def entropy(p: dict[str, float]) -> float:
    return -sum(x * math.log2(x) for x in p.values() if x > 0)


def by_level(ranking: Ranking, level: str) -> dict[str, float]:
    groups = {"cause": ranking.causes, "category": ranking.categories, "family": ranking.families}[level]
    return {item.id: item.probability for item in groups}


@given(model_and_case(), st.sampled_from(advise.LEVELS))
def test_value_of_information_equals_brute_force(pair: tuple[Model, dict[str, Any]], level: str) -> None:
    model, findings = pair
    ranking = rank(model, findings)
    evidence = ranking.log_evidence
    asked = ranking.next_findings(len(model.findings), level=level, cost_weight=0.0)
    for item in asked:
        expected = 0.0
        for outcome in item.outcomes:
            after = rank(model, findings | {item.finding: outcome.state})
            assert dict(outcome.ranking) == pytest.approx({c.id: c.probability for c in after.causes}, abs=1e-12)
            if item.finding not in findings:
                assert outcome.probability == pytest.approx(math.exp(after.log_evidence - evidence), abs=1e-12)
            expected += outcome.probability * entropy(by_level(after, level))
        assert math.fsum(o.probability for o in item.outcomes) == pytest.approx(1.0, abs=1e-12)
        assert item.value == pytest.approx(entropy(by_level(ranking, level)) - expected, abs=1e-9)
        assert item.score == item.value


@given(possible(), st.sampled_from(advise.OBJECTIVES), st.sampled_from(advise.LEVELS))
def test_value_of_information_is_never_negative(ranking: Ranking, objective: str, level: str) -> None:
    for item in ranking.next_findings(99, objective=objective, level=level, cost_weight=0.0):
        assert item.value >= 0.0
        assert item.score >= 0.0
        assert math.fsum(o.probability for o in item.outcomes) == pytest.approx(1.0, abs=1e-12)


@given(documents(zeros=False), st.data(), st.sampled_from(advise.OBJECTIVES))
def test_a_finding_independent_of_the_cause_has_no_value(
    docs: dict[str, Any], data: st.DataObject, objective: str
) -> None:
    docs = copy.deepcopy(docs)
    docs["findings.toml"]["flat"] = {
        "label": "flat", "question": "flat", "kind": "symptom", "cost": 0, "states": ["a", "b"], "parent": "cause",
        "background": row({"a": 0.3, "b": 0.7}),
    }  # fmt: skip
    model = build(docs)
    findings = data.draw(cases(model))
    findings.pop("flat", None)
    items = {item.finding: item for item in rank(model, findings).next_findings(99, objective=objective)}
    assert items["flat"].value == pytest.approx(0.0, abs=1e-12)
    assert items["flat"].score == pytest.approx(0.0, abs=1e-12)


@given(documents(zeros=False), st.data())
def test_other_objectives_equal_brute_force(docs: dict[str, Any], data: st.DataObject) -> None:
    for k, name in enumerate(sorted(n for n in docs if n.startswith("causes/"))):
        docs[name]["needs_emergency_care"] = k % 2 == 0
    model = build(docs)
    findings = data.draw(cases(model, virtual=False))
    ranking = rank(model, findings)
    top = min(ranking.causes, key=lambda c: (-c.probability, [d.id for d in model.causes].index(c.id))).id
    danger = {c.id for c in model.causes if c.needs_emergency_care}
    split = lambda r: {"yes": r[top], "no": 1 - r[top]}  # noqa: E731
    now = {c.id: c.probability for c in ranking.causes}
    for objective in ("top_cause", "danger"):
        for item in ranking.next_findings(99, objective=objective):
            after = [(o.probability, dict(o.ranking)) for o in item.outcomes]
            if objective == "top_cause":
                expected = entropy(split(now)) - sum(p * entropy(split(r)) for p, r in after)
            else:
                expected = sum(p * abs(sum(r[c] - now[c] for c in danger)) for p, r in after)
            assert item.score == pytest.approx(expected, abs=1e-9)


@given(model_and_case())
def test_no_two_questions_of_one_mechanism_and_none_that_is_known(pair: tuple[Model, dict[str, Any]]) -> None:
    model, findings = pair
    ranking = rank(model, findings)
    asked = [item.finding for item in ranking.next_findings(99)]
    parents = [p for p in (model.findings[name].parent for name in asked) if p != "cause"]
    assert len(parents) == len(set(parents))
    assert not {name for name, value in findings.items() if isinstance(value, str)} & set(asked)


@given(model_and_case(virtual=False))
def test_conflict_is_the_log_ratio_to_independent_findings(pair: tuple[Model, dict[str, Any]]) -> None:
    model, findings = pair
    ranking = rank(model, findings)
    log2 = lambda known: rank(model, known).log_evidence / math.log(2)  # noqa: E731
    alone = {name: log2({name: value}) for name, value in findings.items()}
    surprise = ranking.surprise
    assert surprise.conflict == pytest.approx(sum(alone.values()) - log2(findings), abs=1e-9)
    for one in surprise.conflicts:
        rest = {k: v for k, v in findings.items() if k != one.finding}
        assert one.bits == pytest.approx(alone[one.finding] + log2(rest) - log2(findings), abs=1e-9)
        for other in one.with_findings:
            pair_of = {k: findings[k] for k in (one.finding, other)}
            assert log2(pair_of) < alone[one.finding] + alone[other]


@given(model_and_case(virtual=False))
def test_shares_agree_with_all_cases_enumerated(pair: tuple[Model, dict[str, Any]]) -> None:
    model, findings = pair
    ranking, known = rank(model, findings), list(findings)
    table = {}
    for states in itertools.product(*(model.findings[name].states for name in known)):
        found = dict(zip(known, states, strict=True))
        case = rank(model, found)
        prior = {c.id: c.prior for c in case.causes}
        given_cause = {c.id: case.log_evidence + math.log(c.probability) - math.log(prior[c.id]) for c in case.causes}
        table[states] = case.log_evidence, given_cause
    own = table[tuple(findings[name] for name in known)]
    share = sum(math.exp(log) for log, _ in table.values() if log <= own[0] + 1e-9)
    fit = sum(
        c.probability * sum(math.exp(g[c.id]) for _, g in table.values() if g[c.id] <= own[1][c.id] + 1e-9)
        for c in ranking.causes
    )
    # 500 simulated cases: the standard error of a share is at most 0.0224.
    assert ranking.surprise.share == pytest.approx(share, abs=0.11)
    assert ranking.surprise.fit == pytest.approx(fit, abs=0.11)


@given(possible())
def test_surprise_is_the_same_each_time_and_within_bounds(ranking: Ranking) -> None:
    first = ranking.surprise
    assert first == rank(ranking.model, ranking.evidence.named()).surprise
    assert 0 < first.share <= 1
    assert 0 < first.fit <= 1
    assert 0 <= first.outside < 1
    assert math.isfinite(first.conflict)
