"""From raw findings to `Evidence`: every value checked, every fault reported at once, nothing dropped.

Standard library only, since the red-flag path reads it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from legdx.errors import EvidenceError, EvidenceShapeError, Fault, nearest, shown
from legdx.model.vocabulary import Finding, Vocabulary

__all__ = ["Evidence", "parse_evidence"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one person, in the numbering of a vocabulary.

    ``rows`` holds the row of the stated state of each finding known for certain, in the order of the
    vocabulary; ``virtual`` a likelihood for each state of those known only in part, by finding.
    A finding in neither is unknown.

    >>> import legdx
    >>> legdx.rank({"fever": {"absent": 1, "present": 3}, "sex": "male"}).evidence.virtual[0][1]
    (0.3333333333333333, 1.0)
    """

    vocabulary: Vocabulary
    rows: tuple[int, ...]
    virtual: tuple[tuple[int, tuple[float, ...]], ...] = ()

    def named(self) -> dict[str, object]:
        """The findings by id: a state's name, or the likelihoods by state."""
        named: dict[int, object] = {}
        for row in self.rows:
            named[self.vocabulary.finding_of_row[row]] = self.vocabulary.row_name(row)[1]
        for i, likelihood in self.virtual:
            named[i] = dict(zip(self.vocabulary.findings[i].states, likelihood, strict=True))
        return {self.vocabulary.findings[i].id: named[i] for i in sorted(named)}


def parse_evidence(vocabulary: Vocabulary, findings: object) -> Evidence:
    """Check what was said of a person against the vocabulary.

    >>> import legdx
    >>> model = legdx.load_model()
    >>> parse_evidence(model.vocabulary, {"age": 61, "deep tendon reflexes": None, "fever": False}).named()
    {'age_band': 'older_adult', 'fever': 'absent'}

    Args:
        vocabulary: the findings, states, aliases and codes that count.
        findings: a mapping from id, alias or code to a state's name, ``True`` or ``False``, a number in the finding's
            unit, a mapping from state to likelihood, or ``None`` (or NaN), which is unknown.

    Raises:
        EvidenceShapeError: `findings` is not a mapping.
        EvidenceError: anything in it is wrong; every fault is in the one message.
    """
    if not isinstance(findings, Mapping):
        raise EvidenceShapeError(
            [
                Fault(
                    where="findings",
                    problem=f"is a {type(findings).__name__}, not a mapping",
                    fix='pass a dict such as {"fever": "present"}',
                )
            ]
        )
    lookup = vocabulary.rows
    owner = vocabulary.finding_of_row
    given: dict[int, int] = {}
    for name, value in findings.items():
        values = lookup.get(name) if name.__class__ is str else None
        row = values.get(value) if values is not None and value.__class__ in _PLAIN else None
        if row is None or given.setdefault(owner[row], row) != row:
            return _Reader(vocabulary).read(findings)
    return Evidence(vocabulary, tuple(sorted(given.values())))


_PLAIN = frozenset((str, bool))
_Likelihood = tuple[float, ...]
_TINY = 5e-324


