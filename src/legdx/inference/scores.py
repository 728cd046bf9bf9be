"""How good a set of posteriors was, once the right answers are known. NumPy only. Internal.

A case may have more than one accepted cause (a disc herniation that compresses the cauda equina). They count as one
answer: its probability is their sum. So the log loss is -ln P(accepted), and the Brier score of a case is
(1 - P(accepted))^2 plus the squares of the probabilities of all other causes (Brier, Mon Weather Rev 1950; 78: 1-3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from legdx.inference.tables import Array

__all__ = ["Bin", "Figure", "Scored", "calibration_error", "error_if_calibrated", "figure", "reliability", "score"]

Flags = npt.NDArray[np.bool_]
_REPEATS = 2000
_SEED = 20240229


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scored:
    """One line a case: the rank of its best accepted cause, 1 first; its Brier score; its log loss; its top cause."""

    rank: npt.NDArray[np.intp]
    brier: Array
    log_loss: Array
    confidence: Array  # probability of the top cause
    right: Flags  # whether the top cause is accepted


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A mean over cases with its 95% bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """The cases whose top probability lies in [low, high), the last bin closed."""

    low: float
    high: float
    n: int
    confidence: float
    right: float


def score(probability: Array, accepted: npt.ArrayLike) -> Scored:
    """Score posteriors (cases, causes) against accepted causes of the same shape, one at least in each case."""
    accepted = np.asarray(accepted, dtype=np.bool_)
    order = np.argsort(-probability, axis=1, kind="stable")  # causes are sorted by id, so ties break by id
    in_order = np.take_along_axis(accepted, order, axis=1)
    right_mass = (probability * accepted).sum(axis=1)
    others = np.where(accepted, 0.0, probability)
    with np.errstate(divide="ignore"):
        log_loss = -np.log(right_mass)
    return Scored(
        rank=in_order.argmax(axis=1) + 1,
        brier=(1.0 - right_mass) ** 2 + (others**2).sum(axis=1),
        log_loss=log_loss,
        confidence=probability.max(axis=1),
        right=in_order[:, 0],
    )


def figure(values: npt.ArrayLike) -> Figure:
    """The mean and its percentile bootstrap interval over cases (Efron, Ann Stat 1979; 7: 1-26); the seed is fixed."""
    cases = np.asarray(values, dtype=np.float64)
    draws = np.random.default_rng(_SEED).integers(0, len(cases), (_REPEATS, len(cases)))
    low, high = np.quantile(cases[draws].mean(axis=1), (0.025, 0.975))
    return Figure(value=float(cases.mean()), low=float(low), high=float(high))


def reliability(confidence: Array, right: Flags, bins: int) -> tuple[Bin, ...]:
    """The bins of equal width that hold a case, with their mean confidence and share right."""
    number = _bin_of(confidence, bins)
    return tuple(
        Bin(
            low=k / bins,
            high=(k + 1) / bins,
            n=int((number == k).sum()),
            confidence=float(confidence[number == k].mean()),
            right=float(right[number == k].mean()),
        )
        for k in range(bins)
        if (number == k).any()
    )


def calibration_error(confidence: Array, right: Flags, bins: int) -> float:
    """The expected calibration error (Naeini, Cooper and Hauskrecht, AAAI 2015): the mean gap, weighted by cases."""
    return sum(b.n * abs(b.confidence - b.right) for b in reliability(confidence, right, bins)) / len(confidence)


def error_if_calibrated(confidence: Array, bins: int) -> Figure:
    """What `calibration_error` would be if each case were right with exactly the probability stated.

    With few cases in a bin the error is well above zero by chance alone. The mean, and the 2.5% and 97.5% quantiles, of
    simulated sets of the same confidences (Bröcker and Smith, Weather Forecast 2007; 22: 651-661).
    """
    draws = np.random.default_rng(_SEED).random((_REPEATS, len(confidence))) < confidence
    in_bin = _bin_of(confidence, bins)[:, None] == np.arange(bins)
    errors = np.abs((draws - confidence) @ in_bin).sum(axis=1) / len(confidence)
    low, high = np.quantile(errors, (0.025, 0.975))
    return Figure(value=float(errors.mean()), low=float(low), high=float(high))


def _bin_of(confidence: Array, bins: int) -> npt.NDArray[np.intp]:
    return np.minimum((confidence * bins).astype(np.intp), bins - 1)
