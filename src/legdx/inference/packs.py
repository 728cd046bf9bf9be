"""Joint-state tables for many cases: what several findings say together, looked up in one row. NumPy only. Internal.

A pack is a set of findings, whole mechanisms among them, whose joint states (unknown counted as one more state of each)
are numbered in mixed radix. Its table holds, for each number, the likelihood of every cause, mechanisms already summed
out. A case is then a product of one row a pack, with no logarithm or exponential taken for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from legdx.inference.tables import Array, Tables

__all__ = ["SLACK", "Lookup", "Packs", "Single", "pack_tables", "single_tables"]

# Joint states that a mechanism may have to be tabled whole: seven findings of two states (3**7).
PACK_ROWS = 3**7
# Joint states up to which findings and small mechanisms share a pack: five findings of two states. With the shipped
# network that makes 36 packs of 6 MB together; larger packs save few rows a case and no longer stay in cache.
_SHARED_ROWS = 3**5

# Numbers behind a table, at least as many as the compiled kernel reads at once (a test holds it).
SLACK = 64
# Differences of log likelihood below this stay clear of underflow in exp().
_SAFE_RANGE = 600.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lookup:
    """Some packs, one under the other: a pack's row is its base, plus weight times (state + 1) for each finding."""

    weight: npt.NDArray[np.int32]  # (F,): place value of each finding in its pack; 0 where it is in none of these
    pack_of: npt.NDArray[np.int32]  # (F,)
    base: npt.NDArray[np.int32]  # (packs,): the row in which nothing is known
    table: npt.NDArray[Any]  # (rows, columns): likelihood, the largest of a row being 1
    peak: Array  # (rows,): logarithm of what each row was divided by


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Packs:
    """All packs of a network, at one precision.

    A mechanism with too many joint states for one pack is wide: it has packs of its own, over its states, which are
    summed out case by case.
    """

    n_states: npt.NDArray[np.int64]  # (F,)
    prior: npt.NDArray[Any]  # (settings, C)
    causes: Lookup  # tables over C columns
    states: Lookup  # tables over the states of wide mechanisms, filled up with zeros
    first: npt.NDArray[np.int32]  # (wide + 1,): first pack of each wide mechanism in `states`
    mechanism: npt.NDArray[Any]  # (wide, states, C): P(state | cause)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Item:
    """What goes into a pack as a whole: some findings, and the logarithm of their joint table (codes, columns)."""

    weights: dict[int, int]
    table: Array


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Single:
    """The tables for one case: findings of the cause each by itself, each mechanism whole.

    ``place[r]`` is, for row r of the vocabulary, the base of its pack and the step from there; a finding of a wide
    mechanism has base -1.
    """

    place: tuple[tuple[int, int], ...]
    table: Array  # (rows, C): likelihood of the causes, the largest of a row being 1
    peak: Array  # (rows,): logarithm of what each row was divided by


@lru_cache(maxsize=8)
def pack_tables(tables: Tables, dtype: str = "float64", rows: int = PACK_ROWS) -> Packs:
    """Compute the packs of a compiled network; the last few are kept."""
    n_causes, n_findings = len(tables.causes), len(tables.start)
    items, wide = _items(tables, rows)
    shared = min(rows, _SHARED_ROWS)
    packed = [(states, _packed(singles, shared)) for states, singles in wide]
    width = max((states.stop - states.start for states, _ in wide), default=0)
    mechanism = np.zeros((len(wide), width, n_causes), dtype)
    # The kernels look up at least one row a case: if every finding belongs to a wide mechanism, one that says nothing.
    narrow = _packed(items, shared) or [_Item(weights={}, table=np.zeros((1, n_causes)))]
    for k, (states, _) in enumerate(wide):
        mechanism[k, : states.stop - states.start] = tables.mechanism[states]
    return Packs(
        n_states=np.diff([*tables.start, len(tables.likelihood)]),
        prior=tables.prior.astype(dtype),
        causes=_stacked(narrow, n_findings, n_causes, dtype),
        states=_stacked([pack for _, packs in packed for pack in packs], n_findings, width, dtype),
        first=np.cumsum([0, *(len(packs) for _, packs in packed)], dtype=np.int32),
        mechanism=mechanism,
    )


@lru_cache(maxsize=8)
def single_tables(tables: Tables) -> Single:
    """Compute the tables for one case; the last few are kept."""
    items, _ = _items(tables, PACK_ROWS)
    lookup = _stacked(items, len(tables.start), len(tables.causes), "float64")
    place: list[tuple[int, int]] = []
    for i, (start, stop) in enumerate(pairwise([*tables.start, len(tables.likelihood)])):
        weight = int(lookup.weight[i])
        base = int(lookup.base[lookup.pack_of[i]]) if weight else -1
        place += [(base, weight * (state + 1)) for state in range(stop - start)]
    return Single(place=tuple(place), table=lookup.table, peak=lookup.peak)


