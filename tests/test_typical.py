"""Typical presentations, written from descriptions of each disease, rank where a clinician expects their cause."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import legdx

TYPICAL = [json.loads(line) for line in (Path(__file__).parent / "golden" / "typical.jsonl").read_text().splitlines()]
# Exam vignettes hardly show the causes that fill a clinic, so these have four cases each.
EVERYDAY = (
    "anemia", "chronic_venous_insufficiency", "deconditioning", "deep_vein_thrombosis", "dehydration",
    "diabetic_neuropathy", "exhaustion", "hypothyroidism", "influenza", "lumbar_disc_herniation",
    "lumbar_spinal_stenosis", "muscle_strain", "osteoarthritis", "overexertion", "peripheral_artery_disease",
    "peripheral_neuropathy", "sarcopenia", "sedative_effect", "statin_myopathy", "stress_related",
    "uncontrolled_diabetes", "vitamin_d_deficiency",
)  # fmt: skip
DANGEROUS = (
    "acute_limb_ischemia", "aortic_dissection", "cauda_equina_syndrome", "guillain_barre_syndrome",
    "spinal_cord_compression", "spinal_epidural_abscess", "spinal_tumor", "stroke",
)  # fmt: skip


def ids(cases: list[dict[str, Any]]) -> list[str]:
    return [case["id"] for case in cases]


CLASSIC = [case for case in TYPICAL if case["kind"] == "classic"]
OTHERS = [case for case in TYPICAL if case["kind"] != "classic"]
OF_DANGEROUS = [case for case in TYPICAL if case["cause"] in DANGEROUS]


@pytest.mark.parametrize("case", CLASSIC, ids=ids(CLASSIC))
def test_a_classic_case_is_first(case: dict[str, Any]) -> None:
    ranking = legdx.rank(case["findings"], setting=case["setting"])
    assert ranking.causes[0].id in case["top1"], ranking


@pytest.mark.parametrize("case", OTHERS, ids=ids(OTHERS))
def test_an_early_or_atypical_case_is_among_the_first_three(case: dict[str, Any]) -> None:
    ranking = legdx.rank(case["findings"], setting=case["setting"])
    assert case["cause"] in [cause.id for cause in ranking.causes[:3]], ranking


@pytest.mark.parametrize("case", OF_DANGEROUS, ids=ids(OF_DANGEROUS))
def test_a_dangerous_cause_is_never_under_two_per_cent_on_its_own_presentation(case: dict[str, Any]) -> None:
    assert legdx.rank(case["findings"], setting=case["setting"]).probability(case["cause"]) >= 0.02


def test_every_cause_has_a_classic_case_and_another(model: legdx.loaded.Model) -> None:
    kinds = {cause: Counter(c["kind"] for c in TYPICAL if c["cause"] == cause) for cause in model.causes.keys()}
    catch_all = model.spec.manifest.catch_all
    assert [c for c, k in kinds.items() if k.total() < 2] == []
    assert [c for c, k in kinds.items() if c != catch_all and not 0 < k["classic"] < k.total()] == []
    assert [c for c in EVERYDAY if kinds[c].total() < 4] == []
    assert [c for c in DANGEROUS if kinds[c]["early"] + kinds[c]["atypical"] < 1] == []


def test_every_case_is_in_form_and_names_a_source(model: legdx.loaded.Model) -> None:
    keys = {"id", "cause", "kind", "setting", "findings", "top1", "top3", "source"}
    assert len({case["id"] for case in TYPICAL}) == len(TYPICAL)
    for case in TYPICAL:
        assert set(case) == keys, case["id"]
        assert case["kind"] in ("classic", "early", "atypical"), case["id"]
        assert case["cause"] in case["top3"], case["id"]
        assert set(case["source"]) <= set(model.spec.sources), case["id"]
        assert all(cause in model.causes for cause in (*case["top1"], *case["top3"])), case["id"]
        assert bool(case["top1"]) == (case["kind"] == "classic"), case["id"]
