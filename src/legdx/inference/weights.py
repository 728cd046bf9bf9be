"""The weight of evidence of each finding: log likelihoods divided among the findings so that they add up. Internal.

Three steps, each without remainder (docs/adr/0005-shapley-within-a-mechanism.md). NumPy only.

1. Under one cause the findings fall into independent groups: each finding that hangs on the cause, and all findings of
   a mechanism together, so their log likelihoods add (Good, Weight of evidence: a brief survey, 1985; Spiegelhalter
   and Knill-Jones, Statistical and knowledge-based approaches to clinical decision-support systems, 1984).
2. Within a mechanism each finding has its Shapley value: its mean gain in log likelihood over all orders in which the
   findings could have become known (Shapley, A value for n-person games, 1953).
3. The likelihood of several causes taken together is a mixture. Its logarithm is the mean of theirs, weighted by the
   logarithmic mean of each cause's share before and after the findings (Sato, The ideal log-change index number, 1976;
   Vartia, Ideal log-change index numbers, 1976).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from legdx.evidence import Evidence
from legdx.inference.tables import Array, Tables

__all__ = ["finding_log_likelihood", "log_sum", "mixture_parts", "said"]

# The Shapley value of k findings takes 2^k sums; beyond this it is the mean of two orders, there and back.
_SHAPLEY_LIMIT = 10


def finding_log_likelihood(tables: Tables, evidence: Evidence) -> Array:
    """The share of each known finding in log P(evidence | cause), (findings, C): hard ones first, then virtual.

    The columns sum to log P(evidence | cause). Where a mechanism's findings are impossible together under a cause,
    each of them has minus infinity.
    """
    known = said(evidence)
    shares = np.zeros((len(known), len(tables.causes)))
    mechanisms: dict[int, list[int]] = {}
    for k, (i, likelihood) in enumerate(known):
        if tables.columns[i].start == 0:
            shares[k] = _log_likelihood(tables, i, likelihood)
        else:
            mechanisms.setdefault(tables.columns[i].start, []).append(k)
    for first, members in mechanisms.items():
        vectors = np.array([_log_likelihood(tables, *known[k]) for k in members])
        states = slice(first - len(tables.causes), first - len(tables.causes) + vectors.shape[1])
        shares[members] = _within_mechanism(vectors, tables.log_mechanism[states])
    return shares


def said(evidence: Evidence) -> list[tuple[int, tuple[float, ...]]]:
    """Every known finding with a likelihood for each of its states."""
    vocabulary = evidence.vocabulary
    hard = []
    for row in evidence.rows:
        i = vocabulary.finding_of_row[row]
        size = len(vocabulary.findings[i].states)
        hard.append((i, tuple(float(vocabulary.start[i] + s == row) for s in range(size))))
    return hard + list(evidence.virtual)


def _log_likelihood(tables: Tables, i: int, likelihood: tuple[float, ...]) -> Array:
    """log P(what was said of a finding | state of its parent)."""
    rows = slice(tables.start[i], tables.start[i] + len(likelihood))
    with np.errstate(divide="ignore"):
        logs: Array = np.log(np.array(likelihood) @ tables.likelihood[rows, tables.columns[i]])
    return logs


def _within_mechanism(vectors: Array, log_mechanism: Array) -> Array:
    """Attribute log P(findings of a mechanism | cause) to its findings: (k, states) and (states, C) to (k, C)."""
    k = len(vectors)
    subsets, weights = _all_subsets(k) if k <= _SHAPLEY_LIMIT else _two_orders(k)
    known = np.where(subsets[:, :, None], vectors, 0.0).sum(axis=1)
    worth = np.logaddexp.reduce(known[:, :, None] + log_mechanism, axis=1)
    possible = np.isfinite(worth[subsets.all(axis=1)][0])
    shares: Array = np.where(possible, weights @ np.where(possible, worth, 0.0), -np.inf)
    return shares


def _all_subsets(k: int) -> tuple[npt.NDArray[np.bool_], Array]:
    """All subsets of k findings, and the weight of each in the Shapley value of each finding."""
    subsets = (np.arange(2**k)[:, None] >> np.arange(k) & 1).astype(bool)
    size = subsets.sum(axis=1)
    orders = np.array([math.factorial(s) * math.factorial(k - 1 - s) / math.factorial(k) for s in range(k)])
    weights = np.where(subsets, orders[np.maximum(size - 1, 0), None], -orders[np.minimum(size, k - 1), None])
    return subsets, weights.T


def _two_orders(k: int) -> tuple[npt.NDArray[np.bool_], Array]:
    """The subsets met when k findings become known in their order and in its reverse, with their weights."""
    there = np.tri(k + 1, k, -1, dtype=bool)
    step = (np.eye(k, k + 1, 1) - np.eye(k, k + 1)) / 2
    return np.concatenate([there, there[:, ::-1]]), np.concatenate([step, step[::-1]], axis=1)


def mixture_parts(per_cause: Array, log_prior: Array, side: npt.NDArray[np.bool_]) -> Array:
    """Attribute log P(evidence | one of these causes) to the findings, by logarithmic mean weights."""
    shares, log_prior = per_cause[:, side & (log_prior > -np.inf)], log_prior[side & (log_prior > -np.inf)]
    if not len(log_prior):
        return np.zeros(len(per_cause))
    log_before = log_prior - log_sum(log_prior)
    impossible = np.isneginf(shares)
    total = shares.sum(axis=0)
    ok = np.isfinite(total)
    if not ok.any():
        mean = np.where(impossible, 0.0, shares) @ np.exp(log_before)
        excluded: Array = np.where(impossible.any(axis=1), -np.inf, mean)
        return excluded
    change = total[ok] - log_sum(log_before + total)
    weights = _logarithmic_mean(log_before[ok], change)
    parts: Array = shares[:, ok] @ weights
    # The limit for a cause that the findings exclude: its prior share is lost, by those that exclude it alike.
    parts -= (impossible / np.maximum(impossible.sum(axis=0), 1)) @ np.exp(log_before)
    parts /= weights.sum()
    return parts


def _logarithmic_mean(log_before: Array, change: Array) -> Array:
    """(after - before) / (log after - log before) of each share, log after being log before + change."""
    near = np.abs(change) < 1.0
    safe = np.where(change == 0.0, 1.0, change)
    close = np.exp(log_before) * np.where(change == 0.0, 1.0, np.expm1(np.where(near, change, 0.0)) / safe)
    mean: Array = np.where(near, close, (np.exp(log_before + change) - np.exp(log_before)) / safe)
    return mean


def log_sum(logs: Array) -> float:
    return float(np.logaddexp.reduce(logs, initial=-np.inf))
