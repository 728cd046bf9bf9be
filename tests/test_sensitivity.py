"""Sensitivity functions on a model small enough to do by hand, and what they say in words."""

from __future__ import annotations

import pytest

import legdx
from legdx.loaded import Model
from small_models import two_causes, with_mechanism


def test_the_function_of_the_only_row_is_the_one_worked_out_by_hand() -> None:
    # P(a | f) = 0.5 x / (0.5 x + 0.5 * 0.4), whose derivative is 0.4 / (x + 0.4)^2; b overtakes a under x = 0.4.
    ranking = legdx.rank({"f": "yes"}, setting="here", model=two_causes(p=0.7, strength=10))
    one = next(p for p in ranking.sensitivity("a").parameters if p.where == "causes/a.toml: findings.f")
    assert one.derivative == pytest.approx(0.4 / 1.1**2, abs=1e-12)
    assert one.posterior(0.2) == pytest.approx(0.2 / 0.6, abs=1e-12)
    assert (one.value, one.strength, one.sources) == (0.7, 10, ("expert_estimate",))
    assert one.swing == pytest.approx(one.derivative * (0.7 * 0.3 / 11) ** 0.5, abs=1e-12)
    assert [(t.side, t.cause) for t in one.turns] == [("under", "b")]
    assert one.turns[0].value == pytest.approx(0.4, abs=1e-12)
    assert one.text == "the ranking turns if P(f = yes | a) is under 0.4 (to b); it is 0.7"


def test_what_rests_on_little_and_moves_much_comes_first() -> None:
    ranking = legdx.rank({"f": "yes"}, setting="here", model=two_causes(p=0.7, strength=10))
    found = ranking.sensitivity("a")
    assert found.parameters[0].parameter == "P(f = yes | a)"
    assert [one.swing for one in found.parameters] == sorted((one.swing for one in found.parameters), reverse=True)
    assert found.turning[0].parameter == "P(f = yes | a)"


def test_the_reporting_error_is_part_of_the_function_not_of_the_parameter() -> None:
    model = with_mechanism(error=0.1)
    ranking = legdx.rank({"g": "y"}, setting="here", model=model)
    one = next(p for p in ranking.sensitivity("a", 50).parameters if p.parameter == "P(g = y | a)")
    assert one.value == 0.3
    like = 0.9 * 0.6 + 0.1 / 3
    other = 0.9 * 0.5 + 0.1 / 3
    assert one.posterior(0.6) == pytest.approx(0.3 * like / (0.3 * like + 0.7 * other), abs=1e-12)


def test_every_kind_of_parameter_that_the_evidence_touches_is_there() -> None:
    ranking = legdx.rank({"f1": "yes", "g": "z"}, setting="here", model=with_mechanism())
    assert {one.parameter for one in ranking.sensitivity("a", 100).parameters} == {
        "P(a | here)",
        "P(b | here)",
        "P(g = z | a)",
        "P(g = z | background)",
        "P(m = off | a)",
        "P(m = off | b)",
        "P(f1 = yes | m = on)",
        "P(f1 = yes | m = off)",
    }


def test_a_parameter_that_can_never_turn_the_ranking_says_so() -> None:
    ranking = legdx.rank({"f": "yes"}, setting="here", model=two_causes(p=0.7, strength=10, prior=0.99))
    one = next(p for p in ranking.sensitivity("a").parameters if p.parameter == "P(f = yes | b)")
    assert one.turns == ()
    assert one.text == "no value of P(f = yes | b) turns the ranking (now 0.4)"
    assert one not in ranking.sensitivity("a").turning


def test_the_shipped_model_names_places_and_sources(model: Model) -> None:
    ranking = legdx.rank({"reflexes": "reduced_or_absent", "onset_speed": "chronic"}, setting="neurology")
    found = ranking.sensitivity(ranking.causes[0].id, 20)
    assert len(found.parameters) == 20
    for one in (*found.parameters, *found.turning):
        assert one.sources
        assert one.strength > 0
        assert one.posterior(one.value) == pytest.approx(ranking.causes[0].probability, abs=1e-9)
    document = found.to_dict()
    assert document["cause"] == ranking.causes[0].id
    assert document["turning"][0]["text"] == found.turning[0].text  # type: ignore[index]


def test_with_no_findings_only_the_priors_matter(model: Model) -> None:
    found = legdx.rank({}).sensitivity("stroke", 1000)
    assert {one.where.split(": ")[1] for one in found.parameters} == {"prior.primary_care"}
    assert len(found.parameters) == len(model.causes)


def test_an_unknown_cause_is_named() -> None:
    with pytest.raises(legdx.UnknownNameError, match="no cause 'strok'; did you mean 'stroke'"):
        legdx.rank({}).sensitivity("strok")
