"""Stated priors and updates from cases: against hand, against pgmpy's estimators, and the faults they name."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import legdx
from legdx.loaded import Model
from small_models import with_mechanism


def simulated(n: int, seed: int = 5) -> pd.DataFrame:
    """Cases drawn from the small model, a fifth of the values missing."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        cause = rng.choice(["a", "b"], p=[0.4, 0.6])
        on = rng.random() < {"a": 0.9, "b": 0.2}[cause]
        row: dict[str, Any] = {"cause": cause, "setting": "here"}
        row["f1"] = rng.choice(["no", "yes"], p=[0.2, 0.8] if on else [0.9, 0.1])
        row["f2"] = rng.choice(["no", "yes"], p=[0.4, 0.6] if on else [0.95, 0.05])
        row["g"] = rng.choice(["x", "y", "z"], p=[0.1, 0.8, 0.1] if cause == "a" else [0.4, 0.2, 0.4])
        rows.append(row)
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    return simulated(120)


def p(model: Model, parameter: str) -> tuple[float, ...]:
    assert model.report is not None
    return next(row.after for row in model.report.moved if row.parameter == parameter)


def test_fully_observed_rows_equal_pgmpys_bayesian_estimator(cases: pd.DataFrame) -> None:
    from pgmpy.models import DiscreteBayesianNetwork
    from pgmpy.parameter_estimator import DiscreteBayesianEstimator

    learned = with_mechanism().update(cases)
    # Strengths 20 and 20 of the priors; 8 of a's own row and 10 of the background that b takes.
    pseudo: dict[Any, Any] = {
        "cause": np.array([[6.0], [14.0]]),
        "g": np.array([[4.0, 2.0], [2.4, 5.0], [1.6, 3.0]]),
    }
    states = {"cause": ["a", "b"], "g": ["x", "y", "z"]}
    peer = DiscreteBayesianEstimator(state_names=states, prior_type="dirichlet", pseudo_counts=pseudo)
    peer.fit(DiscreteBayesianNetwork([("cause", "g")]), cases[["cause", "g"]])
    found = {c.variable: c.get_values() for c in peer.parameters_}
    assert p(learned, "P(cause | here)") == pytest.approx(found["cause"][:, 0], abs=1e-9)
    assert p(learned, "P(g | a)") == pytest.approx(found["g"][:, 0], abs=1e-9)
    assert p(learned, "P(g | b)") == pytest.approx(found["g"][:, 1], abs=1e-9)


@pytest.mark.slow
def test_latent_rows_equal_pgmpys_em(cases: pd.DataFrame) -> None:
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork
    from pgmpy.parameter_estimator import DiscreteEM

    # pgmpy's EM maximises the likelihood alone: cases of great strength leave the pseudo-counts no say.
    learned = with_mechanism().update(cases, strength=1e9)
    states = {"cause": ["a", "b"], "m": [0, 1], "f1": ["no", "yes"], "f2": ["no", "yes"]}
    written = {
        "cause": [[0.3], [0.7]],
        "m": [[0.8, 0.1], [0.2, 0.9]],
        "f1": [[0.1, 0.8], [0.9, 0.2]],
        "f2": [[0.3, 0.9], [0.7, 0.1]],
    }
    parent = {"m": "cause", "f1": "m", "f2": "m"}
    start = {}
    for node, values in written.items():
        above = [parent[node]] if node in parent else []
        names = {name: states[name] for name in (node, *above)}
        start[node] = TabularCPD(node, 2, values, above or None, [2] * len(above) or None, state_names=names)
    network = DiscreteBayesianNetwork([(above, node) for node, above in parent.items()], latents={"m"})
    peer = DiscreteEM(
        state_names={name: states[name] for name in ("cause", "f1", "f2")},
        latent_card={"m": 2},
        max_iter=1000,
        atol=1e-10,
        init_cpds=start,
        show_progress=False,
    )
    peer.fit(network, cases[["cause", "f1", "f2"]])
    found = {c.variable: c.get_values() for c in peer.parameters_}
    for k, cause in enumerate("ab"):
        assert p(learned, f"P(m | {cause})") == pytest.approx(found["m"][:, k], abs=1e-5)
    for k, state in enumerate(("on", "off")):
        for finding in ("f1", "f2"):
            assert p(learned, f"P({finding} | m = {state})") == pytest.approx(found[finding][:, k], abs=1e-5)


