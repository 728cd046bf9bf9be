"""The shipped model covers the agreed vocabulary exactly, and every code that it uses exists."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from legdx.loaded import Model

DATA = Path(__file__).parent / "data"
FORMS = {"HP": r"HP:\d{7}", "DOID": r"DOID:\d{1,7}", "ICD-10-CM": r"ICD-10-CM:[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?"}


def table(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def codes_of(model: Model) -> dict[str, set[str]]:
    """Every code of a finding, state or cause, by who uses it."""
    used = {f.id: {*f.codes, *(code for _, codes in f.state_codes for code in codes)} for f in model.findings}
    return used | {f"cause {c.id}": set(c.codes) for c in model.causes}


def test_the_findings_are_those_of_the_vocabulary(model: Model) -> None:
    expected = {row["finding"]: (row["kind"], tuple(row["states"].split())) for row in table("vocabulary_findings.csv")}
    assert {f.id: (f.kind, f.states) for f in model.findings} == expected


def test_the_causes_are_those_of_the_vocabulary(model: Model) -> None:
    rows = table("vocabulary_causes.csv")
    expected = {row["cause"]: (row["family"], row["category"], row["emergency"] == "yes") for row in rows}
    assert {c.id: (c.family, c.category, c.needs_emergency_care) for c in model.causes} == expected


def test_every_code_is_well_formed(model: Model) -> None:
    for owner, codes in codes_of(model).items():
        for code in codes:
            form = FORMS.get(code.split(":")[0], "no such code system")
            assert re.fullmatch(form, code), f"{owner}: {code}"


@pytest.mark.parametrize("system", ["HP", "DOID"])
def test_every_code_exists_in_its_ontology(model: Model, system: str) -> None:
    # codes.csv holds the codes used, with their labels, from the Human Phenotype Ontology and the Disease Ontology.
    known = {row["code"] for row in table("codes.csv")}
    used = {code: owner for owner, codes in codes_of(model).items() for code in codes if code.startswith(system + ":")}
    assert {code: owner for code, owner in used.items() if code not in known} == {}
    assert used


def test_the_list_of_codes_holds_no_more_than_is_used(model: Model) -> None:
    used = {code for codes in codes_of(model).values() for code in codes}
    assert {row["code"] for row in table("codes.csv")} - used == set()


def test_every_cause_but_the_catch_all_has_an_icd_code(model: Model) -> None:
    without = [c.id for c in model.causes if not any(code.startswith("ICD-10-CM:") for code in c.codes)]
    assert set(without) <= {model.spec.manifest.catch_all}
