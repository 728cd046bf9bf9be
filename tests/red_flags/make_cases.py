"""Writes `cases.jsonl`: for each condition of each shipped rule a case that turns on it, and the nearest that does not.

For each condition of an exception it is a case in which all but that holds, and the nearest that the exception lifts.

Run it after a deliberate change of the rule file, and read the difference: a case is what the authors stand for, so one
that changes without being meant to is a fault. The cases are found with the reading of `rule_strategies.py`, not with
the evaluator that they test.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from rule_strategies import holds

HERE = Path(__file__).parent
MODEL = HERE.parent.parent / "models" / "leg_weakness"
Steps = tuple[Any, ...]
CALM = ("absent", "none", "normal", "negative", "chronic", "stable")


def literals(condition: Mapping[str, Any], path: Steps = ()) -> Iterator[tuple[Steps, str, list[str]]]:
    """Each condition on one finding, with the way to it."""
    for key, value in condition.items():
        if key in ("all", "any", "of"):
            for n, part in enumerate(value):
                yield from literals(part, (*path, key, n))
        elif key != "at_least":
            yield path, key, value


NEVER: dict[str, Any] = {"any": []}
ALWAYS: dict[str, Any] = {"all": []}


def replaced(condition: Mapping[str, Any], path: Steps, by: Mapping[str, Any]) -> Mapping[str, Any]:
    """The condition with another in the place that the path leads to."""
    if not path:
        return by
    key, n = path[:2]
    return {**condition, key: [replaced(p, path[2:], by) if m == n else p for m, p in enumerate(condition[key])]}


def ways(condition: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Small cases in which the condition holds, one for each choice of alternatives."""
    if "all" in condition or "at_least" in condition:
        parts = condition.get("all", condition.get("of", []))
        for chosen in product(*(list(ways(part)) for part in parts)):
            said: dict[str, str] = {}
            if all(said.setdefault(f, s) == s for one in chosen for f, s in one.items()):
                yield said
    elif "any" in condition:
        for part in condition["any"]:
            yield from ways(part)
    else:
        ((finding, states),) = condition.items()
        yield from ({finding: state} for state in states)


def turning_cases(rule: Mapping[str, Any], states: Mapping[str, list[str]]) -> Iterator[dict[str, Any]]:
    """For each state of each condition: a case that holds only by it, and one that fails only for want of it."""
    when = rule["when"]
    found = list(ways(when))
    for path, finding, named in literals(when):
        without, given = replaced(when, path, NEVER), replaced(when, path, ALWAYS)
        others = sorted((s for s in states[finding] if s not in named), key=lambda s: s not in CALM)
        for state in named:
            case, nearest = next(
                (case, nearest)
                for case in found
                if case.get(finding) == state and not holds(without, case)
                for nearest in ({**case, finding: other} for other in others)
                if not holds(when, nearest) and holds(given, nearest)
            )
            yield {"rule": rule["id"], "turns_on": finding, "fires": case, "nearest": nearest}
    yield from lifting_cases(rule, found[0], states)


def lifting_cases(
    rule: Mapping[str, Any], fires: Mapping[str, str], states: Mapping[str, list[str]]
) -> Iterator[dict[str, Any]]:
    """For each state of each condition of the exception: a case that it lifts, and the nearest that fires."""
    unless = rule.get("unless", NEVER)
    for path, finding, named in literals(unless):
        without = replaced(unless, path, NEVER)
        for state in named:
            lifted = next(way for way in ways(unless) if way.get(finding) == state and not holds(without, way))
            for other in (s for s in states[finding] if s not in named):
                case = {**fires, **lifted}
                yield {
                    "rule": rule["id"],
                    "exception": finding,
                    "fires": {**case, finding: other},
                    "nearest": case,
                }


def main() -> None:
    findings = tomllib.loads((MODEL / "findings.toml").read_text(encoding="utf-8"))
    rules = tomllib.loads((MODEL / "red_flags.toml").read_text(encoding="utf-8"))["rule"]
    states = {name: table["states"] for name, table in findings.items()}
    lines = [json.dumps(case) for rule in rules for case in turning_cases(rule, states)]
    (HERE / "cases.jsonl").write_text("\n".join(dict.fromkeys(lines)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
