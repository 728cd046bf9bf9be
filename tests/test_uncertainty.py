"""Credible intervals against closed forms and against a large, independent Monte Carlo run."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

import legdx
from legdx.evidence import parse_evidence
from legdx.inference.uncertainty import Draws, posterior_draws
from legdx.loaded import Model
from small_models import two_causes, with_mechanism

CASE = {
    "ascending_weakness": "present", "reflexes": "reduced_or_absent", "onset_speed": "acute",
    "numbness_or_tingling": "present", "recent_infection": "present", "laterality": "bilateral_symmetric",
}  # fmt: skip


def sampled(model: Model, findings: dict[str, Any], size: int, setting: str) -> np.ndarray:
    evidence = parse_evidence(model.vocabulary, findings)
    return posterior_draws(Draws(model.spec, size=size), evidence, model.setting_index(setting))


@pytest.mark.parametrize(("p", "strength"), [(0.7, 10.0), (0.05, 5.0), (0.9, 200.0), (0.5, 0.5)])
def test_one_uncertain_row_has_the_quantiles_of_the_beta_distribution(p: float, strength: float) -> None:
    # P(a | f) = x / (x + 0.4) for x ~ Beta(strength p, strength (1 - p)), which rises with x.
    model = two_causes(p=p, strength=strength)
    x = stats.beta(strength * p, strength * (1 - p)).ppf([0.05, 0.95])
    drawn = np.quantile(sampled(model, {"f": "yes"}, 40_000, "here")[0], [0.05, 0.95])
    assert drawn == pytest.approx(x / (x + 0.4), abs=0.006)


@pytest.mark.parametrize(("prior", "strength"), [(0.5, 20.0), (0.2, 10.0)])
def test_without_findings_the_interval_is_that_of_the_dirichlet_prior(prior: float, strength: float) -> None:
    model = two_causes(p=0.7, strength=10, prior=prior, prior_strength=strength)
    expected = stats.beta(strength * prior, strength * (1 - prior)).ppf([0.05, 0.95])
    assert np.quantile(sampled(model, {}, 40_000, "here")[0], [0.05, 0.95]) == pytest.approx(expected, abs=0.006)


def test_the_default_number_of_draws_gives_the_closed_form_within_its_noise() -> None:
    ranking = legdx.rank({"f": "yes"}, setting="here", model=two_causes(p=0.7, strength=10))
    low, high = ranking.interval("a")
    beta = stats.beta(7, 3)
    # The interval's ends back to x, and x to its probability: 0.05 and 0.95, with a standard error of 0.011.
    assert beta.cdf(0.4 * low / (1 - low)) == pytest.approx(0.05, abs=0.03)
    assert beta.cdf(0.4 * high / (1 - high)) == pytest.approx(0.95, abs=0.03)


def monte_carlo(model: Model, findings: dict[str, str], setting: str, size: int) -> np.ndarray:
    """Draw every parameter with NumPy's own Dirichlet and gamma variables, and infer by the definition: (C, size)."""
    rng, spec = np.random.default_rng(7), model.spec
    error = spec.manifest.reporting_error

    def drawn(row: Any, kind: str) -> np.ndarray:
        p = np.array(row.p) / sum(row.p)
        some = p > 0
        x = np.zeros((size, len(p)))
        x[:, some] = rng.dirichlet(p[some] * row.strength, size) if some.sum() > 1 else 1.0
        return (1 - error[kind]) * x + error[kind] / len(p)

    counts = np.array([max(c.prior[setting].p * c.prior[setting].strength, 1.0) for c in spec.causes])
    means = np.array([c.prior[setting].p for c in spec.causes])
    joint = (rng.gamma(counts, size=(size, len(counts))) / counts * means).T
    said = {f: f.states.index(findings[f.id]) for f in model.findings if f.id in findings}
    tables = {
        (f.id, m.id, s): drawn(m.findings[f.id].get(s, f.background), f.kind)[:, state]
        for m in spec.mechanisms
        for f, state in said.items()
        if f.parent == m.id
        for s in m.states
    }
    for c, cause in enumerate(spec.causes):
        for f, state in said.items():
            if f.parent == "cause":
                joint[c] *= drawn(cause.findings.get(f.id, f.background), f.kind)[:, state]
        for m in spec.mechanisms:
            hanging = [f for f in said if f.parent == m.id]
            if hanging:
                forms = drawn(cause.mechanisms.get(m.id, m.background), "mechanism")
                joint[c] *= sum(
                    forms[:, k] * np.prod([tables[f.id, m.id, s] for f in hanging], axis=0)
                    for k, s in enumerate(m.states)
                )
    return joint / joint.sum(axis=0)


def test_intervals_agree_with_a_large_monte_carlo_run(model: Model) -> None:
    reference = monte_carlo(model, CASE, "emergency", 20_000)
    ranking = legdx.rank(CASE, setting="emergency")
    ids = [cause.id for cause in model.spec.causes]
    for k in (ids.index(cause.id) for cause in ranking.causes[:8]):
        low, high = ranking.interval(model.spec.causes[k].id)
        # A quantile of 400 draws has a standard error of 0.011 in probability.
        assert (reference[k] < low).mean() == pytest.approx(0.05, abs=0.04)
        assert (reference[k] <= high).mean() == pytest.approx(0.95, abs=0.04)
    first = np.bincount(reference.argmax(axis=0), minlength=len(reference)) / reference.shape[1]
    stability = ranking.rank_stability()
    for k, share in enumerate(first):
        assert stability.get(model.spec.causes[k].id, 0.0) == pytest.approx(share, abs=0.08)


