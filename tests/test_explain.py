"""Explanations of the shipped model: adding up, sources, rivals, and the errors."""

from __future__ import annotations

import math
from typing import Any

import pytest

import legdx
from legdx.inference.explain import _text
from strategies import build, row

CASE = {
    "age": 44,
    "onset_speed": "acute",
    "ascending_weakness": True,
    "reflexes": "reduced_or_absent",
    "plantar_response": "flexor",
    "muscle_tone": "normal",
    "fever": True,
    "recent_infection": {"absent": 0.3, "present": 0.9},
}


@pytest.fixture
def ranking(model: Any) -> Any:
    return legdx.rank(CASE, setting="emergency", model=model)


def test_every_cause_category_and_family_adds_up(ranking: Any) -> None:
    for item in (*ranking.causes, *ranking.categories, *ranking.families):
        why = ranking.explain(item.id)
        total = math.log10(why.prior / (1 - why.prior)) + sum(c.log10_lr for c in why.contributions)
        assert total == pytest.approx(math.log10(why.posterior / (1 - why.posterior)), abs=1e-9)
        assert why.posterior == pytest.approx(ranking.probability(item.id), abs=1e-12)


def test_contributions_are_heaviest_first_with_sources_of_the_model(ranking: Any) -> None:
    why = ranking.explain("guillain_barre_syndrome")
    sizes = [abs(c.log10_lr) for c in why.contributions]
    assert sizes == sorted(sizes, reverse=True)
    for c in why.contributions:
        assert c.sources
        assert set(c.sources) <= set(ranking.model.spec.sources)
        assert c.strength > 0
        assert c.decibans == 10 * c.log10_lr


def test_sources_are_those_of_the_rows_behind_the_number(ranking: Any) -> None:
    spec = ranking.model.spec
    cause = ranking.model.causes["guillain_barre_syndrome"]
    lines = {c.finding: c for c in ranking.explain(cause.id).contributions}
    own = cause.findings["onset_speed"]
    assert (lines["onset_speed"].sources, lines["onset_speed"].strength) == (own.sources, own.strength)
    mechanism = next(m for m in spec.mechanisms if m.id == lines["reflexes"].mechanism)
    assert set(cause.mechanisms[mechanism.id].sources) <= set(lines["reflexes"].sources)
    rows = [cause.mechanisms[mechanism.id], *mechanism.findings["reflexes"].values()]
    assert lines["reflexes"].strength == min(r.strength for r in rows)


def test_a_rival_brings_its_own_sources(ranking: Any) -> None:
    id = "transverse_myelitis"
    rival = ranking.model.causes[id].findings["onset_speed"]
    lines = {c.finding: c for c in ranking.explain("guillain_barre_syndrome", versus=id).contributions}
    assert set(rival.sources) <= set(lines["onset_speed"].sources)
    assert lines["onset_speed"].strength <= rival.strength


def test_findings_of_one_mechanism_weigh_less_together_than_apart(model: Any) -> None:
    sacral = {"saddle_numbness": True, "reduced_anal_tone": True, "bladder_change": "retention_or_hesitancy"}
    id = "cauda_equina_syndrome"
    together = sum(c.log10_lr for c in legdx.rank(sacral, model=model).explain(id).contributions)
    apart = sum(
        legdx.rank({name: value}, model=model).explain(id).contributions[0].log10_lr for name, value in sacral.items()
    )
    assert 0 < together < apart


