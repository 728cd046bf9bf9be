"""What can be said of a person: findings, their states, and every name that they go by.

Standard library only, since the red-flag path reads it. Internal but for `Finding`, which `model.findings` holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from legdx.errors import nearest
from legdx.model.fields import Faults, Row, Table, read_row

__all__ = ["BOOLEAN_STATES", "KINDS", "Finding", "Vocabulary", "read_vocabulary"]

KINDS = ("context", "symptom", "sign", "test")
BOOLEAN_STATES = (("absent", "present"), ("negative", "positive"))
FINDING_KEYS = (
    "label", "definition", "question", "kind", "cost", "states", "parent", "codes", "state_codes",
    "aliases", "unit", "cut_points", "cut_points_note", "background",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that can be known of a person.

    >>> import legdx
    >>> legdx.load_model().findings["reflexes"].states
    ('normal', 'reduced_or_absent', 'brisk')
    """

    id: str
    label: str
    definition: str
    question: str
    kind: str
    cost: int
    states: tuple[str, ...]
    parent: str
    codes: tuple[str, ...]
    state_codes: tuple[tuple[str, tuple[str, ...]], ...]
    aliases: tuple[str, ...]
    unit: str
    cut_points: tuple[tuple[str, float, float], ...]
    background: Row

    @property
    def is_boolean(self) -> bool:
        """Whether ``True`` and ``False`` may be given."""
        return self.states in BOOLEAN_STATES


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All findings in order; each state of each finding is one row, numbered through.

    ``rows[key][value]`` is the row of a state, for every key and every value that means it exactly.
    """

    findings: tuple[Finding, ...]
    start: tuple[int, ...] = field(init=False)
    finding_of_row: tuple[int, ...] = field(init=False)
    index: Mapping[str, int] = field(init=False)
    rows: Mapping[str, Mapping[Any, int]] = field(init=False)
    state_keys: Mapping[str, tuple[int, int]] = field(init=False)
    folded: Mapping[str, int] = field(init=False)
    n_rows: int = field(init=False)

    def __post_init__(self) -> None:
        start: list[int] = []
        owner: list[int] = []
        rows: dict[str, dict[Any, int]] = {}
        state_keys: dict[str, tuple[int, int]] = {}
        for i, finding in enumerate(self.findings):
            first = len(owner)
            start.append(first)
            owner += [i] * len(finding.states)
            values: dict[Any, int] = {state: first + s for s, state in enumerate(finding.states)}
            if finding.is_boolean:
                values[False], values[True] = first, first + 1
            for key in (finding.id, *finding.aliases, *finding.codes):
                rows[key] = values
            for state, codes in finding.state_codes:
                for code in codes:
                    state_keys[code] = (i, finding.states.index(state))
        put = object.__setattr__
        put(self, "start", tuple(start))
        put(self, "finding_of_row", tuple(owner))
        put(self, "index", {f.id: i for i, f in enumerate(self.findings)})
        put(self, "rows", rows)
        put(self, "state_keys", state_keys)
        put(self, "folded", {key.casefold(): owner[next(iter(values.values()))] for key, values in rows.items()})
        put(self, "n_rows", len(owner))

    def row_name(self, row: int) -> tuple[str, str]:
        """The finding's id and the state's name of a row."""
        i = self.finding_of_row[row]
        return self.findings[i].id, self.findings[i].states[row - self.start[i]]

    def find(self, key: str) -> int | None:
        """The index of the finding that an id, alias or code means, whatever its case; None if there is none."""
        return self.folded.get(key.strip().casefold())


def read_vocabulary(document: object, faults: Faults, file: str = "findings.toml") -> Vocabulary:
    """Read `findings.toml`, already parsed, and report what is wrong with it."""
    root = Table(document, f"{file}:", faults)
    findings = tuple(_read_finding(id, root.table(id)) for id in root.keys())
    if not findings:
        faults.add(file, "has no finding", "add a table for each finding")
    _check_names(findings, faults, file)
    return Vocabulary(findings)


def _read_finding(id: str, table: Table) -> Finding:
    states = table.texts("states")
    if len(states) < 2 or len(set(states)) != len(states):
        table.fault("states", f"are {list(states)}", "give two or more, each once")
        states = ("absent", "present")
    codes = table.texts("codes", ())
    if codes and states not in BOOLEAN_STATES:
        table.fault("codes", "mean the whole finding, which has no plain yes or no", "use state_codes")
    finding = Finding(
        id=id,
        label=table.text("label"),
        definition=table.text("definition", ""),
        question=table.text("question"),
        kind=table.choice("kind", KINDS),
        cost=table.whole("cost"),
        states=states,
        parent=table.text("parent"),
        codes=codes if states in BOOLEAN_STATES else (),
        state_codes=_read_state_codes(table.table("state_codes"), states),
        aliases=table.texts("aliases", ()),
        unit=table.text("unit", ""),
        cut_points=_read_cut_points(table, states),
        background=read_row(table, "background", states),
    )
    table.raw("cut_points_note")
    table.close(FINDING_KEYS)
    return finding


def _read_state_codes(table: Table, states: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    for name in table.keys():
        if name not in states:
            table.raw(name)
            table.fault(name, "no such state", nearest(name, states))
    return tuple((s, table.texts(s)) for s in states if table.has(s))


def _read_cut_points(table: Table, states: tuple[str, ...]) -> tuple[tuple[str, float, float], ...]:
    raw = table.raw("cut_points")
    if raw is None:
        return ()
    if not table.has("unit"):
        table.fault("unit", "is missing beside cut_points", "say in what unit the number is given")
    try:
        parts = sorted((float(low), float(high), state) for state, (low, high) in raw.items())
    except (AttributeError, TypeError, ValueError):
        table.fault("cut_points", "are not intervals", "write { low = [1.0, 3.5], normal = [3.5, 5.1] }")
        return ()
    if {state for _, _, state in parts} != set(states):
        table.fault("cut_points", "do not cover each state once", f"give an interval for: {', '.join(states)}")
    gaps = any(a[1] != b[0] for a, b in pairwise(parts))
    if gaps or any(low >= high for low, high, _ in parts):
        table.fault("cut_points", "overlap, leave a gap or are empty", "let each interval begin where the last ends")
    return tuple((state, low, high) for low, high, state in parts)


def _check_names(findings: tuple[Finding, ...], faults: Faults, file: str) -> None:
    owner: dict[str, str] = {f.id: f.id for f in findings}
    for finding in findings:
        coded = [code for _, codes in finding.state_codes for code in codes]
        for name in (*finding.aliases, *finding.codes, *coded):
            if name in owner:
                faults.add(
                    f"{file}: {finding.id}",
                    f"the name {name!r} already means {owner[name]}",
                    "give each alias and code to one finding, once",
                )
            owner.setdefault(name, finding.id)
