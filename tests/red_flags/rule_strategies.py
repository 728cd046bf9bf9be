"""Small random rule sets, and a second, slow reading of a condition that shares no code with the library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from hypothesis import strategies as st

from legdx.model.fields import Faults
from legdx.model.vocabulary import Vocabulary, read_vocabulary
from legdx.redflags import RuleSet, read_rules

URGENCIES = ("emergency", "same_day", "soon")


def holds(condition: Mapping[str, Any], said: Mapping[str, str | None]) -> bool:
    """Whether a condition is true where everything that is not said is false."""
    if "at_least" in condition:
        return sum(holds(part, said) for part in condition["of"]) >= condition["at_least"]
    if "all" in condition:
        return all(holds(part, said) for part in condition["all"])
    if "any" in condition:
        return any(holds(part, said) for part in condition["any"])
    ((finding, states),) = condition.items()
    return said.get(finding) in states


def completions(states: Mapping[str, tuple[str, ...]], said: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Every full case that agrees with what is said."""
    unknown = [finding for finding in states if finding not in said]
    for values in product(*(states[finding] for finding in unknown)):
        yield {**said, **dict(zip(unknown, values, strict=True))}


def verdict(rule: Mapping[str, Any], states: Mapping[str, tuple[str, ...]], said: Mapping[str, str]) -> str:
    """The three values by brute force: the rule is true in every completion, in none, or in some.

    An exception counts only once it holds in every completion.
    """
    cases = list(completions(states, said))
    if "unless" in rule and all(holds(rule["unless"], case) for case in cases):
        return "excluded"
    values = {holds(rule["when"], case) for case in cases}
    return {(True,): "fired", (False,): "excluded"}.get(tuple(values), "open")


def vocabulary(states: Mapping[str, tuple[str, ...]], cost: int = 0) -> Vocabulary:
    background = {"strength": 1, "source": ["expert_estimate"]}
    document = {
        name: {
            "label": name, "question": f"{name}?", "kind": "symptom", "cost": cost, "states": list(values),
            "parent": "cause", "background": {"p": {s: 1 / len(values) for s in values}, **background},
        }
        for name, values in states.items()
    }  # fmt: skip
    faults = Faults()
    read = read_vocabulary(document, faults)
    assert not faults.found, faults.found
    return read


def rule(condition: Mapping[str, Any], id: str = "r", urgency: str = "emergency", **more: Any) -> dict[str, Any]:
    return {
        "id": id, "label": f"Label of {id}", "urgency": urgency, "suspected": ["c"], "action": "Do it.",
        "source": ["s"], "when": condition, **more,
    }  # fmt: skip


def compiled(read: Vocabulary, *rules: Mapping[str, Any]) -> RuleSet:
    faults = Faults()
    rule_set = read_rules({"rule": list(rules)}, read, faults)
    assert not faults.found, faults.found
    return rule_set


def conditions(states: Mapping[str, tuple[str, ...]]) -> st.SearchStrategy[dict[str, Any]]:
    def literal(finding: str) -> st.SearchStrategy[dict[str, Any]]:
        some = st.lists(st.sampled_from(states[finding]), min_size=1, max_size=len(states[finding]) - 1, unique=True)
        return some.map(lambda names: {finding: names})

    def nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        parts = st.lists(inner, min_size=1, max_size=3)
        counted = parts.flatmap(lambda of: st.integers(1, len(of)).map(lambda n: {"at_least": n, "of": of}))
        return parts.map(lambda p: {"all": p}) | parts.map(lambda p: {"any": p}) | counted

    return st.recursive(st.sampled_from(sorted(states)).flatmap(literal), nested, max_leaves=6)


@st.composite
def situations(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], list[dict[str, Any]], dict[str, str]]:
    """Findings with their states, some rules over them, and what is said of one person."""
    states = {f"f{k}": tuple(f"v{j}" for j in range(draw(st.integers(2, 3)))) for k in range(draw(st.integers(1, 4)))}
    rules = []
    for k in range(draw(st.integers(1, 4))):
        mentioned = draw(st.permutations(sorted(states)))
        cut = draw(st.integers(1, len(mentioned)))
        within, left = ({f: states[f] for f in part} for part in (mentioned[:cut], mentioned[cut:]))
        more = {"unless": draw(conditions(left))} if left and draw(st.booleans()) else {}
        rules.append(rule(draw(conditions(within)), id=f"r{k}", urgency=draw(st.sampled_from(URGENCIES)), **more))
    said = {f: draw(st.sampled_from(values)) for f, values in states.items() if draw(st.booleans())}
    return states, rules, said
