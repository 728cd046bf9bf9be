"""Exact inference for many cases at once: a matrix of state numbers to a matrix of posteriors. NumPy only.

Each case is a product of rows of the joint-state tables of `packs`, divided by its sum. All factors are at most 1, so
what underflow takes from a product is below 1e-300; where the sum of a case is small enough for that to matter, or
zero, the case is computed again in logarithms by the engine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from legdx.errors import EvidenceError, EvidenceShapeError, Fault, MissingExtraError, UnknownNameError
from legdx.inference.engine import SAFE_SUM, posterior_of
from legdx.inference.packs import Lookup, Packs, pack_tables
from legdx.inference.tables import Array, Tables

__all__ = ["processors", "rank_codes"]

# Cases a block: enough that the time of a NumPy call does not count. Cases a task: what a thread takes at a time.
_BLOCK = 4096
_TASK = 8 * _BLOCK
_FLOOR = {"float64": SAFE_SUM, "float32": 1e-28}
_LOG_BLOCK = 256
# Lines a matrix product: few enough that BLAS does not start threads of its own under ours.
_SMALL = 32


def rank_codes(
    tables: Tables,
    codes: npt.NDArray[np.integer[Any]],
    setting: int | npt.NDArray[np.integer[Any]],
    *,
    dtype: npt.DTypeLike = np.float64,
    threads: int | None = None,
    out: npt.NDArray[Any] | None = None,
    kernel: str = "auto",
) -> tuple[npt.NDArray[Any], Array]:
    """The posteriors of many cases.

    >>> import legdx, numpy as np
    >>> model = legdx.load_model()
    >>> codes = np.full((2, len(model.findings)), -1)
    >>> codes[1, model.vocabulary.index["saddle_numbness"]] = 1
    >>> probability, log_evidence = rank_codes(model.tables, codes, model.setting_index("emergency"))
    >>> probability.shape, model.causes.keys()[probability[1].argmax()]
    ((2, 82), 'cauda_equina_syndrome')

    Args:
        tables: the compiled network, C causes and F findings.
        codes: (cases, F) integers: the number of the state of each finding, in the order of the vocabulary; -1 unknown.
        setting: the number of the setting, one for all cases or (cases,).
        dtype: ``float64``, equal to the single case to 1e-12, or ``float32``, to about 1e-6.
        threads: how many to use; None: one for each processor that this process may use.
        out: (cases, C) of that dtype, to write the probabilities to; None: a new array.
        kernel: ``"numpy"``, ``"numba"`` (compiled, from the extra ``legdx[fast]``), or ``"auto"``: numba where it is
            installed. Both read the same tables and agree to 1e-12.

    Returns:
        P(cause | findings) as (cases, C), and the natural logarithm of P(findings | setting) as (cases,) in float64.
        A case that the network gives probability zero has NaN probabilities and minus infinity.

    Raises:
        EvidenceShapeError: `codes`, `setting` or `out` has the wrong shape or type.
        EvidenceError: a state or setting number is out of range.
        MissingExtraError: the compiled kernel is asked for and numba is not installed.

    Source:
        Pearl, Probabilistic Reasoning in Intelligent Systems, 1988, section 4.2.
    """
    name = np.dtype(dtype).name
    codes = np.asarray(codes)
    settings = np.broadcast_to(np.asarray(setting), (len(codes),))
    _check(tables, codes, settings, name, out)
    probability = np.empty((len(codes), len(tables.causes)), name) if out is None else out
    job = _Job(
        tables=tables,
        packs=pack_tables(tables, name),
        codes=codes,
        settings=settings,
        probability=probability,
        log_evidence=np.empty(len(codes)),
    )
    # The compiled kernel reads codes as int8.
    compiled = _is_compiled(kernel) and job.packs.n_states.max() <= np.iinfo(np.int8).max
    _in_parallel(job.run_numba if compiled else job.run_numpy, len(codes), threads or processors())
    return probability, job.log_evidence


def _is_compiled(kernel: str) -> bool:
    if kernel not in ("auto", "numpy", "numba"):
        raise UnknownNameError("kernel", kernel, ("auto", "numpy", "numba"))
    installed = kernel != "numpy" and find_spec("numba") is not None
    if kernel == "numba" and not installed:
        raise MissingExtraError("numba", "fast")
    return installed


def processors() -> int:
    """How many processors this process may use, where the system says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(
    tables: Tables, codes: npt.NDArray[Any], settings: npt.NDArray[Any], dtype: str, out: npt.NDArray[Any] | None
) -> None:
    n_findings, n_causes, n_settings = len(tables.start), len(tables.causes), len(tables.settings)
    faults = []
    if codes.ndim != 2 or codes.shape[1] != n_findings or codes.dtype.kind != "i":
        faults.append(("codes", codes, f"give signed integers, one line a case, {n_findings} columns"))
    if settings.dtype.kind not in "iu":
        faults.append(("setting", settings, "give the number of a setting, one for all cases or one a case"))
    if dtype not in _FLOOR:
        faults.append(("dtype", np.empty(0, dtype), "use float64 or float32"))
    elif out is not None and (out.shape != (len(codes), n_causes) or out.dtype.name != dtype):
        faults.append(("out", out, f"give {dtype} of shape {(len(codes), n_causes)}"))
    if faults:
        raise EvidenceShapeError(
            [Fault(where=w, problem=f"is {array.dtype} of shape {array.shape}", fix=fix) for w, array, fix in faults]
        )
    wrong = (settings < 0) | (settings >= n_settings)
    if wrong.any():
        n = int(settings[wrong.argmax()])
        fix = f"use a number from 0 to {n_settings - 1}: {', '.join(tables.settings)}"
        raise EvidenceError([Fault(where="setting", problem=f"no setting {n}", fix=fix)])


