"""From the columns of a table to state numbers: a cell means what it means in a single case. Internal.

Cells are sorted into classes of equal meaning (distinct values; of numbers, the intervals between cut points), and each
class is read once by `parse_evidence`. What is wrong is found again cell by cell, so that each fault tells its value.
NumPy only; `cells` knows pandas and Arrow.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from legdx.cohort.cells import Cells, Indices
from legdx.errors import EvidenceError, Fault, nearest, shown
from legdx.evidence import Evidence, parse_evidence
from legdx.inference.batch_log import Virtual
from legdx.model.vocabulary import Finding, Vocabulary

__all__ = ["CellFault", "Coded", "Plan", "encode", "plan_columns"]

SETTING = "setting"
_STRIP = 1024

Columns = Sequence[Hashable] | Mapping[Any, str | None] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CellFault(Fault):
    """One thing that is wrong in one cell, or in the cells of one row that name the same finding.

    >>> CellFault(where="row 7, column 'fever'", problem="no state 'yes'", fix="use one of: absent, present",
    ...           row=7, columns=("fever",), values=("yes",)).row
    7
    """

    row: object
    columns: tuple[object, ...]
    values: tuple[object, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A column of the table and the name that it is read under; a code may mean one state, not the whole finding."""

    column: Hashable
    name: str
    finding: Finding | None  # None: no number can be read here


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Which columns are read, grouped by the finding that they tell of."""

    vocabulary: Vocabulary
    settings: tuple[str, ...]
    groups: tuple[tuple[int, tuple[Source, ...]], ...]
    setting: Hashable | None

    @property
    def columns(self) -> dict[Hashable, str]:
        """Every column that is read, with the name that it is read under."""
        read = {source.column: source.name for _, sources in self.groups for source in sources}
        return read if self.setting is None else read | {self.setting: SETTING}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Coded:
    """A table of cases in the numbering of a vocabulary; where a cell is at fault, its finding is left unknown."""

    vocabulary: Vocabulary
    columns: npt.NDArray[np.int8]  # (F, n), -1 unknown
    read: tuple[int, ...]  # the findings that the table tells of; all others are unknown in every row
    virtual: tuple[Virtual, ...]
    settings: Indices | None  # (n,), -1 not given
    faults: Mapping[int, list[CellFault]]  # by row

    def codes(self) -> npt.NDArray[np.int8]:
        """The same, a row at a time: (n, F)."""
        codes = np.full(self.columns.shape[::-1], -1, np.int8)
        # A strip at a time, so that what is read and what is written both stay in the cache.
        for first in range(0, len(codes), _STRIP):
            strip = slice(first, first + _STRIP)
            for i in self.read:
                codes[strip, i] = self.columns[i, strip]
        return codes

    def evidence(self, row: int) -> Evidence:
        """What one row says, as a single case."""
        codes = self.columns[:, row]
        rows = tuple(self.vocabulary.start[i] + int(codes[i]) for i in np.flatnonzero(codes >= 0))
        virtual = tuple(
            (one.finding, one.likelihoods[one.lines[k]])
            for one in self.virtual
            for k in np.flatnonzero(one.rows == row)
        )
        return Evidence(self.vocabulary, rows, virtual)


def plan_columns(
    vocabulary: Vocabulary,
    settings: tuple[str, ...],
    names: Sequence[Hashable],
    columns: Columns,
    keep: Iterable[Hashable] = (),
) -> Plan:
    """Decide what each column means; a column that means nothing is a fault, not left out.

    Args:
        vocabulary: the findings.
        settings: the ids of the settings.
        names: the columns that the table has.
        columns: those to read; or a mapping from column to finding, None for one not to read, the rest being read by
            their own names; None: all.
        keep: columns that are handed on, and so need no meaning.

    Raises:
        EvidenceError: a column is unknown, missing, or there twice; all faults are named.
    """
    faults = [_column_fault(name, "stands twice in the table", "rename or drop one") for name in _repeated(names)]
    asked = list(columns) if columns is not None else []
    missing = [name for name in dict.fromkeys([*asked, *keep]) if name not in names]
    faults += [_column_fault(name, "is not in the table", nearest(name, map(str, names))) for name in missing]
    sources = []
    for column, name in _meant(names, columns, keep):
        try:
            parse_evidence(vocabulary, {} if name == SETTING else {name: None})
        except EvidenceError as error:
            faults += [
                _column_fault(column, f.problem, f"{f.fix}; or say with columns what it is") for f in error.faults
            ]
        else:
            sources.append((column, name))
    for name in _repeated([name for _, name in sources]):
        both = ", ".join(shown(column) for column, other in sources if other == name)
        faults.append(Fault(where=f"columns {both}", problem=f"are all to be read as {name!r}", fix="choose one"))
    if faults:
        raise EvidenceError(faults)
    groups: dict[int, list[Source]] = {}
    for column, name in sources:
        if name != SETTING:
            i, finding = _named(vocabulary, name)
            groups.setdefault(i, []).append(Source(column=column, name=name, finding=finding))
    return Plan(
        vocabulary=vocabulary,
        settings=settings,
        groups=tuple((i, tuple(group)) for i, group in sorted(groups.items())),
        setting=next((column for column, name in sources if name == SETTING), None),
    )


def _repeated(names: Sequence[Hashable]) -> list[Hashable]:
    seen: set[Hashable] = set()
    return list(dict.fromkeys(name for name in names if name in seen or seen.add(name)))  # type: ignore[func-returns-value]


def _meant(names: Sequence[Hashable], columns: Columns, keep: Iterable[Hashable]) -> Iterator[tuple[Hashable, Any]]:
    mapped = columns if isinstance(columns, Mapping) else {}
    chosen = set(columns) if columns is not None else set()
    for name in dict.fromkeys(names):
        if name in mapped:
            if mapped[name] is not None:
                yield name, mapped[name]
        elif name in chosen or (name not in set(keep) and (columns is None or isinstance(columns, Mapping))):
            yield name, name


def _column_fault(column: object, problem: str, fix: str) -> Fault:
    return Fault(where=f"column {shown(column)}", problem=problem, fix=fix)


def _named(vocabulary: Vocabulary, name: str) -> tuple[int, Finding | None]:
    """The finding of a name that `parse_evidence` knows, and the finding again where a number may be given."""
    key = name.strip()
    of_state = vocabulary.state_keys.get(key) or vocabulary.state_keys.get(key.upper())
    if of_state:
        return of_state[0], None
    i = vocabulary.find(key)
    assert i is not None, name
    return i, vocabulary.findings[i]


def encode(
    plan: Plan, n: int, read: Callable[[Hashable, Finding | None], Cells], label: Callable[[int], object]
) -> Coded:
    """Read n rows of a table.

    Args:
        plan: what its columns mean.
        n: how many rows there are.
        read: gives a column, sorted by the cut points of the finding.
        label: gives the name by which a fault calls a row.
    """
    columns = np.full((len(plan.vocabulary.findings), n), -1, np.int8)
    virtual: list[Virtual] = []
    faults: dict[int, list[CellFault]] = {}
    for i, sources in plan.groups:
        group = _Group(plan.vocabulary, i, sources, [read(source.column, source.finding) for source in sources])
        columns[i], found = group.read()
        virtual += [found] if len(found.rows) else []
        for row in group.bad_rows():
            faults.setdefault(row, []).extend(group.faults(row, label(row)))
    settings = None
    if plan.setting is not None:
        settings = _settings(plan, read(plan.setting, None), faults, label)
    return Coded(
        vocabulary=plan.vocabulary,
        columns=columns,
        read=tuple(i for i, _ in plan.groups),
        virtual=tuple(virtual),
        settings=settings,
        faults=faults,
    )


class _Group:
    """The columns that tell of one finding, read together as one case would be."""

    def __init__(self, vocabulary: Vocabulary, finding: int, sources: Sequence[Source], cells: Sequence[Cells]) -> None:
        self.vocabulary, self.finding, self.sources, self.cells = vocabulary, finding, sources, cells
        self.joint, self.size = cells[0].classes, len(cells[0].samples)
        for one in cells[1:]:
            joint = self.joint * len(one.samples) + one.classes
            _, self.first, self.joint = np.unique(joint, return_index=True, return_inverse=True)
            self.size = len(self.first)
        self.bad = np.zeros(self.size, np.bool_)

    def read(self) -> tuple[npt.NDArray[np.int8], Virtual]:
        """The state of each row, -1 where it is unknown, at fault or known in part; and what is known in part."""
        states = np.full(self.size, -1, np.int8)
        line = np.full(self.size, -1, np.intp)
        likelihoods: list[tuple[float, ...]] = []
        for k in np.flatnonzero(np.bincount(self.joint, minlength=self.size)):
            try:
                evidence = parse_evidence(self.vocabulary, self._sample(int(k)))
            except EvidenceError:
                self.bad[k] = True
                continue
            for row in evidence.rows:
                states[k] = row - self.vocabulary.start[self.finding]
            for _, likelihood in evidence.virtual:
                line[k] = len(likelihoods)
                likelihoods.append(likelihood)
        lines = line[self.joint] if likelihoods else line[:0]
        rows = np.flatnonzero(lines >= 0)
        virtual = Virtual(finding=self.finding, rows=rows, lines=lines[rows], likelihoods=tuple(likelihoods))
        return states[self.joint], virtual

    def _sample(self, k: int) -> dict[str, object]:
        """A value of each column in the class."""
        classes = [k] if len(self.cells) == 1 else [int(one.classes[self.first[k]]) for one in self.cells]
        return {s.name: one.samples[c] for s, one, c in zip(self.sources, self.cells, classes, strict=True)}

    def bad_rows(self) -> list[int]:
        return [int(row) for row in np.flatnonzero(self.bad[self.joint])] if self.bad.any() else []

    def faults(self, row: int, label: object) -> Iterator[CellFault]:
        """What is wrong in a row, in the words of the single case: of each cell, then of the readable ones together."""
        given = [(s, one.value(row)) for s, one in zip(self.sources, self.cells, strict=True) if one.classes[row]]
        readable = []
        for one in given:
            wrong = list(self._wrong([one], label))
            yield from wrong
            readable += [] if wrong else [one]
        yield from self._wrong(readable, label)

    def _wrong(self, given: Sequence[tuple[Source, object]], label: object) -> Iterator[CellFault]:
        try:
            parse_evidence(self.vocabulary, {source.name: value for source, value in given})
        except EvidenceError as error:
            columns = tuple(source.column for source, _ in given)
            for fault in error.faults:
                # Inside a cell of virtual evidence: the state that is at fault.
                inside = fault.where.removeprefix(given[0][0].name) if len(given) == 1 else ""
                yield CellFault(
                    where=f"row {shown(label)}, column {', '.join(map(shown, columns))}{inside}",
                    problem=fault.problem,
                    fix=fault.fix,
                    row=label,
                    columns=columns,
                    values=tuple(value for _, value in given),
                )


def _settings(plan: Plan, cells: Cells, faults: dict[int, list[CellFault]], label: Callable[[int], object]) -> Indices:
    number = {setting: k for k, setting in enumerate(plan.settings)}
    meant = np.array([number.get(one, -1) if isinstance(one, str) else -1 for one in cells.samples], np.intp)
    given = np.array([one is not None for one in cells.samples])
    settings: Indices = meant[cells.classes]
    for row in np.flatnonzero((settings < 0) & given[cells.classes]):
        value = cells.value(int(row))
        faults.setdefault(int(row), []).append(
            CellFault(
                where=f"row {shown(label(int(row)))}, column {shown(plan.setting)}",
                problem=f"no setting {shown(value)}",
                fix=nearest(value, plan.settings),
                row=label(int(row)),
                columns=(plan.setting,),
                values=(value,),
            )
        )
    return settings