def test_a_complete_case_adds_its_strength_to_its_row() -> None:
    learned = with_mechanism().update([{"cause": "a", "g": "z"}, {"cause": "a", "g": "x"}], strength=3)
    (row,) = learned.report.moved  # type: ignore[union-attr]
    assert (row.parameter, row.cases, row.strength_before) == ("P(g | a)", 6.0, 8.0)
    assert row.strength_after == pytest.approx(14.0)
    assert row.after == pytest.approx(((4 + 3) / 14, 2.4 / 14, (1.6 + 3) / 14))
    assert row.shift == pytest.approx(0.3 - 2.4 / 14)
    assert learned.causes["a"].findings["g"].sources == ("expert_estimate", "diagnosed_cases")


def test_a_mechanism_seen_in_part_is_worth_less_than_a_complete_case() -> None:
    learned = with_mechanism().update([{"cause": "a", "f2": "no"}] * 10)
    row = next(r for r in learned.report.moved if r.parameter == "P(m | a)")  # type: ignore[union-attr]
    assert row.cases == pytest.approx(10.0)
    assert 0 < row.strength_after - row.strength_before < 5


def test_a_case_that_belongs_to_a_state_in_part_strengthens_its_row_by_the_square() -> None:
    # P(m = on | a, f1 = yes) is 0.8 * 0.9 / (0.8 * 0.9 + 0.2 * 0.2); so light a case does not move it.
    learned = with_mechanism().update([{"cause": "a", "f1": "yes"}], strength=1e-3)
    row = next(r for r in learned.report.moved if r.parameter == "P(f1 | m = on)")  # type: ignore[union-attr]
    share = 0.72 / 0.76
    assert row.cases == pytest.approx(1e-3 * share, rel=1e-3)
    assert row.strength_after - row.strength_before == pytest.approx(1e-3 * share**2, rel=1e-3)


def test_a_cause_that_took_the_background_gets_its_own_row() -> None:
    model = with_mechanism()
    learned = model.update([{"cause": "b", "g": "x"}])
    assert "g" not in model.causes["b"].findings
    assert learned.causes["b"].findings["g"].p == pytest.approx((3 / 11, 5 / 11, 3 / 11))
    assert learned.findings["g"].background == model.findings["g"].background


def test_missing_findings_say_nothing(cases: pd.DataFrame) -> None:
    model = with_mechanism()
    holed = cases.copy()
    holed.loc[holed.index % 2 == 0, "g"] = None
    kept = cases[cases.index % 2 == 1].drop(columns=["f1", "f2", "setting"])
    assert p(model.update(holed), "P(g | a)") == p(model.update(kept), "P(g | a)")
    empty = model.update([{"cause": "a"}])
    assert empty.report.moved == ()  # type: ignore[union-attr]


def test_cases_without_a_setting_leave_the_priors_alone(cases: pd.DataFrame) -> None:
    model = with_mechanism()
    assert (model.update(cases.drop(columns="setting")).tables.prior == model.tables.prior).all()
    moved = model.update(cases).tables.prior[0]
    n = (cases["cause"] == "a").sum()
    assert moved == pytest.approx([(6 + n) / 140, (14 + 120 - n) / 140])


def test_many_cases_from_a_model_bring_another_to_it() -> None:
    learned = with_mechanism().update(simulated(4000))
    assert p(learned, "P(g | a)") == pytest.approx((0.1, 0.8, 0.1), abs=0.03)
    assert p(learned, "P(g | b)") == pytest.approx((0.4, 0.2, 0.4), abs=0.03)
    ranking = legdx.rank({"f1": "yes"}, setting="here", model=learned)
    yes = {"a": 0.9 * 0.8 + 0.1 * 0.1, "b": 0.2 * 0.8 + 0.8 * 0.1}
    assert ranking.probability("a") == pytest.approx(0.4 * yes["a"] / (0.4 * yes["a"] + 0.6 * yes["b"]), abs=0.03)


def test_the_reporting_error_is_not_learned_as_disease() -> None:
    # An error of 0.3 over three states makes a tenth of the patients report y of itself: none need have it.
    reported = ["x"] * 900 + ["y"] * 100
    learned = with_mechanism(error=0.3).update([{"cause": "a", "g": state} for state in reported])
    assert p(learned, "P(g | a)")[1] < 0.02


def test_the_old_model_stays_and_the_new_one_is_stamped(cases: pd.DataFrame) -> None:
    model = with_mechanism()
    before = model.tables.likelihood.copy()
    one, again = model.update(cases), model.update(cases)
    assert (model.tables.likelihood == before).all()
    assert model.report is None
    assert one.digest == again.digest != model.digest
    assert one.version == f"1+update.{one.digest.removeprefix('sha256:')[:8]}"
    assert legdx.rank({}, setting="here", model=one).to_dict()["model"]["digest"] == one.digest
    twice = one.with_priors({"a": 0.5})
    assert twice.version == f"1+priors.{twice.digest.removeprefix('sha256:')[:8]}"
    copy = pickle.loads(pickle.dumps(one))
    assert (copy.digest, copy.report) == (one.digest, one.report)


