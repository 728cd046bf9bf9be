"""The laws of intervals, of sensitivity functions and of learning, over random small models and cases."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import legdx
from legdx.inference.sensitivity import SensitivityFunction
from legdx.loaded import Model
from legdx.model.fields import Row
from legdx.ranking import Ranking
from strategies import build, cases, documents, models


@st.composite
def model_and_case(draw: st.DrawFn, zeros: bool = False) -> tuple[Model, dict[str, Any]]:
    model = draw(models(zeros=zeros))
    return model, draw(cases(model))


def rank(model: Model, findings: dict[str, Any]) -> Ranking:
    return legdx.rank(findings, setting="here", model=model)


def ranked(model: Model, findings: dict[str, Any]) -> Ranking:
    try:
        return rank(model, findings)
    except legdx.ImpossibleEvidence:
        assume(False)
        raise


def items(ranking: Ranking) -> list[Any]:
    return [*ranking.causes, *ranking.categories, *ranking.families]


@given(model_and_case(zeros=True))
def test_an_interval_contains_the_point_estimate(pair: tuple[Model, dict[str, Any]]) -> None:
    for item in items(ranked(*pair)):
        low, high = item.interval
        assert 0.0 <= low <= item.probability <= high <= 1.0 + 1e-6


def stronger(docs: dict[str, Any], factor: float) -> dict[str, Any]:
    def scaled(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: v * factor if k == "strength" else scaled(v) for k, v in value.items()}
        return value

    return scaled(copy.deepcopy(docs))  # type: ignore[no-any-return]


@given(documents(zeros=False), st.data())
def test_intervals_narrow_as_strengths_grow(docs: dict[str, Any], data: st.DataObject) -> None:
    findings = data.draw(cases(build(docs)))
    widths = []
    for factor in (1.0, 1e3, 1e6):
        causes = rank(build(stronger(docs, factor)), findings).causes
        widths.append(sum(high - low for low, high in (cause.interval for cause in causes)))
    assert widths[2] <= widths[1] + 1e-3 <= widths[0] + 2e-3
    assert widths[2] < 0.05


@given(model_and_case(zeros=True))
def test_the_same_case_has_the_same_intervals(pair: tuple[Model, dict[str, Any]]) -> None:
    model, findings = pair
    again = Model(model.spec, model.rules, model.digest)
    first = {(type(i), i.id): i.interval for i in items(ranked(model, findings))}
    assert {(type(i), i.id): i.interval for i in items(rank(again, findings))} == first


@given(model_and_case())
def test_some_cause_is_first_in_every_draw(pair: tuple[Model, dict[str, Any]]) -> None:
    shares = list(rank(*pair).rank_stability().values())
    assert math.fsum(shares) == pytest.approx(1.0)
    assert shares == sorted(shares, reverse=True)


def changed(model: Model, one: SensitivityFunction, x: float) -> Model:
    """The model with one parameter set to x as it is written, the others of its row in proportion."""
    spec = model.spec
    file, path = one.where.split(": ")
    keys = path.split(".")
    causes, mechanisms, vocabulary = spec.causes, spec.mechanisms, spec.vocabulary
    if keys[0] == "prior":
        id = file.removeprefix("causes/").removesuffix(".toml")
        old = [c.prior["here"].p for c in causes]
        new = covaried(old, [c.id for c in causes].index(id), x)
        causes = tuple(
            replace(c, prior={**c.prior, "here": replace(c.prior["here"], p=p)})
            for c, p in zip(causes, new, strict=True)
        )
        return Model(replace(spec, causes=causes), model.rules, "sha256:test")
    node, state = one.parameter.removeprefix("P(").split(" | ")[0].split(" = ")
    states = next(n.states for n in (*vocabulary.findings, *mechanisms) if n.id == node)

    def moved(row: Row) -> Row:
        return replace(row, p=tuple(covaried(list(row.p), states.index(state), x)))

    if file.startswith("causes/"):
        id = file.removeprefix("causes/").removesuffix(".toml")
        part: Any = keys[0]
        causes = tuple(
            replace(c, **{part: {**getattr(c, part), node: moved(getattr(c, part)[node])}}) if c.id == id else c
            for c in causes
        )
    elif file == "findings.toml":
        vocabulary = type(vocabulary)(
            tuple(replace(f, background=moved(f.background)) if f.id == keys[0] else f for f in vocabulary.findings)
        )
    elif keys[1] == "background":
        mechanisms = tuple(replace(m, background=moved(m.background)) if m.id == keys[0] else m for m in mechanisms)
    else:
        mechanisms = tuple(
            replace(
                m,
                findings={**m.findings, node: {**m.findings[node], keys[3]: moved(m.findings[node][keys[3]])}},
            )
            if m.id == keys[0]
            else m
            for m in mechanisms
        )
    spec = replace(spec, causes=causes, mechanisms=mechanisms, vocabulary=vocabulary)
    return Model(spec, model.rules, "sha256:test")


def covaried(p: list[float], k: int, x: float) -> list[float]:
    rest = sum(p) - p[k]
    new = [v * (1 - x) / rest if rest > 0 else (1 - x) / (len(p) - 1) for v in p]
    new[k] = x
    return new


@given(model_and_case(zeros=True), st.data())
@settings(max_examples=40)
def test_a_sensitivity_function_is_the_posterior_of_the_changed_model(
    pair: tuple[Model, dict[str, Any]], data: st.DataObject
) -> None:
    model, findings = pair
    cause = data.draw(st.sampled_from([c.id for c in model.causes]))
    functions = ranked(model, findings).sensitivity(cause, 10_000).parameters
    for one in data.draw(st.lists(st.sampled_from(functions), min_size=1, max_size=8)):
        x = data.draw(st.floats(0.01, 0.99))
        assert one.posterior(x) == pytest.approx(ranked(changed(model, one, x), findings).probability(cause), abs=1e-9)
        assert one.posterior(one.value) == pytest.approx(ranked(model, findings).probability(cause), abs=1e-12)


@given(model_and_case(), st.data())
@settings(max_examples=40)
def test_derivatives_agree_with_finite_differences(pair: tuple[Model, dict[str, Any]], data: st.DataObject) -> None:
    model, findings = pair
    cause = data.draw(st.sampled_from([c.id for c in model.causes]))
    functions = rank(model, findings).sensitivity(cause, 10_000).parameters
    inner = [one for one in functions if 1e-3 < one.value < 1 - 1e-3]
    assume(inner)
    step = 1e-6
    for one in data.draw(st.lists(st.sampled_from(inner), min_size=1, max_size=8)):
        above, below = (
            rank(changed(model, one, one.value + sign * step), findings).probability(cause) for sign in (1, -1)
        )
        difference = (above - below) / (2 * step)
        assert one.derivative == pytest.approx(difference, rel=1e-4, abs=1e-4)


@given(model_and_case(), st.data())
@settings(max_examples=40)
def test_the_first_cause_changes_where_the_ranking_is_said_to_turn(
    pair: tuple[Model, dict[str, Any]], data: st.DataObject
) -> None:
    model, findings = pair
    ranking = rank(model, findings)
    first, second = ranking.causes[:2]
    assume(first.probability - second.probability > 1e-6)
    for one in ranking.sensitivity(first.id, 10_000).parameters:
        beyond = {turn.side: turn for turn in one.turns}
        for side, sign, end in (("under", -1, 0.0), ("over", 1, 1.0)):
            turn = beyond.get(side)
            at = end if turn is None else turn.value
            inside = one.value + (at - one.value) * data.draw(st.floats(0.01, 0.99))
            assert rank(changed(model, one, inside), findings).causes[0].id == first.id
            past = at + sign * 1e-5
            if turn is not None and 0 <= past <= 1:
                after = rank(changed(model, one, past), findings)
                gained = after.probability(turn.cause) - after.probability(first.id)
                assert gained > -1e-12


@given(models(zeros=False), st.data())
def test_stated_priors_hold_and_the_others_keep_their_proportions(model: Model, data: st.DataObject) -> None:
    id = data.draw(st.sampled_from([*(c.id for c in model.causes), *sorted({c.category for c in model.causes})]))
    inside = {c.id for c in model.causes if id in (c.id, c.category, c.family)}
    assume(len(inside) < len(model.causes))
    value = data.draw(st.floats(0.001, 0.999))
    new = model.with_priors({id: value}, setting="here")
    assert rank(new, {}).probability(id) == pytest.approx(value, abs=1e-12)
    assert new.tables.prior.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert (new.tables.prior[1] == model.tables.prior[1]).all()
    for group in (inside, {c.id for c in model.causes} - inside):
        ratio = [rank(new, {}).probability(c) / rank(model, {}).probability(c) for c in group]
        assert ratio == pytest.approx([ratio[0]] * len(ratio), rel=1e-9)


@st.composite
def diagnosed(draw: st.DrawFn, model: Model) -> list[dict[str, Any]]:
    some = draw(st.lists(cases(model), min_size=1, max_size=5))
    return [{"cause": draw(st.sampled_from([c.id for c in model.causes])), **case} for case in some]


def log_posterior(model: Model, prior: Model, table: list[dict[str, Any]], strength: float) -> float:
    """What EM climbs: the log likelihood of the cases and the Dirichlet log density of every row that it may move."""
    total = 0.0
    for case in table:
        only = {c.id: float(c.id == case["cause"]) for c in model.causes}
        findings = {k: v for k, v in case.items() if k != "cause"}
        total += strength * rank(model.with_priors(only), findings).log_evidence

    def density(new: Row, old: Row) -> float:
        return sum(old.strength * a * math.log(b) for a, b in zip(old.p, new.p, strict=True) if a > 0)

    for new, old in zip(model.causes, prior.causes, strict=True):
        for f in prior.findings:
            if f.parent == "cause":
                total += density(new.findings.get(f.id, f.background), old.findings.get(f.id, f.background))
        for m in prior.spec.mechanisms:
            total += density(new.mechanisms.get(m.id, m.background), old.mechanisms.get(m.id, m.background))
    for new_m, old_m in zip(model.spec.mechanisms, prior.spec.mechanisms, strict=True):
        for f, rows in old_m.findings.items():
            background = prior.findings[f].background
            for state in old_m.states:
                total += density(new_m.findings[f].get(state, background), rows.get(state, background))
    return total


@given(models(zeros=False), st.data())
@settings(max_examples=30)
def test_learning_raises_the_posterior_of_the_parameters(model: Model, data: st.DataObject) -> None:
    table = data.draw(diagnosed(model))
    strength = data.draw(st.sampled_from([0.5, 1.0, 20.0]))
    learned = model.update(table, strength=strength)
    before = log_posterior(model, model, table, strength)
    assert log_posterior(learned, model, table, strength) >= before - 1e-6


@given(models(zeros=False), st.data())
@settings(max_examples=30)
def test_learned_rows_are_distributions_that_have_not_lost_strength(model: Model, data: st.DataObject) -> None:
    table = data.draw(diagnosed(model))
    for row in model.update(table).report.moved:
        assert math.fsum(row.after) == pytest.approx(1.0, abs=1e-12)
        assert min(row.after) >= 0
        assert row.strength_before <= row.strength_after <= row.strength_before + row.cases + 1e-9


@given(models(zeros=False), st.data())
@settings(max_examples=30)
def test_the_order_of_the_cases_does_not_matter(model: Model, data: st.DataObject) -> None:
    table = data.draw(diagnosed(model))
    one, other = model.update(table), model.update(list(reversed(table)))
    assert np.allclose(one.tables.likelihood, other.tables.likelihood, atol=1e-7)
    assert np.allclose(one.tables.mechanism, other.tables.mechanism, atol=1e-7)