def test_a_finding_more_than_the_limit_of_a_mechanism_still_adds_up() -> None:
    names = [f"f{k}" for k in range(13)]
    docs: dict[str, Any] = {
        "manifest.toml": {
            "schema_version": 1, "id": "wide", "label": "Wide", "version": "1", "population": "none",
            "intended_use": "tests", "licence": "none", "settings": {"here": "Here"},
            "reporting_error": dict.fromkeys(("context", "symptom", "sign", "test", "mechanism"), 0.0),
        },
        "findings.toml": {
            name: {
                "label": name, "question": name, "kind": "sign", "cost": 0, "states": ["absent", "present"],
                "parent": "m", "background": row({"absent": 0.5, "present": 0.5}),
            }
            for name in names
        },
        "mechanisms.toml": {
            "m": {
                "label": "m", "states": ["off", "on"], "background": row({"off": 0.5, "on": 0.5}),
                "findings": {
                    name: {"off": row({"absent": 0.9 - k / 50, "present": 0.1 + k / 50}),
                           "on": row({"absent": 0.3, "present": 0.7})}
                    for k, name in enumerate(names)
                },
            }
        },
        "sources.toml": {"expert_estimate": {"citation": "made up", "kind": "expert_estimate"}},
        "red_flags.toml": {},
    }  # fmt: skip
    for id, p in (("a", 0.2), ("b", 0.8)):
        docs[f"causes/{id}.toml"] = {
            "label": id, "family": f"family_{id}", "category": f"category_{id}", "needs_emergency_care": False,
            "description": "-", "work_up": "-", "care": "-", "text_source": ["expert_estimate"],
            "prior": {"here": row(p)},  # type: ignore[arg-type]
            "mechanisms": {"m": row({"off": p, "on": 1 - p})}, "findings": {},
        }  # fmt: skip
    why = legdx.rank(dict.fromkeys(names, True), setting="here", model=build(docs)).explain("a")
    assert len(why.contributions) == 13
    total = why.prior_log10_odds + sum(c.log10_lr for c in why.contributions)
    assert total == pytest.approx(why.posterior_log10_odds, abs=1e-9)
    assert all(c.log10_lr > 0 for c in why.contributions)


def test_against_and_missing(ranking: Any) -> None:
    why = ranking.explain("guillain_barre_syndrome")
    assert [c.finding for c in why.against] == [c.finding for c in why.contributions if c.log10_lr < 0]
    assert "fever" in [c.finding for c in why.against]
    missing = {e.finding: e for e in why.missing}
    assert missing["cerebrospinal_fluid"].state == "high_protein_normal_cells"
    assert missing["cerebrospinal_fluid"].given is None
    assert not {"ascending_weakness", "reflexes"} & set(missing)
    for e in why.missing:
        assert e.rival_likelihood < 0.5 < e.likelihood
    asymmetric = legdx.rank({"reflexes": "brisk"}, model=ranking.model).explain("guillain_barre_syndrome")
    assert {e.finding: e.given for e in asymmetric.missing}["reflexes"] == "brisk"


def test_text_says_only_what_the_fields_hold(ranking: Any) -> None:
    why = ranking.explain("guillain_barre_syndrome")
    told = _text(why.label, "", why.prior, why.posterior, why.contributions, why.missing)
    assert why.text == told
    heaviest = why.contributions[0]
    assert f"moves up: {heaviest.state} {heaviest.decibans:+.1f};" in why.text
    versus = ranking.explain("guillain_barre_syndrome", versus="transverse_myelitis")
    assert "were only this and Transverse myelitis possible" in versus.text
    assert f"{why.posterior:.1%} after." in why.text


def test_the_words_of_the_cause_come_with_it(ranking: Any) -> None:
    cause = ranking.model.causes["guillain_barre_syndrome"]
    why = ranking.explain(cause.id)
    assert (why.description, why.work_up, why.care) == (cause.description, cause.work_up, cause.care)
    assert why.text_sources == cause.text_sources
    assert ranking.explain("peripheral_nerve").care == ""


def test_virtual_evidence_is_shown_as_given(ranking: Any) -> None:
    line = next(c for c in ranking.explain("stroke").contributions if c.finding == "recent_infection")
    assert line.state == "absent x0.33, present x1"


def test_names_that_do_not_exist_are_errors(ranking: Any) -> None:
    with pytest.raises(legdx.UnknownNameError, match=r"no cause, category or family 'strok'; did you mean 'stroke'\?"):
        ranking.explain("strok")
    with pytest.raises(legdx.UnknownNameError, match="no rival of stroke 'stroke'"):
        ranking.explain("stroke", versus="stroke")
    with pytest.raises(legdx.UnknownNameError, match="no rival of stroke 'brain'"):
        ranking.explain("stroke", versus=ranking.model.causes["stroke"].category)
    with pytest.raises(legdx.UnknownNameError):
        ranking.explain(None)


def test_without_findings_nothing_is_explained(model: Any) -> None:
    why = legdx.rank({}, model=model).explain("stroke")
    assert why.contributions == ()
    assert why.prior == pytest.approx(why.posterior, abs=1e-12)
