"""Exact inference for some cases of a table in logarithms: those with virtual evidence, and all where they are few.

It needs no joint-state tables, which take longer to compute than a few thousand cases. NumPy only. Internal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from legdx.inference.engine import posterior_of
from legdx.inference.tables import Array, Tables

__all__ = ["Virtual", "rank_in_logarithms", "rows_with_virtual"]

Indices = npt.NDArray[np.intp]

_BLOCK = 256


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Virtual:
    """Virtual evidence of one finding: the rows that have it, ascending, and for each a line of the likelihoods."""

    finding: int
    rows: Indices
    lines: Indices
    likelihoods: tuple[tuple[float, ...], ...]


def rows_with_virtual(virtual: Sequence[Virtual]) -> Indices:
    """All rows in which something is known only in part, ascending."""
    rows = np.concatenate([np.zeros(0, np.intp), *(one.rows for one in virtual)])
    return np.unique(rows)


def rank_in_logarithms(
    tables: Tables,
    codes: npt.NDArray[np.integer[Any]],
    virtual: Sequence[Virtual],
    settings: Indices,
    rows: Indices,
    probability: npt.NDArray[Any],
    log_evidence: Array,
) -> None:
    """Write the answers of some rows.

    Args:
        tables: the compiled network, C causes and F findings.
        codes: (cases, F), as for `rank_codes`; a finding with virtual evidence is -1.
        virtual: what is known in part.
        settings: (cases,), the number of the setting of each.
        rows: which to rank, ascending; all that have virtual evidence must be among them.
        probability: (cases, C), written to.
        log_evidence: (cases,), written to.
    """
    weights = [_log_weights(tables, one) for one in virtual]
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        totals, steps = _known_for_certain(tables, codes[block])
        for one, weight in zip(virtual, weights, strict=True):
            low, high = np.searchsorted(one.rows, (block[0], block[-1] + 1))
            lines = np.searchsorted(block, one.rows[low:high])
            totals[lines, tables.columns[one.finding]] += weight[one.lines[low:high]]
        posterior = posterior_of(tables, totals, settings[block], steps + len(virtual))
        probability[block], log_evidence[block] = posterior.probability, posterior.log_evidence


def _log_weights(tables: Tables, one: Virtual) -> Array:
    """log P(virtual evidence | parent state), (likelihoods, parent states)."""
    start, likelihoods = tables.start[one.finding], np.array(one.likelihoods)
    table = tables.likelihood[start : start + likelihoods.shape[1], tables.columns[one.finding]]
    with np.errstate(divide="ignore"):
        weights: Array = np.log(likelihoods @ table)
    return weights


def _known_for_certain(tables: Tables, codes: npt.NDArray[np.integer[Any]]) -> tuple[Array, int]:
    """The sum of `parent_log_likelihood` for each row, and the most findings known in one."""
    totals = np.zeros((len(codes), tables.likelihood.shape[1]))
    for i, start in enumerate(tables.start):
        known = np.flatnonzero(codes[:, i] >= 0)
        if len(known):
            totals[known] += tables.log_likelihood[start + codes[known, i].astype(np.intp)]
    return totals, int((codes >= 0).sum(axis=1).max())
