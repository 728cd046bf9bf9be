"""How firm a posterior is: seeded draws of the parameters, and the intervals that follow. NumPy only. Internal.

Each row of the model is a mean and a strength, hence a Dirichlet distribution with strength * p as pseudo-counts
(Spiegelhalter and Lauritzen, Networks 1990;20:579-605). A parameter that several causes share is drawn once and shared.
The reporting error is applied to each draw as it is to the row. Draws are made when a finding is first needed and kept,
so that a case costs only sums over them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt

from legdx.evidence import Evidence
from legdx.model.fields import Row
from legdx.model.spec import Prior, Spec

__all__ = ["DRAWS", "LEVEL", "Draws", "Uncertainty", "posterior_draws", "prior_strength"]

Draw = npt.NDArray[np.float32]

DRAWS = 400
LEVEL = 0.9
_SEED = 20261121
# A cause that has a file has been seen: its prior is worth one case at least (ADR 0007).
_LEAST_PRIOR_COUNT = 1.0


class Draws:
    """The drawn parameters of one model, each made when first needed; the last axis is the draw.

    The stream of random numbers of a parameter depends on its place in the model alone, never on what was drawn before.
    """

    def __init__(self, spec: Spec, size: int = DRAWS, seed: int = _SEED) -> None:
        self.spec = spec
        self.size = size
        self._seed = seed
        self._mechanism_index = {m.id: k for k, m in enumerate(spec.mechanisms)}
        self._kept: dict[tuple[int, int], Draw] = {}

    def log_prior(self, setting: int) -> Draw:
        """log P(cause | setting), up to a constant of the draw: (C, draws)."""
        return self._keep(0, setting, self._draw_prior)

    def mechanism(self, index: int) -> Draw:
        """P(mechanism state | cause), its logarithm where the mechanisms have no reporting error: (S, C, draws)."""
        return self._keep(1, index, self._draw_mechanism)

    def log_finding(self, index: int) -> Draw:
        """log P(finding state | parent state): (states, parent states, draws)."""
        return self._keep(2, index, self._draw_finding)

    def mechanism_index(self, parent: str) -> int | None:
        """The number of the mechanism that is a finding's parent; None where that is the cause."""
        return self._mechanism_index.get(parent)

    @cached_property
    def groups(self) -> dict[tuple[str, str], tuple[int, ...]]:
        """The causes of every (level, id), where the level is cause, category or family."""
        groups: dict[tuple[str, str], list[int]] = {("cause", c.id): [k] for k, c in enumerate(self.spec.causes)}
        for k, cause in enumerate(self.spec.causes):
            groups.setdefault(("category", cause.category), []).append(k)
            groups.setdefault(("family", cause.family), []).append(k)
        return {name: tuple(members) for name, members in groups.items()}

    def _keep(self, kind: int, index: int, make: Callable[[int, np.random.Generator], Draw]) -> Draw:
        kept = self._kept.get((kind, index))
        if kept is None:
            kept = make(index, np.random.Generator(np.random.SFC64([self._seed, kind, index])))
            kept.flags.writeable = False
            self._kept[kind, index] = kept
        return kept

    def _draw_prior(self, setting: int, rng: np.random.Generator) -> Draw:
        name = tuple(self.spec.manifest.settings)[setting]
        priors = [cause.prior[name] for cause in self.spec.causes]
        p = np.array([prior.p for prior in priors])
        counts = p * [prior_strength(prior) for prior in priors]
        with np.errstate(divide="ignore", invalid="ignore"):
            # With equal strengths p / counts is one constant, and this is the Dirichlet distribution itself.
            scale = np.where(p > 0, np.log(p) - np.log(counts), 0.0)
        return _log_gamma_draws(counts, self.size, rng) + scale[:, None].astype(np.float32)

    def _draw_mechanism(self, index: int, rng: np.random.Generator) -> Draw:
        mechanism = self.spec.mechanisms[index]
        rows = [cause.mechanisms.get(mechanism.id, mechanism.background) for cause in self.spec.causes]
        error = self.spec.manifest.reporting_error["mechanism"]
        drawn = _draw_rows(rows, error, self.size, rng)
        return np.exp(drawn) if error else drawn

    def _draw_finding(self, index: int, rng: np.random.Generator) -> Draw:
        finding = self.spec.vocabulary.findings[index]
        background = finding.background
        number = self.mechanism_index(finding.parent)
        if number is None:
            rows = [cause.findings.get(finding.id, background) for cause in self.spec.causes]
        else:
            mechanism = self.spec.mechanisms[number]
            rows = [mechanism.findings[finding.id].get(state, background) for state in mechanism.states]
        return _draw_rows(rows, self.spec.manifest.reporting_error[finding.kind], self.size, rng)


class Uncertainty:
    """What the strengths leave open in one case; nothing is drawn before it is asked for."""

    __slots__ = ("_draws", "_evidence", "_intervals", "_setting")

    def __init__(self, draws: Callable[[], Draws], evidence: Evidence, setting: int) -> None:
        self._draws = draws
        self._evidence = evidence
        self._setting = setting
        self._intervals: Mapping[tuple[str, str], tuple[float, float]] | None = None

    def interval(self, level: str, id: str, point: float) -> tuple[float, float]:
        """The 90% interval of a cause, category or family, widened where it does not hold the point estimate."""
        if self._intervals is None:
            self._intervals = self.intervals(LEVEL)
        low, high = self._intervals[level, id]
        return min(low, point), max(high, point)

    def intervals(self, probability: float) -> dict[tuple[str, str], tuple[float, float]]:
        """The central interval of that probability for every (level, id), in four digits: more would be noise."""
        draws = self._draws()
        sampled = posterior_draws(draws, self._evidence, self._setting)
        groups = draws.groups
        sums = np.array([sampled[k[0]] if len(k) == 1 else sampled[k, :].sum(axis=0) for k in groups.values()])
        low, high = _central(np.sort(sums, axis=1), probability)
        return {name: (float(f"{a:.4g}"), float(f"{b:.4g}")) for name, a, b in zip(groups, low, high, strict=True)}

    def first(self) -> dict[str, float]:
        """The share of draws in which each cause is first, causes in the order of the model."""
        draws = self._draws()
        sampled = posterior_draws(draws, self._evidence, self._setting)
        count = np.bincount(sampled.argmax(axis=0), minlength=len(sampled)) / sampled.shape[1]
        return dict(zip((cause.id for cause in draws.spec.causes), count.tolist(), strict=True))