def test_causes_categories_and_families_carry_their_interval() -> None:
    ranking = legdx.rank(CASE, setting="emergency")
    document = ranking.to_dict()
    for level in ("causes", "categories", "families"):
        for item, plain in zip(getattr(ranking, level), document[level], strict=True):
            low, high = item.interval
            assert 0 <= low <= item.probability <= high <= 1
            assert plain["interval"] == [low, high]
            assert not any(key.startswith("_") for key in plain)
    frame = ranking.to_frame()
    assert (frame["interval_low"] <= frame["probability"]).all()
    assert (frame["probability"] <= frame["interval_high"]).all()


def test_ranking_draws_nothing_until_asked(model: Model) -> None:
    fresh = Model(model.spec, model.rules, model.digest)
    ranking = legdx.rank(CASE, model=fresh)
    assert ranking.causes[0].id
    assert "draws" not in vars(fresh)
    assert ranking.causes[0].interval[1] > 0
    assert "draws" in vars(fresh)


def test_draws_do_not_depend_on_what_was_asked_before(model: Model) -> None:
    one, other = Draws(model.spec), Draws(model.spec)
    for index in range(5):
        one.log_finding(index)
    evidence = parse_evidence(model.vocabulary, CASE)
    assert (posterior_draws(one, evidence, 1) == posterior_draws(other, evidence, 1)).all()


def test_a_wider_interval_holds_the_narrower() -> None:
    ranking = legdx.rank(CASE, setting="emergency")
    half, most = (ranking.interval("guillain_barre_syndrome", p) for p in (0.5, 0.99))
    assert most[0] < half[0] <= half[1] < most[1]
    assert ranking.interval("guillain_barre_syndrome") == ranking.causes[0].interval


def test_an_interval_of_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="the probability of an interval is 1; give one over 0 and under 1"):
        legdx.rank({}).interval("stroke", 1)
    with pytest.raises(legdx.UnknownNameError, match="no cause, category or family 'strok'; did you mean 'stroke'"):
        legdx.rank({}).interval("strok")


def test_virtual_evidence_with_one_state_draws_as_hard_evidence(model: Model) -> None:
    hard = sampled(model, {"reflexes": "brisk"}, 50, "neurology")
    nearly = sampled(model, {"reflexes": {"normal": 1e-12, "reduced_or_absent": 1e-12, "brisk": 1}}, 50, "neurology")
    assert hard == pytest.approx(nearly, abs=1e-5)


def test_a_ranked_cause_survives_pickling() -> None:
    cause = legdx.rank(CASE).causes[0]
    assert pickle.loads(pickle.dumps(cause)).interval == cause.interval


def test_rare_causes_keep_an_interval_of_use(model: Model) -> None:
    # With 20 patients' worth of a prior of 1 in 1000, the Dirichlet distribution itself would leave nothing above 0.
    priors = [c.prior["primary_care"] for c in model.spec.causes]
    k = min(range(len(priors)), key=lambda k: priors[k].p or 1.0)
    drawn = sampled(model, {}, 4000, "primary_care")[k]
    assert np.median(drawn) == pytest.approx(np.log(2) * priors[k].p, rel=0.15)


def test_the_mean_of_the_draws_is_the_compiled_table() -> None:
    model = with_mechanism(error=0.3)
    draws = Draws(model.spec, size=20_000)
    tables = model.tables
    for i, finding in enumerate(model.findings):
        rows = slice(tables.start[i], tables.start[i] + len(finding.states))
        mean = np.exp(draws.log_finding(i)).mean(axis=2)
        assert mean == pytest.approx(tables.likelihood[rows, tables.columns[i]], abs=0.01)
    assert draws.mechanism(0).mean(axis=2) == pytest.approx(tables.mechanism, abs=0.01)


def test_an_interval_that_misses_the_point_estimate_is_widened_to_it() -> None:
    # 98 of 100 draws of Beta(0.01, 0.49) are next to nothing: their 90% lie wholly under the mean.
    model = two_causes(p=0.02, strength=0.5)
    assert np.quantile(sampled(model, {"f": "yes"}, 400, "here")[0], 0.95) < 0.02 / 0.42
    ranking = legdx.rank({"f": "yes"}, setting="here", model=model)
    assert ranking.interval("a")[1] == ranking.probability("a") == pytest.approx(0.02 / 0.42)


def test_strong_parameters_leave_nothing_open() -> None:
    model = two_causes(p=0.7, strength=1e9)
    cause = legdx.rank({"f": "yes"}, setting="here", model=model).causes[0]
    assert cause.interval == pytest.approx((cause.probability, cause.probability), abs=1e-3)
    assert replace(cause, label="other") != cause
