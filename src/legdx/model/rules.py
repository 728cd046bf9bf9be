"""Red-flag rules as they are written, brought into normal form and checked.

A condition becomes a conjunction of clauses and, multiplied out, a disjunction of terms. Both are exact over findings
with several states: a clause joins states of distinct findings by "or", a term by "and", and neither holds a finding
whose state does not matter. The terms are all prime implicants of the condition (Nelson 1955, J. Symbolic Logic 20:105,
carried over from two values to sets of states). Standard library only. Internal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, prod

from legdx.errors import Fault, nearest
from legdx.model.fields import Faults, Table
from legdx.model.vocabulary import Vocabulary

__all__ = ["URGENCIES", "Group", "Rule", "parse_rules", "rule_faults"]

URGENCIES = ("emergency", "same_day", "soon", "routine")
RULE_KEYS = ("id", "label", "urgency", "suspected", "action", "source", "when", "unless")

# Rules of the size that a person can review stay far below; a larger one would be slow to read, not slow to evaluate.
_MOST_GROUPS = 2000

# The states of each finding that satisfy the group.
Group = Mapping[int, frozenset[int]]
_Form = list[dict[int, frozenset[int]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One rule, as written, with its condition in both normal forms, and its exception in the first."""

    id: str
    label: str
    urgency: str
    suspected: tuple[str, ...]
    action: str
    source: tuple[str, ...]
    clauses: tuple[Group, ...]
    terms: tuple[Group, ...]
    exception: tuple[Group, ...] | None  # the clauses of `unless`


def parse_rules(document: object, vocabulary: Vocabulary, faults: Faults, file: str) -> tuple[Rule, ...]:
    """Read `red_flags.toml`, already parsed, and report what is wrong with its shape."""
    root = Table(document, f"{file}:", faults)
    entries = root.raw("rule", [])
    root.close(("rule",))
    if not isinstance(entries, list):
        faults.add(file, "rule is not a list of tables", "write each rule under [[rule]]")
        entries = []
    rules = []
    for n, entry in enumerate(entries):
        id = entry.get("id") if isinstance(entry, Mapping) else None
        rules.append(_parse_rule(Table(entry, f"{file}: rule {id or n + 1}", faults), vocabulary))
    return tuple(rules)


def _parse_rule(table: Table, vocabulary: Vocabulary) -> Rule:
    clauses = _Condition(vocabulary).read(table.table("when", required=True))
    terms = _multiplied_out(clauses)
    if len(terms) > _MOST_GROUPS:
        table.fault("when", "branches too much", "split it into several rules")
    exception = _Condition(vocabulary).read(table.table("unless")) if table.has("unless") else None
    rule = Rule(
        id=table.text("id"),
        label=table.text("label"),
        urgency=table.choice("urgency", URGENCIES[:3]),
        suspected=table.texts("suspected"),
        action=table.text("action"),
        source=table.texts("source"),
        clauses=tuple(clauses),
        terms=tuple(terms),
        exception=None if exception is None else tuple(exception),
    )
    table.close(RULE_KEYS)
    return rule