def posterior_draws(draws: Draws, evidence: Evidence, setting: int) -> Draw:
    """P(cause | evidence) under each draw of the parameters: (C, draws)."""
    joint = draws.log_prior(setting).copy()
    by_mechanism: dict[int, Draw] = {}
    for index, likelihood in _stated(evidence):
        finding = draws.log_finding(index)
        term = finding[likelihood] if isinstance(likelihood, int) else _log_mixture(finding, likelihood)
        number = draws.mechanism_index(evidence.vocabulary.findings[index].parent)
        if number is None:
            joint += term
        else:
            by_mechanism[number] = by_mechanism[number] + term if number in by_mechanism else term
    is_log = not draws.spec.manifest.reporting_error["mechanism"]
    for number, totals in by_mechanism.items():
        joint += _summed_out(draws.mechanism(number), totals, is_log)
    peak = joint.max(axis=0)
    # Zeros in a model without reporting error can make the evidence impossible under a draw: it has no posterior.
    possible = np.isfinite(peak)
    if not possible.all():
        joint, peak = joint[:, possible], peak[possible]
    weights = np.exp(joint - peak)
    weights /= weights.sum(axis=0)
    return cast(Draw, weights)


def prior_strength(prior: Prior) -> float:
    """The equivalent sample size of a prior, in which its cause has been seen once at least (ADR 0007)."""
    return max(prior.strength, _LEAST_PRIOR_COUNT / prior.p) if prior.p > 0 else prior.strength


def _stated(evidence: Evidence) -> Sequence[tuple[int, int | tuple[float, ...]]]:
    vocabulary = evidence.vocabulary
    hard = [(i := vocabulary.finding_of_row[row], row - vocabulary.start[i]) for row in evidence.rows]
    return [*hard, *evidence.virtual]


def _draw_rows(rows: Sequence[Row], error: float, size: int, rng: np.random.Generator) -> Draw:
    """Draw each distinct row once and apply the reporting error: logarithms, (states, rows, size)."""
    distinct = {id(row): row for row in rows}
    place = {key: k for k, key in enumerate(distinct)}
    p = np.array([row.p for row in distinct.values()]).T
    strength = np.array([row.strength for row in distinct.values()])
    log = _log_gamma_draws(p / p.sum(axis=0) * strength, size, rng)
    log -= log.max(axis=0)
    weights = np.exp(log)
    total = weights.sum(axis=0)
    if error:
        weights *= np.float32(1.0 - error) / total
        weights += np.float32(error / len(p))
        log = np.log(weights, out=weights)
    else:
        log -= np.log(total)
    return log if len(distinct) == len(rows) else np.ascontiguousarray(log[:, [place[id(row)] for row in rows]])


def _log_gamma_draws(counts: npt.NDArray[np.float64], size: int, rng: np.random.Generator) -> Draw:
    """Logarithms of gamma variables, one axis more than their shapes; a shape of 0 gives minus infinity.

    A small shape underflows, its logarithm does not: G(a) has the law of G(a + 1) U^(1/a) (Marsaglia and Tsang, ACM
    Transactions on Mathematical Software 2000;26:363-372).
    """
    shape = counts[..., None].astype(np.float32)
    log = np.log(rng.standard_gamma(np.broadcast_to(shape + 1, (*counts.shape, size)), dtype=np.float32))
    with np.errstate(divide="ignore"):
        log -= rng.standard_exponential(log.shape, dtype=np.float32) / shape
    return log


def _log_mixture(finding: Draw, likelihood: tuple[float, ...]) -> Draw:
    weights = np.array(likelihood, dtype=np.float32)
    with np.errstate(divide="ignore"):
        mixed: Draw = np.logaddexp.reduce(finding + np.log(weights)[:, None, None], axis=0)
    return mixed


def _summed_out(mechanism: Draw, totals: Draw, is_log: bool) -> Draw:
    """log P(findings of a mechanism | cause): states (S, C, draws) with totals (S, draws) give (C, draws)."""
    if is_log:
        exact: Draw = np.logaddexp.reduce(mechanism + totals[:, None, :], axis=0)
        return exact
    peak = totals.max(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = np.where(np.isfinite(peak), np.exp(totals - peak), np.float32(0.0))
        summed: Draw = np.log(np.einsum("sd,scd->cd", weights, mechanism)) + peak
    return summed


def _central(ordered: Draw, probability: float) -> list[list[float]]:
    """The ends of the central interval of each line of ordered draws, interpolated."""
    ends = []
    for quantile in ((1.0 - probability) / 2, (1.0 + probability) / 2):
        place = quantile * (ordered.shape[1] - 1)
        k = min(int(place), ordered.shape[1] - 2)
        ends.append((ordered[:, k] + (place - k) * (ordered[:, k + 1] - ordered[:, k])).tolist())
    return ends
