"""Every rule against its cases, and every condition of the rule file against mutation."""

from __future__ import annotations

import json
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from make_cases import MODEL
from rule_strategies import compiled

import legdx
from legdx.evidence import parse_evidence
from legdx.loaded import load_rules
from legdx.model.vocabulary import Vocabulary

SHIPPED = load_rules()
LINES = (Path(__file__).parent / "cases.jsonl").read_text(encoding="utf-8").splitlines()
CASES: dict[str, list[dict[str, Any]]] = defaultdict(list)
for line in LINES:
    CASES[json.loads(line)["rule"]].append(json.loads(line))
RULES = {r["id"]: r for r in tomllib.loads((MODEL / "red_flags.toml").read_text(encoding="utf-8"))["rule"]}
CONDITIONS = {"when", "unless"}
ORDER = ("emergency", "same_day", "soon", "routine")


def test_every_rule_has_cases():
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("id", RULES)
def test_a_rule_fires_on_its_cases_and_not_on_the_nearest(id):
    for case in CASES[id]:
        flags = legdx.red_flags(case["fires"])
        fired = {r.id: r for r in flags.fired}
        assert id in fired, case
        assert ORDER.index(flags.urgency) <= ORDER.index(RULES[id]["urgency"])
        assert "turns_on" not in case or case["turns_on"] in fired[id].because
        nearest = legdx.red_flags(case["nearest"])
        assert id not in {r.id for r in nearest.fired}, case
        different = [f for f in case["fires"] if case["fires"][f] != case["nearest"].get(f)]
        assert different == [case.get("turns_on", case.get("exception"))]
        assert case["fires"].keys() == case["nearest"].keys()


@pytest.mark.parametrize("id", RULES)
def test_leaving_out_the_finding_leaves_the_rule_open(id):
    for case in CASES[id]:
        if "exception" in case:
            continue
        fewer = {f: s for f, s in case["fires"].items() if f != case["turns_on"]}
        assert id in {r.id for r in legdx.red_flags(fewer).not_excluded}, case


@pytest.mark.parametrize("id", RULES)
def test_each_mutation_of_a_condition_changes_a_case(id):
    for key in CONDITIONS & RULES[id].keys():
        for what, mutant in mutants(RULES[id][key], SHIPPED.vocabulary):
            assert not stands_for_all({**RULES[id], key: mutant}), f"nothing notices {what} in {id}.{key}"
    assert stands_for_all(RULES[id])


def stands_for_all(rule: Mapping[str, Any]) -> bool:
    rules, id = compiled(SHIPPED.vocabulary, rule), rule["id"]
    return all(
        bool(rules.evaluate(parse_evidence(rules.vocabulary, case[which])).fired) == (which == "fires")
        for case in CASES[id]
        for which in ("fires", "nearest")
    )


def mutants(condition: Mapping[str, Any], vocabulary: Vocabulary) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every condition dropped, negated, or without one of its states; every all and any swapped."""
    for key, value in condition.items():
        if key in ("all", "any"):
            if len(value) > 1:
                yield f"{key} swapped", {"any" if key == "all" else "all": value}
            for n, part in enumerate(value):
                if len(value) > 1:
                    yield f"{part} dropped", {key: [*value[:n], *value[n + 1 :]]}
                for what, mutant in mutants(part, vocabulary):
                    yield what, {key: [*value[:n], mutant, *value[n + 1 :]]}
        else:
            states = vocabulary.findings[vocabulary.index[key]].states
            yield f"{key} negated", {key: [s for s in states if s not in value]}
            if len(value) > 1:
                yield from ((f"{key} without {s}", {key: [v for v in value if v != s]}) for s in value)


def test_the_mutations_reach_every_condition_of_the_file():
    negated = sum(
        what.endswith(" negated")
        for r in RULES.values()
        for key in CONDITIONS & r.keys()
        for what, _ in mutants(r[key], SHIPPED.vocabulary)
    )
    written = (MODEL / "red_flags.toml").read_text(encoding="utf-8").count('" = [') + sum(
        line.count(" = [") - line.count("all = [") - line.count("any = [") - line.startswith(("suspected", "source"))
        for line in (MODEL / "red_flags.toml").read_text(encoding="utf-8").splitlines()
    )
    assert negated == written


def test_the_documentation_lists_the_rules_as_they_are():
    text = (MODEL.parent.parent / "docs" / "red-flags.md").read_text(encoding="utf-8")
    rows = [line for line in text.partition("## The rules\n")[2].splitlines() if line.startswith("| `")]
    assert rows == [f"| `{r['id']}` | {r['urgency']} | {r['label']} |" for r in RULES.values()]