class _Condition:
    """Reads one nested condition into clauses."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def read(self, table: Table) -> _Form:
        keys = table.keys()
        if sorted(keys) == ["at_least", "of"]:
            return self._at_least(table)
        if len(keys) != 1:
            table.fault("", f"has the keys {keys}", "give one: all, any, at_least with of, or a finding")
            for key in keys:
                table.raw(key)
            return []
        key = keys[0]
        if key == "all":
            return self._simplified([clause for part in self._parts(table, key) for clause in part])
        if key == "any":
            return self._any(table, self._parts(table, key))
        return self._literal(table, key)

    def _at_least(self, table: Table) -> _Form:
        n = table.whole("at_least")
        parts = self._parts(table, "of")
        if not 1 <= n <= len(parts):
            table.fault("at_least", f"is {n} of {len(parts)}", f"give 1 to {len(parts)}")
            return []
        # At least n of m hold just if one holds in every choice of m - n + 1.
        if comb(len(parts), len(parts) - n + 1) > _MOST_GROUPS:
            table.fault("of", "branches too much", "split it into several rules")
            return []
        choices = combinations(parts, len(parts) - n + 1)
        return self._simplified([clause for choice in choices for clause in self._any(table, choice)])

    def _any(self, table: Table, parts: Sequence[_Form]) -> _Form:
        if prod(len(part) for part in parts) > _MOST_GROUPS:
            table.fault("", "branches too much", "split it into several rules")
            return []
        return self._simplified([_joined(choice) for choice in product(*parts)])

    def _parts(self, table: Table, key: str) -> list[_Form]:
        raw = table.raw(key)
        if not isinstance(raw, list) or not raw:
            table.fault(key, "is not a list of conditions", "write { all = [ { finding = [states] }, ... ] }")
            return []
        return [self.read(Table(part, f"{table.path(key)}[{n}]", table._faults)) for n, part in enumerate(raw)]

    def _literal(self, table: Table, key: str) -> _Form:
        states = table.texts(key)
        i = self.vocabulary.index.get(key)
        if i is None:
            table.fault(key, "no such finding", nearest(key, self.vocabulary.index))
            return []
        legal = self.vocabulary.findings[i].states
        for state in states:
            if state not in legal:
                table.fault(key, f"no state {state!r}", nearest(state, legal))
        if not states or set(states) >= set(legal):
            table.fault(key, "names no state, or all of them", "name the states that count")
        return [{i: frozenset(legal.index(s) for s in states if s in legal)}]

    def _simplified(self, form: _Form) -> _Form:
        """Leave out clauses that always hold, and those that another one implies."""
        findings = self.vocabulary.findings
        form = [c for c in form if all(len(states) < len(findings[i].states) for i, states in c.items())]
        return _without_absorbed(sorted(form, key=_narrow_first), lambda clause, kept: _lies_within(kept, clause))


def _joined(clauses: Iterable[Group]) -> dict[int, frozenset[int]]:
    union: dict[int, frozenset[int]] = {}
    for clause in clauses:
        for i, states in clause.items():
            union[i] = union.get(i, frozenset()) | states
    return union


def _multiplied_out(clauses: _Form) -> _Form:
    """All prime implicants: one literal of each clause in every way, without contradictions and absorbed terms."""
    terms: _Form = [{}]
    for clause in clauses:
        longer = [{**term, i: term.get(i, states) & states} for term in terms for i, states in clause.items()]
        possible = [term for term in longer if all(term.values())]
        terms = _without_absorbed(sorted(possible, key=_wide_first), _covers)
        if len(terms) > _MOST_GROUPS:
            break
    return terms


def _without_absorbed(form: _Form, absorbed: Callable[[Group, Group], bool]) -> _Form:
    kept: _Form = []
    for group in form:
        if not any(absorbed(group, other) for other in kept):
            kept.append(group)
    return kept


def _narrow_first(group: Group) -> tuple[int, int]:
    return len(group), sum(len(states) for states in group.values())


def _wide_first(group: Group) -> tuple[int, int]:
    return len(group), -sum(len(states) for states in group.values())


def _lies_within(small: Group, large: Group) -> bool:
    """Whether every literal of clause `small` is part of one of clause `large`, so that it implies it."""
    return all(i in large and states <= large[i] for i, states in small.items())


def _covers(term: Group, wider: Group) -> bool:
    """Whether `wider` holds wherever `term` does."""
    return all(i in term and term[i] <= states for i, states in wider.items())


def rule_faults(rules: Iterable[Rule], causes: Iterable[str], sources: Iterable[str], file: str) -> list[Fault]:
    """What a rule says that it cannot mean, one small check after the other."""
    rules, causes, sources = list(rules), list(causes), list(sources)
    faults: list[Fault] = []
    for rule in rules:
        where = f"{file}: rule {rule.id}"
        faults += _unknown_names(where, "suspected", rule.suspected, causes)
        faults += _unknown_names(where, "source", rule.source, sources)
        faults += _unreachable(where, rule)
    faults += _duplicates(file, rules)
    return faults


def _unknown_names(where: str, key: str, names: Sequence[str], known: Sequence[str]) -> Iterator[Fault]:
    if not names:
        yield Fault(where=f"{where}.{key}", problem="names none", fix="name one at least")
    for name in names:
        if name not in known:
            yield Fault(where=f"{where}.{key}", problem=f"no {name!r}", fix=nearest(name, known))


def _unreachable(where: str, rule: Rule) -> Iterator[Fault]:
    if not rule.terms:
        yield Fault(where=f"{where}.when", problem="can never hold", fix="mend the condition")
    if not rule.clauses:
        yield Fault(where=f"{where}.when", problem="always holds", fix="mend the condition")
    if rule.exception is None:
        return
    if not _multiplied_out([dict(clause) for clause in rule.exception]):
        yield Fault(where=f"{where}.unless", problem="can never hold", fix="mend the condition")
    if not rule.exception:
        yield Fault(where=f"{where}.unless", problem="always holds", fix="mend the condition")
    # Only so are the verdicts exact, one form at a time: no answer that fires the rule can lift it.
    if {i for clause in rule.clauses for i in clause} & {i for clause in rule.exception for i in clause}:
        yield Fault(where=f"{where}.unless", problem="names a finding of `when`", fix="say it in `when`")


def _duplicates(file: str, rules: Sequence[Rule]) -> Iterator[Fault]:
    # All prime implicants of a condition are the same however it is written, so equal sets mean the same condition.
    seen: dict[object, str] = {}
    for rule in rules:
        condition = tuple(frozenset(frozenset(g.items()) for g in form) for form in (rule.terms, rule.exception or ()))
        for key, what in ((rule.id, "id"), (condition, "condition")):
            if key in seen:
                problem = f"has the {what} of rule {seen[key]}"
                yield Fault(where=f"{file}: rule {rule.id}", problem=problem, fix="take one out")
            seen.setdefault(key, rule.id)
