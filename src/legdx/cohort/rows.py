"""Ranks one block of coded rows: posteriors, red flags, and what is wrong with which row. Internal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from legdx.cohort.columns import CellFault, Coded
from legdx.cohort.flags import fired_rules, urgency_of
from legdx.errors import EvidenceShapeError, Fault, ImpossibleEvidence, UnknownNameError, shown
from legdx.inference.batch import rank_codes
from legdx.inference.batch_log import rank_in_logarithms, rows_with_virtual
from legdx.inference.tables import Array
from legdx.loaded import Model
from legdx.ranking import rank_case
from legdx.redflags import URGENCIES

__all__ = [
    "BLOCK_ROWS",
    "MANY_ROWS",
    "Ranked",
    "Request",
    "error_text",
    "in_order",
    "rank_rows",
    "request",
]

# 82 probabilities in float64 for so many rows are 43 MB.
BLOCK_ROWS = 65_536
# From here on the joint-state tables of the batch kernel are worth computing.
MANY_ROWS = 16_384

_ERROR_WIDTH = 1000
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Request:
    """How a table is to be ranked, checked."""

    model: Model
    setting: int
    top: int | None
    mark: bool
    dtype: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ranked:
    """The answers for n rows."""

    causes: npt.NDArray[np.intp] | None  # (n, top), or None where all causes are given in order
    probability: npt.NDArray[Any]  # (n, top) or (n, C); NaN in rows at fault
    log_evidence: Array  # (n,)
    fired: npt.NDArray[np.bool_]  # (n, R)
    urgency: npt.NDArray[np.int8]  # (n,), number in URGENCIES; -1 where a cell at fault leaves it open
    faults: Mapping[int, list[CellFault]]  # by row


def request(model: Model, setting: str, top: int | None, on_error: str, dtype: str = "float64") -> Request:
    """Check the options that all doors share."""
    if on_error not in ("raise", "mark"):
        raise UnknownNameError("way to treat errors", on_error, ("raise", "mark"))
    if dtype not in ("float64", "float32"):
        raise UnknownNameError("type of probability", dtype, ("float64", "float32"))
    n = len(model.causes)
    if top is not None and (isinstance(top, bool) or not isinstance(top, int) or not 1 <= top <= n):
        raise EvidenceShapeError(
            [Fault(where="top", problem=f"is {shown(top)}", fix=f"give 1 to {n}, or None for all")]
        )
    return Request(model=model, setting=model.setting_index(setting), top=top, mark=on_error == "mark", dtype=dtype)


def rank_rows(
    job: Request,
    coded: Coded,
    label: Callable[[int], object],
    *,
    many: bool,
    out: npt.NDArray[Any] | None = None,
) -> Ranked:
    """Rank a block, one of `many` where the table is large; `out` takes the probabilities of all causes."""
    tables, rules = job.model.tables, job.model.rules
    codes = coded.codes()
    settings = np.full(len(codes), job.setting, np.intp)
    if coded.settings is not None:
        np.copyto(settings, coded.settings, where=coded.settings >= 0)
    probability = np.empty((len(codes), len(tables.causes)), job.dtype) if out is None else out
    if many:
        _, log_evidence = rank_codes(tables, codes, settings, dtype=job.dtype, threads=1, out=probability)
        rows = rows_with_virtual(coded.virtual)
    else:
        log_evidence, rows = np.empty(len(codes)), np.arange(len(codes))
    rank_in_logarithms(tables, codes, coded.virtual, settings, rows, probability, log_evidence)
    fired = fired_rules(rules, coded.columns.T)
    urgency = urgency_of(rules, fired)
    unread = sorted(coded.faults)
    # What fired stands, though the cell at fault might hold an exception; that nothing fired cannot be said without it.
    urgency[[row for row in unread if urgency[row] == len(URGENCIES) - 1]] = -1
    faults = dict(coded.faults)
    for row in np.flatnonzero(np.isneginf(log_evidence)).tolist():
        if row not in faults:
            faults[row] = [_impossible(job.model, coded, row, int(settings[row]), label(row))]
    log_evidence[unread] = np.nan
    causes = None
    if job.top is not None:
        causes, probability = _most_probable(probability, tables.causes, job.top)
    probability[sorted(faults)] = np.nan
    return Ranked(
        causes=causes, probability=probability, log_evidence=log_evidence, fired=fired, urgency=urgency, faults=faults
    )


def _impossible(model: Model, coded: Coded, row: int, setting: int, label: object) -> CellFault:
    try:
        rank_case(model, coded.evidence(row).named(), model.settings[setting])
    except ImpossibleEvidence as error:
        fault = error.faults[0]
        return CellFault(
            where=f"row {shown(label)}, {fault.where}",
            problem=fault.problem,
            fix=fault.fix,
            row=label,
            columns=tuple(error.findings),
            values=tuple(error.findings.values()),
        )
    raise AssertionError(f"row {label} is impossible in a table and possible alone")


def _most_probable(
    probability: npt.NDArray[Any], ids: tuple[str, ...], top: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[Any]]:
    """The first `top` causes of each row, ties by id; `probability` is used up."""
    by_id = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.intp)
    left = probability if (by_id[:-1] < by_id[1:]).all() else probability[:, by_id]
    rows = np.arange(len(left))
    causes = np.empty((len(left), top), np.intp)
    highest = np.empty((len(left), top), left.dtype)
    for k in range(top):
        # argmax takes the first of equal values, which is the first by id.
        found = left.argmax(axis=1)
        causes[:, k], highest[:, k] = by_id[found], left[rows, found]
        left[rows, found] = -1.0
    return causes, highest


def error_text(faults: Iterable[CellFault]) -> str:
    """All that is wrong with one row, as one line of bounded length."""
    text = " | ".join(f"{', '.join(map(str, f.columns))}: {f.problem}; {f.fix}" for f in faults)
    return text if len(text) <= _ERROR_WIDTH else text[: _ERROR_WIDTH - 3] + "..."


def in_order(work: Callable[[T], U], items: Iterable[T], threads: int) -> Iterator[U]:
    """Do the work for each item in several threads; results come in the order of the items, few waiting at a time."""
    if threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[U]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
