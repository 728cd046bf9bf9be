"""The laws of the scores and of the plainer models, over random posteriors and random small networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legdx.evidence import parse_evidence
from legdx.inference.comparators import flattened, with_uniform_prior
from legdx.inference.engine import infer
from legdx.inference.scores import calibration_error, error_if_calibrated, figure, reliability, score
from strategies import cases, models


@st.composite
def scored_cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n, causes = draw(st.integers(1, 12)), draw(st.integers(2, 5))
    weights = st.lists(st.integers(1, 100), min_size=causes, max_size=causes)
    probability = np.array([draw(weights) for _ in range(n)], dtype=float)
    accepted = np.zeros((n, causes), bool)
    for k in range(n):
        accepted[k, list(draw(st.sets(st.integers(0, causes - 1), min_size=1)))] = True
    return probability / probability.sum(axis=1, keepdims=True), accepted


@given(scored_cases())
def test_the_scores_are_those_of_the_definition(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    probability, accepted = drawn
    scored = score(probability, accepted)
    for k, (p, right) in enumerate(zip(probability.tolist(), accepted.tolist(), strict=True)):
        mass = sum(x for x, r in zip(p, right, strict=True) if r)
        wrong = [x for x, r in zip(p, right, strict=True) if not r]
        assert scored.log_loss[k] == pytest.approx(-math.log(mass))
        assert scored.brier[k] == pytest.approx((1 - mass) ** 2 + sum(x * x for x in wrong))
        order = sorted(range(len(p)), key=lambda i: (-p[i], i))
        assert scored.rank[k] == 1 + next(n for n, i in enumerate(order) if right[i])
        assert scored.right[k] == right[order[0]]


@given(scored_cases(), st.sampled_from([1, 5, 10]))
def test_the_calibration_error_is_that_of_the_definition(drawn: tuple[np.ndarray, np.ndarray], bins: int) -> None:
    scored = score(*drawn)
    error = 0.0
    for k in range(bins):
        inside = [n for n, c in enumerate(scored.confidence) if min(int(c * bins), bins - 1) == k]
        if inside:
            gap = sum(scored.confidence[n] - scored.right[n] for n in inside) / len(inside)
            error += abs(gap) * len(inside) / len(scored.confidence)
    assert calibration_error(scored.confidence, scored.right, bins) == pytest.approx(error)
    assert sum(b.n for b in reliability(scored.confidence, scored.right, bins)) == len(scored.confidence)


def test_chance_alone_makes_less_error_with_more_cases() -> None:
    confidence = np.linspace(0.05, 0.95, 40)
    few, many = error_if_calibrated(confidence, 10), error_if_calibrated(np.tile(confidence, 50), 10)
    assert few.low < few.value < few.high
    assert many.value < few.value / 4


def test_a_calibrated_forecaster_shows_the_error_of_chance() -> None:
    rng = np.random.default_rng(5)
    confidence = rng.random(300)
    chance = error_if_calibrated(confidence, 10)
    errors = [calibration_error(confidence, rng.random(300) < confidence, 10) for _ in range(400)]
    assert np.mean(errors) == pytest.approx(chance.value, rel=0.05)


def test_an_interval_holds_the_mean_and_narrows_with_cases() -> None:
    few, many = figure([0, 1] * 20), figure([0, 1] * 2000)
    assert few.low < few.value == 0.5 < few.high
    assert many.high - many.low < (few.high - few.low) / 5
    assert figure([1, 1, 1]).low == figure([1, 1, 1]).high == 1.0


@given(st.data())
def test_flattening_changes_nothing_where_each_mechanism_has_one_finding_known(data: st.DataObject) -> None:
    model = data.draw(models(zeros=False))
    said: dict[str, object] = {}
    spoken = set()
    for name, value in data.draw(cases(model)).items():
        parent = model.findings[name].parent
        if parent == "cause" or parent not in spoken:
            said[name] = value
            spoken.add(parent)
    evidence = parse_evidence(model.vocabulary, said)
    whole, flat = infer(model.tables, evidence, 0), infer(flattened(model.tables), evidence, 0)
    assert flat.probability == pytest.approx(whole.probability, rel=1e-9)
    assert flat.log_evidence == pytest.approx(whole.log_evidence, rel=1e-9)


@given(st.data())
def test_a_uniform_prior_leaves_the_likelihood(data: st.DataObject) -> None:
    model = data.draw(models(zeros=False))
    evidence = parse_evidence(model.vocabulary, data.draw(cases(model)))
    whole, uniform = infer(model.tables, evidence, 0), infer(with_uniform_prior(model.tables), evidence, 0)
    likelihood = whole.probability / model.tables.prior[0]
    assert uniform.probability == pytest.approx(likelihood / likelihood.sum(), rel=1e-9)
