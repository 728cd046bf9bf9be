"""The red-flag override: deterministic rules over findings, evaluated in three values.

It sees no probability, imports nothing of the probability path, and with what it imports needs only the standard
library. A rule is true, false or open over all completions of what is known (strong Kleene logic, made exact where a
finding occurs twice): it fires if it holds whatever the unknown findings are, is excluded if it can hold no more, and
stays open otherwise. Unknown is never absent; virtual evidence leaves a finding unknown.

Each rule is compiled to both normal forms. In conjunctive form it fires when every clause holds a known state; in
disjunctive form it is excluded when every term holds a finding known otherwise. Clauses and terms of all rules are
numbered through as the bits of one integer each, so a case is one pass of bitwise OR over its findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, product
from typing import Any

from legdx.errors import Fault, UnknownNameError, nearest
from legdx.evidence import Evidence
from legdx.model.fields import Faults, Table
from legdx.model.vocabulary import Vocabulary

__all__ = ["URGENCIES", "FiredRule", "OpenRule", "RedFlags", "Rule", "RuleSet", "check_rules", "read_rules"]

URGENCIES = ("emergency", "same_day", "soon", "routine")
RULE_KEYS = ("id", "label", "urgency", "suspected", "action", "source", "when")

# A literal is a finding with the states that satisfy it; a group joins literals of distinct findings.
Group = Mapping[int, frozenset[int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One rule, as written, with its two normal forms."""

    id: str
    label: str
    urgency: str
    suspected: tuple[str, ...]
    action: str
    source: tuple[str, ...]
    clauses: tuple[Group, ...]
    terms: tuple[Group, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FiredRule:
    """A rule that holds, whatever is still unknown; ``because`` names the findings that made it so."""

    id: str
    urgency: str
    label: str
    suspected: tuple[str, ...]
    because: tuple[str, ...]
    action: str
    source: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenRule:
    """A rule not yet excluded; ``ask`` names the fewest findings that could still make it fire."""

    id: str
    urgency: str
    label: str
    suspected: tuple[str, ...]
    ask: tuple[str, ...]
    action: str
    source: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RuleSet:
    """All rules over one vocabulary, compiled."""

    vocabulary: Vocabulary
    rules: tuple[Rule, ...]
    _satisfies: tuple[int, ...] = field(init=False, repr=False)
    _kills: tuple[int, ...] = field(init=False, repr=False)
    _masks: tuple[tuple[int, int], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        satisfies = [0] * self.vocabulary.n_rows
        kills = [0] * self.vocabulary.n_rows
        masks = []
        n_clauses = n_terms = 0
        for rule in self.rules:
            for bit, clause in enumerate(rule.clauses, n_clauses):
                for row in self._rows(clause, inside=True):
                    satisfies[row] |= 1 << bit
            for bit, term in enumerate(rule.terms, n_terms):
                for row in self._rows(term, inside=False):
                    kills[row] |= 1 << bit
            masks.append((_ones(len(rule.clauses)) << n_clauses, _ones(len(rule.terms)) << n_terms))
            n_clauses += len(rule.clauses)
            n_terms += len(rule.terms)
        object.__setattr__(self, "_satisfies", tuple(satisfies))
        object.__setattr__(self, "_kills", tuple(kills))
        object.__setattr__(self, "_masks", tuple(masks))

    def _rows(self, group: Group, *, inside: bool) -> Iterator[int]:
        for i, states in group.items():
            for s in range(len(self.vocabulary.findings[i].states)):
                if (s in states) == inside:
                    yield self.vocabulary.start[i] + s

    def evaluate(self, evidence: Evidence) -> RedFlags:
        """Evaluate every rule on what is known of one person."""
        satisfied = killed = 0
        for row in evidence.rows:
            satisfied |= self._satisfies[row]
            killed |= self._kills[row]
        fired = []
        for k, (clauses, _) in enumerate(self._masks):
            if satisfied & clauses == clauses:
                fired.append(k)
        return RedFlags(self, evidence, tuple(fired), killed)

    def __getitem__(self, id: str) -> Rule:
        for rule in self.rules:
            if rule.id == id:
                return rule
        raise UnknownNameError("rule", id, [rule.id for rule in self.rules])


class RedFlags:
    """What the rules say of one person.

    >>> import legdx
    >>> flags = legdx.red_flags({"saddle_numbness": "present", "bladder_change": "retention_or_hesitancy"})
    >>> flags.urgency
    'emergency'
    """

    __slots__ = ("__dict__", "_fired", "_killed", "_rules", "evidence")

    def __init__(self, rules: RuleSet, evidence: Evidence, fired: tuple[int, ...], killed: int) -> None:
        self._rules = rules
        self.evidence = evidence
        self._fired = fired
        self._killed = killed

    @cached_property
    def urgency(self) -> str:
        """The highest urgency among the fired rules, else ``"routine"``."""
        fired = [URGENCIES.index(self._rules.rules[k].urgency) for k in self._fired]
        return URGENCIES[min(fired, default=len(URGENCIES) - 1)]

    @cached_property
    def fired(self) -> tuple[FiredRule, ...]:
        """The rules that fired, most urgent first, then in the order of the rule file."""
        return tuple(
            FiredRule(because=self._because(k), **_told(self._rules.rules[k])) for k in self._in_order(self._fired)
        )

    @cached_property
    def not_excluded(self) -> tuple[OpenRule, ...]:
        """The rules that are still open, most urgent first, each with the fewest findings that could fire it."""
        return tuple(OpenRule(ask=self._ask(k), **_told(self._rules.rules[k])) for k in self._in_order(self._open()))

    def _in_order(self, rules: Iterable[int]) -> list[int]:
        return sorted(rules, key=lambda k: (URGENCIES.index(self._rules.rules[k].urgency), k))

    def _open(self) -> list[int]:
        masks = self._rules._masks
        return [k for k, (_, terms) in enumerate(masks) if k not in self._fired and self._killed & terms != terms]

    def _because(self, k: int) -> tuple[str, ...]:
        vocabulary, clauses = self._rules.vocabulary, self._rules._masks[k][0]
        rows = (row for row in self.evidence.rows if self._rules._satisfies[row] & clauses)
        return tuple(vocabulary.row_name(row)[0] for row in rows)

    def _ask(self, k: int) -> tuple[str, ...]:
        vocabulary = self._rules.vocabulary
        known = {vocabulary.finding_of_row[row] for row in self.evidence.rows}
        first_bit = (self._rules._masks[k][1] & -self._rules._masks[k][1]).bit_length() - 1
        alive = (t for b, t in enumerate(self._rules.rules[k].terms, first_bit) if not self._killed >> b & 1)
        missing = [sorted(i for i in term if i not in known) for term in alive]
        best = min(missing, key=lambda m: (len(m), sum(vocabulary.findings[i].cost for i in m)))
        return tuple(vocabulary.findings[i].id for i in best)

    def to_dict(self) -> dict[str, Any]:
        """Every rule that fired or is open, as plain values."""
        return {
            "urgency": self.urgency,
            "fired": [_plain(rule) for rule in self.fired],
            "not_excluded": [_plain(rule) for rule in self.not_excluded],
        }

    def __repr__(self) -> str:
        lines = [f"RedFlags: {self.urgency}, {len(self.fired)} fired, {len(self.not_excluded)} not excluded"]
        lines += [f"  {rule.urgency}: {rule.label} ({', '.join(rule.because)})" for rule in self.fired]
        return "\n".join(lines)


def _told(rule: Rule) -> dict[str, Any]:
    return {key: getattr(rule, key) for key in ("id", "urgency", "label", "suspected", "action", "source")}


def _plain(rule: FiredRule | OpenRule) -> dict[str, Any]:
    values = {name: getattr(rule, name) for name in rule.__slots__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _ones(n: int) -> int:
    return (1 << n) - 1


def read_rules(document: object, vocabulary: Vocabulary, faults: Faults, file: str = "red_flags.toml") -> RuleSet:
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
        rules.append(_read_rule(Table(entry, f"{file}: rule {id or n + 1}", faults), vocabulary))
    return RuleSet(vocabulary, tuple(rules))


def _read_rule(table: Table, vocabulary: Vocabulary) -> Rule:
    when = table.table("when", required=True)
    clauses, terms = _Condition(vocabulary).read(when)
    rule = Rule(
        id=table.text("id"),
        label=table.text("label"),
        urgency=table.choice("urgency", URGENCIES[:3]),
        suspected=table.texts("suspected"),
        action=table.text("action"),
        source=table.texts("source"),
        clauses=_simplified(clauses, vocabulary, joined_by_or=True),
        terms=_simplified(terms, vocabulary, joined_by_or=False),
    )
    table.close(RULE_KEYS)
    return rule


# Before simplification: a form is a list of groups, each a list of literals.
_Literal = tuple[int, frozenset[int]]
_Form = list[tuple[_Literal, ...]]


class _Condition:
    """Reads one nested condition into conjunctive and disjunctive form at once."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def read(self, table: Table) -> tuple[_Form, _Form]:
        keys = table.keys()
        if keys in (["at_least", "of"], ["of", "at_least"]):
            n = table.whole("at_least")
            parts = self._parts(table, "of")
            if not 1 <= n <= len(parts):
                table.fault("at_least", f"is {n} of {len(parts)}", f"give 1 to {len(parts)}")
                return [], []
            # At least n of m hold if one in every choice of m - n + 1 does, and if all in some choice of n do.
            return (
                _all([_any([parts[i][0] for i in c]) for c in combinations(range(len(parts)), len(parts) - n + 1)]),
                _all([_any([parts[i][1] for i in c]) for c in combinations(range(len(parts)), n)]),
            )
        if len(keys) != 1:
            table.fault("", f"has the keys {keys}", "give one: all, any, at_least with of, or a finding")
            for key in keys:
                table.raw(key)
            return [], []
        key = keys[0]
        if key == "all":
            parts = self._parts(table, key)
            return _all([c for c, _ in parts]), _any([t for _, t in parts])
        if key == "any":
            parts = self._parts(table, key)
            return _any([c for c, _ in parts]), _all([t for _, t in parts])
        return self._literal(table, key)

    def _parts(self, table: Table, key: str) -> list[tuple[_Form, _Form]]:
        raw = table.raw(key)
        if not isinstance(raw, list) or not raw:
            table.fault(key, "is not a list of conditions", "write { all = [ { finding = [states] }, ... ] }")
            return []
        return [self.read(Table(part, f"{table.path(key)}[{n}]", table._faults)) for n, part in enumerate(raw)]

    def _literal(self, table: Table, key: str) -> tuple[_Form, _Form]:
        states = table.texts(key)
        i = self.vocabulary.index.get(key)
        if i is None:
            table.fault(key, "no such finding", nearest(key, self.vocabulary.index))
            return [], []
        legal = self.vocabulary.findings[i].states
        for state in states:
            if state not in legal:
                table.fault(key, f"no state {state!r}", nearest(state, legal))
        if not states or set(states) >= set(legal):
            table.fault(key, "names no state, or all of them", "name the states that count")
        literal = (i, frozenset(legal.index(s) for s in states if s in legal))
        return [(literal,)], [(literal,)]


def _all(forms: Sequence[_Form]) -> _Form:
    """Concatenate: in a form's own connective, all groups of all parts."""
    return [group for form in forms for group in form]


def _any(forms: Sequence[_Form]) -> _Form:
    """Distribute: one group of each part, joined."""
    return [tuple(literal for group in choice for literal in group) for choice in product(*forms)]


def _simplified(form: _Form, vocabulary: Vocabulary, *, joined_by_or: bool) -> tuple[Group, ...]:
    """Merge literals of one finding; drop groups that are always true (clauses) or never (terms), and absorbed ones."""
    merged: list[dict[int, frozenset[int]]] = []
    for literals in form:
        group: dict[int, frozenset[int]] = {}
        for i, states in literals:
            before = group.get(i)
            group[i] = states if before is None else (before | states if joined_by_or else before & states)
        full = any(len(s) == len(vocabulary.findings[i].states) for i, s in group.items())
        empty = any(not s for s in group.values())
        if not (full if joined_by_or else empty):
            merged.append(group)
    kept: list[dict[int, frozenset[int]]] = []
    for group in sorted(merged, key=len):
        if not any(_absorbs(other, group, joined_by_or) for other in kept):
            kept.append(group)
    return tuple(kept)


def _absorbs(a: Group, b: Group, joined_by_or: bool) -> bool:
    """Whether group `b` says nothing beyond group `a` of the same form."""
    return all(i in b and (s <= b[i] if joined_by_or else s >= b[i]) for i, s in a.items())


def check_rules(
    rules: RuleSet, causes: Iterable[str], sources: Iterable[str], file: str = "red_flags.toml"
) -> list[Fault]:
    """Semantic faults: unknown causes and sources, duplicate ids or conditions, rules that never or always fire."""
    faults = []
    known_causes, known_sources = list(causes), list(sources)
    seen: dict[str, str] = {}
    for rule in rules.rules:
        where = f"{file}: rule {rule.id}"
        for key, names, known in (
            ("suspected", rule.suspected, known_causes),
            ("source", rule.source, known_sources),
        ):
            if not names:
                faults.append(Fault(where=f"{where}.{key}", problem="names none", fix="name one at least"))
            for name in names:
                if name not in known:
                    faults.append(Fault(where=f"{where}.{key}", problem=f"no {name!r}", fix=nearest(name, known)))
        if not rule.terms:
            faults.append(Fault(where=f"{where}.when", problem="can never hold", fix="mend the condition"))
        elif not rule.clauses:
            faults.append(Fault(where=f"{where}.when", problem="always holds", fix="mend the condition"))
        form = repr(sorted(sorted((i, sorted(s)) for i, s in t.items()) for t in rule.terms))
        for name, what in ((f"id {rule.id}", "id"), (form, "condition")):
            if name in seen:
                faults.append(Fault(where=where, problem=f"has the {what} of rule {seen[name]}", fix="take one out"))
            seen[name] = rule.id
    return faults
