"""The red-flag rules for many cases at once: a matrix of state numbers to one of rules. NumPy only. Internal.

It evaluates the same two normal forms as `redflags`, a whole column of cases in each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from legdx.model.rules import URGENCIES, Group, Rule
from legdx.redflags import RuleSet

__all__ = ["fired_rules", "open_rules", "urgency_of"]

Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.integer[Any]]

# The columns of a block of cases stay in the processor's cache from one rule to the next.
_BLOCK = 16_384


def fired_rules(rules: RuleSet, codes: Codes) -> Flags:
    """Which rules hold, whatever is still unknown.

    >>> import legdx, numpy as np
    >>> rules = legdx.load_model().rules
    >>> codes = np.full((2, len(rules.vocabulary.findings)), -1, dtype=np.int8)
    >>> codes[1, rules.vocabulary.index["seizure"]] = 1
    >>> [rules.rules[k].id for k in fired_rules(rules, codes)[1].nonzero()[0]]
    ['confusion_or_seizure']

    Args:
        rules: the rules, R of them, over F findings.
        codes: (cases, F) integers: the number of the state of each finding, in the order of the vocabulary; -1 unknown.
            It is read a column at a time, so Fortran order is the faster.

    Returns:
        (cases, R), rules in the order of the file.
    """
    return _evaluate(rules, codes, _fires)


def open_rules(rules: RuleSet, codes: Codes) -> Flags:
    """Which rules have neither fired nor been excluded; arguments and result as for `fired_rules`."""
    return _evaluate(rules, codes, _is_open)


def _fires(states: _States, rule: Rule) -> Flags:
    return states.all_clauses(rule.clauses) & ~_is_lifted(states, rule)


def _is_open(states: _States, rule: Rule) -> Flags:
    return states.any_term(rule.terms) & ~states.all_clauses(rule.clauses) & ~_is_lifted(states, rule)


def _is_lifted(states: _States, rule: Rule) -> Flags | np.bool_:
    return np.False_ if rule.exception is None else states.all_clauses(rule.exception)


def _evaluate(rules: RuleSet, codes: Codes, holds: Callable[[_States, Rule], Flags]) -> Flags:
    result = np.empty((len(rules.rules), len(codes)), np.bool_)
    for first in range(0, len(codes), _BLOCK):
        lines = slice(first, first + _BLOCK)
        states = _States(codes[lines].T)
        for k, rule in enumerate(rules.rules):
            result[k, lines] = holds(states, rule)
    return result.T


def urgency_of(rules: RuleSet, fired: Flags) -> npt.NDArray[np.int8]:
    """The number in `URGENCIES` of the highest urgency among the rules that fired, (cases,)."""
    highest = np.full(len(fired), len(URGENCIES) - 1, np.int8)
    for k, rule in enumerate(rules.rules):
        np.minimum(highest, URGENCIES.index(rule.urgency), out=highest, where=fired[:, k])
    return highest


class _States:
    """The states of a block of cases, with every test of a state made once."""

    def __init__(self, columns: Codes) -> None:
        self.columns = columns
        self._known_in: dict[tuple[int, frozenset[int]], Flags] = {}

    def known_in(self, finding: int, states: frozenset[int]) -> Flags:
        key = finding, states
        if key not in self._known_in:
            self._known_in[key] = _any(self.columns[finding] == s for s in states)
        return self._known_in[key]

    def all_clauses(self, clauses: Iterable[Group]) -> Flags:
        holds = np.ones(self.columns.shape[1], np.bool_)
        for clause in clauses:
            holds &= _any(self.known_in(i, states) for i, states in clause.items())
            if not holds.any():
                break
        return holds

    def any_term(self, terms: Iterable[Group]) -> Flags:
        """Whether some term holds no finding that is known otherwise."""
        alive = np.zeros(self.columns.shape[1], np.bool_)
        for term in terms:
            possible = np.ones_like(alive)
            for i, states in term.items():
                possible &= self.known_in(i, states) | self.known_in(i, frozenset((-1,)))
            alive |= possible
            if alive.all():
                break
        return alive


def _any(parts: Iterable[Flags]) -> Flags:
    whole: Flags | None = None
    for part in parts:
        whole = part.copy() if whole is None else np.logical_or(whole, part, out=whole)
    assert whole is not None, "no clause and no set of states is empty"
    return whole