class _Reader:
    """Reads every value with care, and says all that is wrong."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.faults: list[Fault] = []
        self.said: dict[int, list[tuple[str, _Likelihood]]] = {}

    def read(self, findings: Mapping[object, object]) -> Evidence:
        for name, value in findings.items():
            self._read_one(name, value)
        rows: list[int] = []
        virtual: list[tuple[int, _Likelihood]] = []
        for i in sorted(self.said):
            likelihood = self._combined(i)
            possible = [s for s, v in enumerate(likelihood) if v > 0]
            if len(possible) == 1:
                rows.append(self.vocabulary.start[i] + possible[0])
            elif any(v != likelihood[0] for v in likelihood):
                virtual.append((i, likelihood))
        if self.faults:
            raise EvidenceError(self.faults)
        return Evidence(self.vocabulary, tuple(rows), tuple(virtual))

    def _read_one(self, name: object, value: object) -> None:
        if not isinstance(name, str):
            self._fault(shown(name), "is not a name", "use the finding's id, an alias or a code, as a text")
            return
        key = name.strip()
        state_key = self.vocabulary.state_keys.get(key) or self.vocabulary.state_keys.get(key.upper())
        i = state_key[0] if state_key else self.vocabulary.find(key)
        if i is None:
            names = [f.id for f in self.vocabulary.findings] + list(self.vocabulary.rows)
            self._fault(shown(name), "no such finding", nearest(name, dict.fromkeys(names)))
            return
        finding = self.vocabulary.findings[i]
        if _is_unknown(value):
            return
        likelihood = (
            self._of_state_code(name, value, finding, state_key[1])
            if state_key
            else self._of_value(name, value, finding)
        )
        if likelihood is not None:
            self.said.setdefault(i, []).append((f"{name} = {shown(value)}", likelihood))

    def _of_value(self, name: str, value: object, finding: Finding) -> _Likelihood | None:
        if isinstance(value, str):
            return self._of_text(name, value, finding)
        if isinstance(value, Mapping):
            return self._of_mapping(name, value, finding)
        if _is_bool(value):
            if finding.is_boolean:
                return _only(finding, int(bool(value)))
            self._fault(name, f"{bool(value)} could mean several states", _legal(finding))
        elif hasattr(value, "__float__"):
            return self._of_number(name, value, finding)
        else:
            self._fault(name, f"a {type(value).__name__} is no value: {shown(value)}", _legal(finding))
        return None

    def _of_text(self, name: str, value: str, finding: Finding) -> _Likelihood | None:
        word = value.strip().lower()
        if word in finding.states:
            return _only(finding, finding.states.index(word))
        hint = nearest(value, finding.states)
        self._fault(name, f"no state {shown(value)}", hint if hint.startswith("did") else _legal(finding))
        return None

    def _of_number(self, name: str, value: object, finding: Finding) -> _Likelihood | None:
        if not finding.cut_points:
            self._fault(name, f"takes no number: {shown(value)}", _legal(finding))
            return None
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            number = math.inf
        if math.isnan(number):
            return _unknown(finding)
        last = finding.cut_points[-1]
        for state, low, high in finding.cut_points:
            if low <= number < high or (number == high == last[2]):
                return _only(finding, finding.states.index(state))
        low, high = finding.cut_points[0][1], last[2]
        self._fault(
            name,
            f"{shown(value)} is out of range",
            f"give {finding.unit} from {low:g} to {high:g}, or one of: {', '.join(finding.states)}",
        )
        return None

    def _of_mapping(self, name: str, value: Mapping[object, object], finding: Finding) -> _Likelihood | None:
        likelihood = dict.fromkeys(finding.states, 0.0)
        before = len(self.faults)
        for state, weight in value.items():
            if not isinstance(state, str) or state not in likelihood:
                self._fault(f"{name}.{shown(state)}", "no such state", nearest(state, finding.states))
            elif _is_bool(weight) or not hasattr(weight, "__float__"):
                self._fault(f"{name}.{state}", f"likelihood {shown(weight)} is no number", "give a number, 0 or more")
            else:
                likelihood[state] = number = _as_float(weight)
                if not (math.isfinite(number) and number >= 0):
                    self._fault(f"{name}.{state}", f"likelihood {shown(weight)} is not legal", "give 0 or more, finite")
        missing = [s for s in finding.states if s not in value]
        if missing and len(self.faults) == before:
            self._fault(
                name, f"no likelihood for {', '.join(missing)}", "give a number for every state, 0 if ruled out"
            )
        elif len(self.faults) == before and not any(likelihood.values()):
            self._fault(name, "every likelihood is 0", "let one state at least be possible, or leave the finding out")
        if len(self.faults) > before:
            return None
        top = max(likelihood.values())
        return tuple(max(v / top, _TINY) if v else 0.0 for v in likelihood.values())

    def _of_state_code(self, name: str, value: object, finding: Finding, state: int) -> _Likelihood | None:
        yes = {"present": True, "absent": False}.get(value.strip().lower()) if isinstance(value, str) else value
        if _is_bool(yes):
            return tuple(float((s == state) == bool(yes)) for s in range(len(finding.states)))
        self._fault(
            name,
            f"{shown(value)} is not clear: the code means {finding.id} = {finding.states[state]}",
            f"give True or False, or use {finding.id} with one of: {', '.join(finding.states)}",
        )
        return None

    def _combined(self, i: int) -> _Likelihood:
        """Join what was said of one finding under several names; what disagrees is a fault."""
        said = self.said[i]
        likelihood = said[0][1]
        if all(other == likelihood for _, other in said):
            return likelihood
        finding = self.vocabulary.findings[i]
        listing = " and ".join(text for text, _ in said)
        if any(v not in (0.0, 1.0) for _, one in said for v in one):
            self._fault(finding.id, f"is given more than once: {listing}", "give it once")
            return _unknown(finding)
        joined = tuple(min(values) for values in zip(*(one for _, one in said), strict=True))
        if not any(joined):
            self._fault(finding.id, f"contradiction: {listing}", "keep the one that is right")
            return _unknown(finding)
        return joined

    def _fault(self, where: str, problem: str, fix: str) -> None:
        self.faults.append(Fault(where=where if len(where) <= 80 else where[:77] + "...", problem=problem, fix=fix))


def _only(finding: Finding, state: int) -> _Likelihood:
    return tuple(float(s == state) for s in range(len(finding.states)))


def _unknown(finding: Finding) -> _Likelihood:
    return (1.0,) * len(finding.states)


def _is_unknown(value: object) -> bool:
    """None, NaN of any float type, and the missing values of pandas, which are equal to nothing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return False


def _is_bool(value: object) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


def _as_float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _legal(finding: Finding) -> str:
    words = f"use one of: {', '.join(finding.states)}"
    if finding.cut_points:
        words += f", or a number in {finding.unit}"
    return words
