"""Reads typed fields out of parsed mappings and collects every fault on the way. Internal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from legdx.errors import Fault, nearest, shown

__all__ = ["Faults", "Row", "Table", "read_row"]

T = TypeVar("T")
ROW_KEYS = ("p", "strength", "counts", "source", "note")
TOLERANCE = 1e-9


@dataclass(slots=True)
class Faults:
    """The faults found so far, in order."""

    found: list[Fault] = field(default_factory=list)

    def add(self, where: str, problem: str, fix: str) -> None:
        self.found.append(Fault(where=where, problem=problem, fix=fix))


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A probability for each state, with what it rests on.

    The strength is an equivalent sample size: the number of patients that the row is worth.
    """

    p: tuple[float, ...]
    strength: float
    sources: tuple[str, ...]
    counts: tuple[int, int] | None = None
    note: str = ""


class Table:
    """A TOML table under reading: each key is taken once, and what is left over is a fault."""

    __slots__ = ("_data", "_faults", "_left", "where")

    def __init__(self, data: object, where: str, faults: Faults) -> None:
        self._faults = faults
        self.where = where
        if not isinstance(data, Mapping):
            faults.add(where, f"is {_kind(data)}, not a table", "write it as a TOML table")
            data = {}
        self._data: Mapping[str, Any] = data
        self._left = dict.fromkeys(data)

    def path(self, key: str) -> str:
        return f"{self.where}.{key}" if not self.where.endswith(":") else f"{self.where} {key}"

    def fault(self, key: str, problem: str, fix: str) -> None:
        self._faults.add(self.path(key), problem, fix)

    def raw(self, key: str, default: Any = None) -> Any:
        self._left.pop(key, None)
        return self._data.get(key, default)

    def keys(self) -> list[str]:
        return list(self._data)

    def has(self, key: str) -> bool:
        return key in self._data

    def _take(self, key: str, default: T | None, accept: Callable[[Any], bool], kind: str, empty: T) -> T:
        if key not in self._data:
            if default is not None:
                return default
            self.fault(key, "is missing", f"add it: {kind}")
            return empty
        value = self.raw(key)
        if accept(value):
            return value  # type: ignore[no-any-return]
        self.fault(key, f"is {_kind(value)}: {shown(value)}", f"write {kind}")
        return empty

    def text(self, key: str, default: str | None = None) -> str:
        return self._take(
            key, default, lambda v: isinstance(v, str) and bool(v.strip()), "a text in quotes that is not empty", ""
        )

    def flag(self, key: str, default: bool | None = None) -> bool:
        return self._take(key, default, lambda v: isinstance(v, bool), "true or false", False)

    def whole(self, key: str, default: int | None = None) -> int:
        return self._take(key, default, lambda v: type(v) is int and v >= 0, "a whole number, 0 or more", 0)

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        wanted = f"a number from {low:g} to {high:g}"
        return float(self._take(key, default, lambda v: _is_number(v) and low <= v <= high, wanted, low))

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        def accept(value: Any) -> bool:
            return isinstance(value, list | tuple) and all(isinstance(v, str) and v.strip() for v in value)

        return tuple(self._take(key, default, accept, 'a list of texts, such as ["one", "two"]', ()))

    def choice(self, key: str, options: Iterable[str]) -> str:
        legal = tuple(options)
        value = self.text(key)
        if value and value not in legal:
            self.fault(key, f"no {shown(value)} here", nearest(value, legal))
        return value if value in legal else legal[0]

    def table(self, key: str, required: bool = False) -> Table:
        if required and key not in self._data:
            self.fault(key, "is missing", "add this table")
        return Table(self.raw(key, {}), self.path(key), self._faults)

    def close(self, legal: Iterable[str]) -> None:
        """Report each key that nothing has taken."""
        known = tuple(legal)
        for key in self._left:
            if key not in known:
                self.fault(key, "is an unknown key", nearest(key, known))


def read_row(table: Table, key: str, states: tuple[str, ...]) -> Row:
    """Read one distribution over the states and report what is wrong with it."""
    inner = table.table(key, required=True)
    p = _read_p(inner, states)
    strength = inner.number("strength", 1e-6, 1e9)
    sources = inner.texts("source")
    if inner.has("source") and not sources:
        inner.fault("source", "names no source", 'name one, or the honest "expert_estimate"')
    row = Row(p=p, strength=strength, sources=sources, counts=_read_counts(inner), note=inner.text("note", ""))
    inner.close(ROW_KEYS)
    return row


def _read_p(inner: Table, states: tuple[str, ...]) -> tuple[float, ...]:
    given = inner.table("p", required=True)
    for name in given.keys():
        if name not in states:
            given.raw(name)
            given.fault(name, "no such state", nearest(name, states))
    left_out = [s for s in states if not given.has(s)]
    values = {s: given.number(s, 0.0, 1.0) for s in states if given.has(s)}
    total = math.fsum(values.values())
    if len(left_out) == 1 and total <= 1 + TOLERANCE:
        values[left_out[0]] = max(0.0, 1.0 - total)
    elif abs(total - 1.0) > TOLERANCE:
        silent = f" and says nothing of {', '.join(left_out)}" if left_out else ""
        inner.fault("p", f"sums to {total:.12g}, not to 1{silent}", f"change its values by {1 - total:+.12g} in all")
    return tuple(values.get(s, 0.0) for s in states)


def _read_counts(inner: Table) -> tuple[int, int] | None:
    value = inner.raw("counts")
    if value is None:
        return None
    whole = isinstance(value, list | tuple) and len(value) == 2 and all(type(v) is int for v in value)
    if whole and 0 <= value[0] <= value[1] and value[1] > 0:
        return (value[0], value[1])
    inner.fault("counts", f"is {shown(value)}", "write [numerator, denominator], the first not over the second")
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _kind(value: object) -> str:
    names = {dict: "a table", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), f"a {type(value).__name__}")