def _in_parallel(run: Callable[[int, int], None], n: int, threads: int) -> None:
    # As many tasks for each thread, of equal length.
    tasks_each = max(1, -(-n // (threads * _TASK)))
    step = max(_BLOCK, -(-n // (threads * tasks_each)))
    tasks = [(first, min(first + step, n)) for first in range(0, n, step)]
    if threads == 1 or len(tasks) < 2:
        for first, last in tasks:
            run(first, last)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(run, first, last) for first, last in tasks]:
            done.result()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Job:
    """One call's arrays; its methods compute a range of lines and may run in several threads on distinct ranges."""

    tables: Tables
    packs: Packs
    codes: npt.NDArray[Any]
    settings: npt.NDArray[Any]
    probability: npt.NDArray[Any]
    log_evidence: Array

    def run_numba(self, first: int, last: int) -> None:
        """Compute the lines from `first` up to `last` with the compiled kernel."""
        from legdx.inference.batch_numba import multiply_rows

        packs, lines = self.packs, slice(first, last)
        codes = self.codes[lines]
        if codes.dtype != np.int8:
            codes = np.clip(codes, -2, 127).astype(np.int8)
        sums, shift = np.empty(len(codes), packs.prior.dtype), np.empty(len(codes))
        wrong = multiply_rows(
            np.ascontiguousarray(codes),
            np.ascontiguousarray(self.settings[lines], dtype=np.int64),
            packs.n_states,
            packs.prior,
            _arrays(packs.causes),
            _arrays(packs.states),
            packs.first,
            packs.mechanism,
            self.probability[lines],
            sums,
            shift,
        )
        if wrong >= 0:
            self._check_range(slice(first + wrong, first + wrong + 1))
        self._finish(lines, sums, shift)

    def run_numpy(self, first: int, last: int) -> None:
        """Compute the lines from `first` up to `last` with NumPy."""
        packs = self.packs
        width = min(_BLOCK, last - first)
        factor = np.empty((width, self.probability.shape[1]), packs.prior.dtype)
        digits = np.zeros((self.codes.shape[1] + 1, width), np.int16)
        causes, states = _Places(packs.causes, width), _Places(packs.states, width)
        for low in range(first, last, _BLOCK):
            n = min(_BLOCK, last - low)
            lines = slice(low, low + n)
            self._check_range(lines)
            np.add(self.codes[lines].T, 1, out=digits[:-1, :n], casting="same_kind")
            rows = _known_rows(packs.causes, causes.of(digits)[:, :n])
            state_rows = states.of(digits)[:, :n] + packs.states.base.astype(np.intp)[:, None]
            shift = _shift(packs.causes, rows) + _shift(packs.states, state_rows)
            joint = self.probability[lines]
            joint[:] = packs.prior.take(self.settings[lines], axis=0, out=factor[:n], mode="clip")
            for row in rows:
                packs.causes.table.take(row, axis=0, out=factor[:n], mode="clip")
                np.multiply(joint, factor[:n], out=joint)
            for k, (start, stop) in enumerate(pairwise(packs.first)):
                joint *= _summed_out(packs.states.table, state_rows[start:stop], packs.mechanism[k])
            sums = joint.sum(axis=1)
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                joint *= (1 / sums)[:, None]
            self._finish(lines, sums, shift)

    def _finish(self, lines: slice, sums: npt.NDArray[Any], shift: Array) -> None:
        """The log evidence; where a sum is too small to be exact, the case once more in logarithms."""
        small = np.flatnonzero(~(sums >= _FLOOR[sums.dtype.name]))
        sums[small] = 1.0
        self.log_evidence[lines] = np.log(sums, dtype=np.float64) + shift
        self._in_logarithms(small + lines.start)

    def _in_logarithms(self, lines: npt.NDArray[np.intp]) -> None:
        for low in range(0, len(lines), _LOG_BLOCK):
            part, tables = lines[low : low + _LOG_BLOCK], self.tables
            codes = self.codes[part].astype(np.intp)
            totals = np.zeros((len(part), tables.likelihood.shape[1]))
            for i, start in enumerate(tables.start):
                known = np.flatnonzero(codes[:, i] >= 0)
                totals[known] += tables.log_likelihood[start + codes[known, i]]
            steps = int((codes >= 0).sum(axis=1).max())
            posterior = posterior_of(tables, totals, self.settings[part].astype(np.intp), steps)
            self.probability[part] = posterior.probability
            self.log_evidence[part] = posterior.log_evidence

    def _check_range(self, lines: slice) -> None:
        codes, n_states = self.codes[lines], self.packs.n_states
        wrong = (codes.max(axis=0) >= n_states) | (codes.min(axis=0) < -1)
        if wrong.any():
            column = int(wrong.argmax())
            n = int(n_states[column])
            line = int(((codes[:, column] >= n) | (codes[:, column] < -1)).argmax())
            where, problem = f"codes[{lines.start + line}, {column}]", f"is {codes[line, column]}"
            raise EvidenceError([Fault(where=where, problem=problem, fix=f"use 0 to {n - 1}, or -1 for unknown")])


def _arrays(lookup: Lookup) -> tuple[npt.NDArray[Any], ...]:
    return lookup.weight, lookup.pack_of, lookup.base, lookup.table, lookup.peak


class _Places:
    """Finds the place of each case in each pack, in arrays that are kept from block to block."""

    def __init__(self, lookup: Lookup, width: int) -> None:
        used = np.flatnonzero(lookup.weight)
        members = [used[lookup.pack_of[used] == k] for k in range(len(lookup.base))]
        # (depth, packs); filled up with a finding that is never known.
        shape = (max(map(len, members), default=0), len(members))
        self.finding, self.weight = np.full(shape, len(lookup.weight)), np.zeros((*shape, 1), np.int16)
        for k, group in enumerate(members):
            self.finding[: len(group), k] = group
            self.weight[: len(group), k, 0] = lookup.weight[group]
        self.total, self.part = np.empty((2, len(members), width), np.int16)

    def of(self, digits: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """The places, (packs, cases), 0 where nothing is known; `digits` holds state + 1, (F + 1, cases)."""
        self.total[:] = 0
        for finding, weight in zip(self.finding, self.weight, strict=True):
            digits.take(finding, axis=0, out=self.part, mode="clip")
            np.multiply(self.part, weight, out=self.part)
            np.add(self.total, self.part, out=self.total)
        return self.total


def _known_rows(lookup: Lookup, places: npt.NDArray[np.int16]) -> npt.NDArray[np.intp]:
    """The rows of the packs in which something is known, (as many as the fullest case has, cases).

    Filled up with row 0, in which nothing is known.
    """
    rows = places.T + lookup.base
    rows *= places.T != 0
    rows.sort(axis=1)
    return np.ascontiguousarray(rows[:, rows.any(axis=0)].T, dtype=np.intp)


def _shift(lookup: Lookup, rows: npt.NDArray[np.intp]) -> Array:
    """The sum over packs of the logarithm divided out, (cases,)."""
    shift = np.zeros(rows.shape[1])
    for row in rows:
        shift += lookup.peak.take(row)
    return shift


def _summed_out(table: npt.NDArray[Any], rows: npt.NDArray[np.intp], mechanism: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The likelihood of each cause by a wide mechanism, (cases, C)."""
    n = rows.shape[1]
    likelihood = np.zeros((-(-n // _SMALL) * _SMALL, table.shape[1]), table.dtype)
    likelihood[:n] = np.multiply.reduce(table.take(rows, axis=0), axis=0)
    product: npt.NDArray[Any] = likelihood.reshape(-1, _SMALL, table.shape[1]) @ mechanism
    return product.reshape(-1, mechanism.shape[1])[:n]