def _items(tables: Tables, rows: int) -> tuple[list[_Item], list[tuple[slice, list[_Item]]]]:
    """The findings of the cause and the mechanisms as items over causes; for each wide mechanism, its findings."""
    n_causes = len(tables.causes)
    children: dict[tuple[int, int], list[_Item]] = {}
    ends = (*tables.start[1:], len(tables.likelihood))
    for i, (start, stop, columns) in enumerate(zip(tables.start, ends, tables.columns, strict=True)):
        known = tables.log_likelihood[start:stop, columns]
        item = _Item(weights={i: 1}, table=np.concatenate([np.zeros((1, known.shape[1])), known]))
        children.setdefault((columns.start - n_causes, columns.stop - n_causes), []).append(item)
    items = children.pop((-n_causes, 0), [])
    wide = []
    for (first, last), singles in children.items():
        states = slice(first, last)
        if np.prod([len(one.table) for one in singles], dtype=float) <= rows:
            items.append(_summed_out(_joined(singles), tables.log_mechanism[states]))
        else:
            wide.append((states, singles))
    return items, wide


def _joined(items: list[_Item]) -> _Item:
    """Several items as one; the number of the last runs fastest."""
    weights, table = dict(items[0].weights), items[0].table
    for item in items[1:]:
        n = len(item.table)
        weights = {i: w * n for i, w in weights.items()} | item.weights
        table = (table[:, None, :] + item.table).reshape(-1, table.shape[1])
    return _Item(weights=weights, table=table)


def _summed_out(item: _Item, log_mechanism: Array) -> _Item:
    """From the log likelihood of mechanism states to that of causes."""
    peak = item.table.max(axis=1, keepdims=True)
    peak[~np.isfinite(peak)] = 0.0
    scaled = item.table - peak
    if scaled.min(where=np.isfinite(scaled), initial=0.0) < -_SAFE_RANGE:
        table = np.logaddexp.reduce(item.table[:, :, None] + log_mechanism, axis=1)
        return _Item(weights=item.weights, table=_silent(table))
    # State by state, not as a matrix product: causes that are alike then get the same bits.
    likelihood, mechanism = np.exp(scaled), np.exp(log_mechanism)
    total = np.zeros((len(likelihood), mechanism.shape[1]))
    for s in range(len(mechanism)):
        total += likelihood[:, s, None] * mechanism[s]
    with np.errstate(divide="ignore"):
        return _Item(weights=item.weights, table=_silent(np.log(total) + peak))


def _silent(table: Array) -> Array:
    """Where nothing is known, nothing is said: not even by rounding, so that passing over a pack changes no bit."""
    table[0] = 0.0
    return table


def _packed(items: list[_Item], rows: int) -> list[_Item]:
    """Fill packs of at most so many rows: the largest item first, each into the first pack that has room.

    An item with more rows has a pack for itself.
    """
    packs: list[list[_Item]] = []
    room: list[int] = []
    for item in sorted(items, key=lambda item: -len(item.table)):
        n = len(item.table)
        k = next((k for k, left in enumerate(room) if n <= left), None)
        if k is None:
            packs.append([item])
            room.append(rows // n)
        else:
            packs[k].append(item)
            room[k] //= n
    return [_joined(pack) for pack in packs]


def _stacked(packs: list[_Item], n_findings: int, width: int, dtype: str) -> Lookup:
    """All packs one under the other, each row divided by its largest entry."""
    weight, pack_of = np.zeros(n_findings, np.int32), np.zeros(n_findings, np.int32)
    base = np.cumsum([0, *(len(pack.table) for pack in packs)], dtype=np.int32)
    table, peak = _readable_beyond(base[-1], width, dtype), np.zeros(base[-1])
    for k, pack in enumerate(packs):
        for i, w in pack.weights.items():
            weight[i], pack_of[i] = w, k
        rows = slice(base[k], base[k + 1])
        highest = pack.table.max(axis=1)
        peak[rows] = np.where(np.isfinite(highest), highest, 0.0)
        table[rows, : pack.table.shape[1]] = np.exp(pack.table - peak[rows, None])
    return Lookup(weight=weight, pack_of=pack_of, base=base[:-1], table=table, peak=peak)


def _readable_beyond(rows: int, columns: int, dtype: str) -> npt.NDArray[Any]:
    """Zeros (rows, columns), with memory behind the last row: the compiled kernel reads whole tiles of columns."""
    return np.zeros(rows * columns + SLACK, dtype)[: rows * columns].reshape(rows, columns)
