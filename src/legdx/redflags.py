"""The red-flag override: deterministic rules over findings, evaluated in three values.

It sees no probability, imports nothing of the probability path, and with what it imports needs only the standard
library. A rule is true, false or open over all completions of what is known (strong Kleene logic, made exact where a
finding occurs twice): it fires if it holds whatever the unknown findings are, is excluded if it can hold no more, and
stays open otherwise. Unknown is never absent; virtual evidence leaves a finding unknown. An exception of a rule
(`unless`) excludes it once it is certain, and until then changes nothing: no rule waits for a question to be asked.

A rule fires when every clause of its conjunctive form holds a known state, and is excluded when every term of its
disjunctive form holds a finding known otherwise (`model/rules.py`, docs/adr/0004-red-flag-normal-forms.md). Clauses and
terms of all rules are numbered through as the bits of one integer each, so a case is one pass of bitwise OR over its
findings and one addition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from legdx.errors import Fault, UnknownNameError
from legdx.evidence import Evidence
from legdx.model.fields import Faults
from legdx.model.rules import URGENCIES, Group, Rule, parse_rules, rule_faults
from legdx.model.vocabulary import Vocabulary

__all__ = ["URGENCIES", "FiredRule", "OpenRule", "Question", "RedFlags", "RuleSet", "check_rules", "read_rules"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FiredRule:
    """A rule that holds, whatever is still unknown; ``because`` names the findings that made it so.

    >>> import legdx
    >>> rule = legdx.red_flags({"saddle_numbness": True}).fired[0]
    >>> rule.urgency, rule.because
    ('emergency', ('saddle_numbness',))
    """

    id: str
    urgency: str
    label: str
    suspected: tuple[str, ...]
    because: tuple[str, ...]
    action: str
    source: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenRule:
    """A rule not yet excluded; ``ask`` names the fewest findings that could still make it fire.

    >>> import legdx
    >>> [rule.ask for rule in legdx.red_flags({}).not_excluded if rule.id == "ascending_weakness"]
    [('ascending_weakness',)]
    """

    id: str
    urgency: str
    label: str
    suspected: tuple[str, ...]
    ask: tuple[str, ...]
    action: str
    source: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One finding to ask for, with the open rules that the answer may help to settle.

    >>> import legdx
    >>> legdx.red_flags({"onset_speed": "chronic"}).questions(2)[0].question
    'Are you short of breath?'
    """

    finding: str
    question: str
    rules: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RuleSet:
    """All rules over one vocabulary, compiled.

    >>> import legdx
    >>> rules = legdx.load_model().rules
    >>> len(rules.rules), rules["trouble_breathing"].suspected[0]
    (93, 'guillain_barre_syndrome')
    """

    vocabulary: Vocabulary
    rules: tuple[Rule, ...]
    _lines: tuple[_Line, ...] = field(init=False, repr=False)
    _satisfies: tuple[int, ...] = field(init=False, repr=False)
    _kills: tuple[int, ...] = field(init=False, repr=False)
    _lows: int = field(init=False, repr=False)
    _guards: int = field(init=False, repr=False)
    _exceptions: int = field(init=False, repr=False)
    _line_of_guard: Mapping[int, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        satisfies = [0] * self.vocabulary.n_rows
        kills = [0] * self.vocabulary.n_rows
        lines: list[_Line] = []
        line_of_guard: dict[int, int] = {}
        lows = guards = exceptions = n_clauses = n_terms = 0
        for rule in sorted(self.rules, key=lambda rule: URGENCIES.index(rule.urgency)):
            for bit, term in enumerate(rule.terms, n_terms):
                for row in self._rows(term, inside=False):
                    kills[row] |= 1 << bit
            line = _Line(rule, n_clauses, n_terms)
            n_terms += len(rule.terms)
            for fires, clauses in ((True, rule.clauses), (False, rule.exception)):
                if clauses is None:
                    continue
                for bit, clause in enumerate(clauses, n_clauses):
                    for row in self._rows(clause, inside=True):
                        satisfies[row] |= 1 << bit
                # One bit above the clauses stays free: adding 1 below them carries into it just if all are set.
                guard = n_clauses + len(clauses)
                lows |= 1 << n_clauses
                line_of_guard[guard] = len(lines)
                guards |= fires << guard
                exceptions |= (not fires) << guard
                n_clauses = guard + 1
            lines.append(line)
        put = object.__setattr__
        put(self, "_lines", tuple(lines))
        put(self, "_satisfies", tuple(satisfies))
        put(self, "_kills", tuple(kills))
        put(self, "_lows", lows)
        put(self, "_guards", guards)
        put(self, "_exceptions", exceptions)
        put(self, "_line_of_guard", line_of_guard)

    def _rows(self, group: Group, *, inside: bool) -> Iterator[int]:
        for i, states in group.items():
            for s in range(len(self.vocabulary.findings[i].states)):
                if (s in states) == inside:
                    yield self.vocabulary.start[i] + s

    def evaluate(self, evidence: Evidence) -> RedFlags:
        """Evaluate every rule on what is known of one person."""
        satisfied = killed = 0
        satisfies, kills = self._satisfies, self._kills
        for row in evidence.rows:
            satisfied |= satisfies[row]
            killed |= kills[row]
        certain = satisfied + self._lows
        fired = tuple(self._line_of_guard[guard] for guard in _bits(certain & self._guards))
        if certain & self._exceptions:
            lifted = {self._line_of_guard[guard] for guard in _bits(certain & self._exceptions)}
            fired = tuple(k for k in fired if k not in lifted)
            for k in lifted:
                killed |= self._lines[k].terms
        return RedFlags(self, evidence, fired, killed)

    def __getitem__(self, id: str) -> Rule:
        for rule in self.rules:
            if rule.id == id:
                return rule
        raise UnknownNameError("rule", id, [rule.id for rule in self.rules])


class _Line:
    """A rule with its place among the bits; rules are numbered from the most urgent, then in the order of the file."""

    __slots__ = ("clauses", "findings", "first_term", "level", "rule", "terms", "told")

    def __init__(self, rule: Rule, first_clause: int, first_term: int) -> None:
        self.rule = rule
        self.level = URGENCIES.index(rule.urgency)
        self.clauses = _ones(len(rule.clauses)) << first_clause
        self.terms = _ones(len(rule.terms)) << first_term
        self.first_term = first_term
        # The findings of each term, as the bits of one integer.
        self.findings = tuple(sum(1 << i for i in term) for term in rule.terms)
        self.told = {key: getattr(rule, key) for key in ("id", "urgency", "label", "suspected", "action", "source")}

    def alive(self, killed: int) -> Iterator[int]:
        """The findings of each term that can still hold."""
        dead = (killed & self.terms) >> self.first_term
        return (findings for b, findings in enumerate(self.findings) if not dead >> b & 1)


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
        return self._rules._lines[self._fired[0]].rule.urgency if self._fired else URGENCIES[-1]

    @cached_property
    def fired(self) -> tuple[FiredRule, ...]:
        """The rules that fired, most urgent first, then in the order of the rule file."""
        lines = (self._rules._lines[k] for k in self._fired)
        return tuple(FiredRule(because=self._because(line), **line.told) for line in lines)

    @cached_property
    def not_excluded(self) -> tuple[OpenRule, ...]:
        """The rules that are still open, most urgent first, each with the fewest findings that could fire it."""
        known = sum(1 << i for i in self._known())
        return tuple(OpenRule(ask=self._ask(line, known), **line.told) for line in self._open(self._killed))

    def _known(self) -> set[int]:
        return {self._rules.vocabulary.finding_of_row[row] for row in self.evidence.rows}

    def _open(self, killed: int) -> list[_Line]:
        lines = self._rules._lines
        return [line for k, line in enumerate(lines) if killed & line.terms != line.terms and k not in self._fired]

    def _because(self, line: _Line) -> tuple[str, ...]:
        vocabulary, satisfies = self._rules.vocabulary, self._rules._satisfies
        rows = (row for row in self.evidence.rows if satisfies[row] & line.clauses)
        return tuple(vocabulary.row_name(row)[0] for row in rows)

    def _ask(self, line: _Line, known: int) -> tuple[str, ...]:
        findings = self._rules.vocabulary.findings
        missing = {term & ~known for term in line.alive(self._killed)}
        fewest = min(term.bit_count() for term in missing)
        ways = sorted(tuple(_bits(term)) for term in missing if term.bit_count() == fewest)
        best = min(ways, key=lambda way: sum(findings[i].cost for i in way))
        return tuple(findings[i].id for i in best)

    def questions(self, n: int = 5) -> tuple[Question, ...]:
        """What to ask next, in order, so that the most urgent open rules are settled with few questions.

        Each question is the one whose most reassuring answer excludes most of the open rules of the highest urgency, in
        proportion to what the finding costs to learn; a rule that is excluded in part counts for that part. The next
        question takes that answer as given (the greedy rule for set covering: Chvatal 1979, Mathematics of Operations
        Research 4:233). After a worrying answer, evaluate again: other rules are open then.

        >>> import legdx
        >>> [question.finding for question in legdx.red_flags({"onset_speed": "chronic"}).questions(2)]
        ['dyspnea', 'severe_acute_pain']

        Args:
            n: the most questions to return; fewer where fewer settle every open rule.
        """
        vocabulary = self._rules.vocabulary
        killed, known = self._killed, self._known()
        asked: list[Question] = []
        while len(asked) < n and (row := self._best_answer(killed, known)) is not None:
            i = vocabulary.finding_of_row[row]
            counts = [line.rule.id for line in self._open(killed) if any(t >> i & 1 for t in line.alive(killed))]
            finding = vocabulary.findings[i]
            asked.append(Question(finding=finding.id, question=finding.question, rules=tuple(counts)))
            known.add(i)
            killed |= self._rules._kills[row]
        return tuple(asked)

    def _best_answer(self, killed: int, known: set[int]) -> int | None:
        """The row of the most reassuring answer to the best question; None where nothing is open."""
        vocabulary, kills = self._rules.vocabulary, self._rules._kills
        # A term with nothing left to ask holds: under the answers taken as given, its rule has fired.
        settled = sum(1 << i for i in known)
        still_open = [line for line in self._open(killed) if all(term & ~settled for term in line.alive(killed))]
        alive = [line.terms & ~killed for line in still_open if line.level == still_open[0].level]
        best, most = None, 0.0
        for row, i in enumerate(vocabulary.finding_of_row):
            if i in known or not kills[row] & ~killed:
                continue
            excluded = sum((kills[row] & t).bit_count() / t.bit_count() for t in alive if kills[row] & t)
            worth = excluded / (1 + vocabulary.findings[i].cost)
            # Equal worth: the finding that comes first in the vocabulary, and of one finding its first state.
            if worth > most + 1e-12:
                best, most = row, worth
        return best

    def to_dict(self) -> dict[str, Any]:
        """Every rule that fired or is open, and what to ask next, as plain values."""
        return {
            "urgency": self.urgency,
            "fired": [_plain(rule) for rule in self.fired],
            "not_excluded": [_plain(rule) for rule in self.not_excluded],
            "questions": [_plain(question) for question in self.questions()],
        }

    def __repr__(self) -> str:
        lines = [f"RedFlags: {self.urgency}, {len(self.fired)} fired, {len(self.not_excluded)} not excluded"]
        lines += [f"  {rule.urgency}: {rule.label} ({', '.join(rule.because)})" for rule in self.fired]
        return "\n".join(lines)


def _plain(rule: FiredRule | OpenRule | Question) -> dict[str, Any]:
    values = {name: getattr(rule, name) for name in rule.__slots__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _ones(n: int) -> int:
    return (1 << n) - 1


def _bits(number: int) -> Iterator[int]:
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


def read_rules(document: object, vocabulary: Vocabulary, faults: Faults, file: str = "red_flags.toml") -> RuleSet:
    """Read `red_flags.toml`, already parsed, and report what is wrong with its shape.

    >>> import legdx
    >>> faults = Faults()
    >>> len(read_rules({}, legdx.load_model().vocabulary, faults).rules), faults.found
    (0, [])
    """
    return RuleSet(vocabulary, parse_rules(document, vocabulary, faults, file))


def check_rules(
    rules: RuleSet, causes: Iterable[str], sources: Iterable[str], file: str = "red_flags.toml"
) -> list[Fault]:
    """Semantic faults: unknown causes and sources, duplicate ids or conditions, rules that never or always fire.

    >>> import legdx
    >>> model = legdx.load_model()
    >>> check_rules(model.rules, model.causes.keys(), model.spec.sources)
    []
    """
    return rule_faults(rules.rules, causes, sources, file)
