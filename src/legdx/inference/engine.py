"""Exact inference on the compiled tree: from evidence to `Posterior`, one case or a block of cases.

The network is a tree of depth two, so summing out is exact and linear: findings that hang on the cause multiply its
likelihood; those that hang on a mechanism multiply the likelihood of its states, which are then summed out given each
cause (Pearl, Probabilistic Reasoning in Intelligent Systems, 1988, section 4.2). One case is looked up in the
joint-state tables of `packs`; virtual evidence, blocks, and what those tables cannot hold are computed in logarithms.
NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from legdx.evidence import Evidence
from legdx.inference.packs import single_tables
from legdx.inference.tables import Array, Tables

__all__ = ["SAFE_SUM", "Posterior", "infer", "infer_block", "is_impossible", "parent_log_likelihood", "posterior_of"]

# Differences of log likelihood below this stay clear of underflow in exp().
_SAFE_RANGE = 600.0
# Products of probabilities above this have lost nothing to underflow.
_SAFE_PRODUCT = 1e-280
# A sum of such products above this has lost nothing that shows in the quotients, since no factor is over 1.
SAFE_SUM = 1e-200


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Posterior:
    """P(cause | evidence) for one case, or one case a line, and the natural logarithm of P(evidence).

    Where the evidence is impossible, ``log_evidence`` is minus infinity and the probabilities are NaN.
    """

    probability: Array  # (C,) or (cases, C)
    log_evidence: Array  # () or (cases,)


def infer(tables: Tables, evidence: Evidence, setting: int) -> Posterior:
    """The posterior of one case."""
    found = None if evidence.virtual else _looked_up(tables, evidence.rows, setting)
    if found is not None:
        return found
    totals = parent_log_likelihood(tables, evidence)
    steps = len(evidence.rows) + len(evidence.virtual)
    return posterior_of(tables, totals, setting, steps)


def _looked_up(tables: Tables, rows: tuple[int, ...], setting: int) -> Posterior | None:
    """The posterior from joint-state tables; None where they do not hold the case, or too little is left of its sum."""
    single = single_tables(tables)
    at: dict[int, int] = {}
    for row in rows:
        base, step = single.place[row]
        at[base] = at.get(base, base) + step
    if -1 in at:
        return None
    picked = np.array(list(at.values()), dtype=np.intp)
    joint = np.multiply.reduce(single.table.take(picked, axis=0, mode="clip"), axis=0) * tables.prior[setting]
    total = np.add.reduce(joint)
    if total < SAFE_SUM:
        return None
    log_evidence = np.log(total) + np.add.reduce(single.peak.take(picked, mode="clip"))
    return Posterior(probability=joint / total, log_evidence=log_evidence)


def infer_block(tables: Tables, block: Sequence[Evidence], settings: Sequence[int]) -> Posterior:
    """The posteriors of a block of cases, each with its setting."""
    n_columns = tables.likelihood.shape[1]
    totals = np.array([parent_log_likelihood(tables, one) for one in block]).reshape(len(block), n_columns)
    steps = max((len(one.rows) + len(one.virtual) for one in block), default=0)
    return posterior_of(tables, totals, np.asarray(settings, dtype=np.intp), steps)


def parent_log_likelihood(tables: Tables, evidence: Evidence) -> Array:
    """log P(findings of a parent | parent state) for every cause and mechanism state at once, (C + S,)."""
    known = np.array(evidence.rows, dtype=np.intp)
    totals: Array = np.add.reduce(tables.log_likelihood.take(known, axis=0, mode="clip"), axis=0)
    for i, likelihood in evidence.virtual:
        rows = slice(tables.start[i], tables.start[i] + len(likelihood))
        with np.errstate(divide="ignore"):
            totals[tables.columns[i]] += np.log(np.array(likelihood) @ tables.likelihood[rows, tables.columns[i]])
    return totals


def posterior_of(tables: Tables, totals: Array, setting: int | npt.NDArray[np.intp], steps: int) -> Posterior:
    """The posterior from `parent_log_likelihood`, of one case or one a line; `steps` is the most findings known."""
    n_causes = len(tables.causes)
    joint = tables.log_prior[setting] + totals[..., :n_causes]
    if len(tables.mechanism_start):
        joint += _mechanism_log_likelihood(tables, totals[..., n_causes:], steps)
    peak = np.maximum.reduce(joint, axis=-1, keepdims=True)
    if np.minimum.reduce(peak, axis=None, initial=0.0) == -np.inf:
        return _posterior_of_some(joint, peak)
    weights = np.exp(joint - peak)
    total = np.add.reduce(weights, axis=-1, keepdims=True)
    return Posterior(probability=weights / total, log_evidence=(peak + np.log(total))[..., 0])


def _posterior_of_some(joint: Array, peak: Array) -> Posterior:
    """The same where a case is impossible: NaN and minus infinity."""
    weights = np.exp(joint - np.where(np.isfinite(peak), peak, 0.0))
    total = weights.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Posterior(probability=weights / total, log_evidence=(peak + np.log(total))[..., 0])


def _mechanism_log_likelihood(tables: Tables, totals: Array, steps: int) -> Array:
    """log P(findings of all mechanisms | cause), their states summed out: (..., C)."""
    starts = tables.mechanism_start
    if steps * tables.steepest <= _SAFE_RANGE:
        peak = np.maximum.reduceat(totals, starts, axis=-1)
        weights = np.exp(totals - peak.take(tables.mechanism_of_state, axis=-1))
        product = np.multiply.reduce((tables.membership * weights[..., None, :]) @ tables.mechanism, axis=-2)
        if np.minimum.reduce(product, axis=None, initial=1.0) > _SAFE_PRODUCT:
            logarithm: Array = np.log(product)
            logarithm += np.add.reduce(peak, axis=-1, keepdims=True)
            return logarithm
    states = tables.log_mechanism + totals[..., :, None]
    exact: Array = np.add.reduce(np.logaddexp.reduceat(states, starts, axis=-2), axis=-2)
    return exact


def is_impossible(posterior: Posterior) -> bool:
    """Whether the one case has probability zero."""
    return not np.isfinite(posterior.log_evidence)