def test_intervals_narrow_with_the_cases() -> None:
    model = with_mechanism()
    findings = {"g": "y", "f1": "yes"}
    widths = []
    for n in (0, 50, 5000):
        learned = model.update(simulated(n)) if n else model
        low, high = legdx.rank(findings, setting="here", model=learned).interval("a")
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[2]


def test_a_learned_model_passes_every_check(cases: pd.DataFrame) -> None:
    from legdx.model.check import check_spec

    learned = with_mechanism().update(cases).with_priors({"a": 0.9})
    assert check_spec(learned.spec, frozenset({"expert_estimate"})) == []


def test_every_fault_of_the_cases_is_named() -> None:
    cases: list[Any] = [
        {"cause": "c", "g": "x"},
        {"cause": "a", "g": "w", "setting": "there"},
        {"g": "x"},
        {"cause": "b"},
        5,
    ]
    with pytest.raises(legdx.EvidenceError) as caught:
        with_mechanism().update(cases)
    assert [str(fault) for fault in caught.value.faults] == [
        "cases[0]: cause: no cause 'c'; use one of: a, b",
        "cases[1]: setting: no setting 'there'; did you mean 'here'?",
        "cases[1]: g: no state 'w'; use one of: x, y, z",
        "cases[2]: cause: no cause None; use one of: a, b",
        'cases[4]: case: is 5, not a mapping; write {"cause": "stroke", ...}',
    ]


@pytest.mark.parametrize("cases", [5, "cases", {"cause": "a"}])
def test_what_is_no_table_is_refused(cases: Any) -> None:
    with pytest.raises(legdx.EvidenceError, match="pass a list of dicts or a data frame"):
        with_mechanism().update(cases)


def test_no_case_at_all_is_refused() -> None:
    with pytest.raises(legdx.EvidenceError, match="cases: are none; give one diagnosed case at least"):
        with_mechanism().update([])


@pytest.mark.parametrize("strength", [0, -1, float("nan"), float("inf"), "1"])
def test_a_strength_that_is_no_number_over_0_is_refused(strength: Any) -> None:
    with pytest.raises(ValueError, match="give a finite number over 0"):
        with_mechanism().update([{"cause": "a", "g": "x"}], strength=strength)


def test_stated_priors_of_categories_and_causes_hold(model: Model) -> None:
    new = model.with_priors({"neuromuscular_junction": 0.3, "stroke": 0.1})
    for setting in model.settings:
        ranking = legdx.rank({}, setting=setting, model=new)
        assert ranking.probability("neuromuscular_junction") == pytest.approx(0.3, abs=1e-12)
        assert ranking.probability("stroke") == pytest.approx(0.1, abs=1e-12)
    assert new.causes["stroke"].prior["emergency"].sources == ("stated_prior",)
    assert new.causes["sepsis"].prior["emergency"].sources == model.causes["sepsis"].prior["emergency"].sources
    assert legdx.red_flags({"saddle_numbness": True}, model=new).urgency == "emergency"


def test_every_fault_of_stated_priors_is_named(model: Model) -> None:
    with pytest.raises(legdx.ModelMeaningError) as caught:
        model.with_priors({"strok": 0.1, "sepsis": 1.5, "brain": 0.2, "stroke": 0.1})
    assert [str(fault) for fault in caught.value.faults] == [
        "priors: 'strok': no such cause, category or family; did you mean 'stroke'?",
        "priors: 'sepsis': is 1.5; give a probability from 0 to 1",
        "priors: 'stroke': stroke is also in brain; give a prior to one of them",
    ]
    with pytest.raises(legdx.ModelMeaningError, match=r"priors: sum to 1\.2; let all together be 1"):
        model.with_priors({"sepsis": 0.7, "stroke": 0.5})
    with pytest.raises(legdx.UnknownNameError, match="no setting 'ward'"):
        model.with_priors({"sepsis": 0.7}, setting="ward")


def test_all_priors_stated_must_make_one() -> None:
    with pytest.raises(legdx.ModelMeaningError, match=r"sum to 0\.9 over all causes; let all together be 1"):
        with_mechanism().with_priors({"a": 0.4, "b": 0.5})
    assert with_mechanism().with_priors({"a": 0.4, "b": 0.6}).tables.prior.tolist() == [[0.4, 0.6]]
