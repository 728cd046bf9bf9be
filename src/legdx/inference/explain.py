"""Why a cause stands where it stands: the weight of evidence of each finding, exact and additive.

Three steps, each of which adds up (docs/adr/0005). NumPy only.

1. Under one cause the findings fall into independent groups: each finding that hangs on the cause, and all findings of
   a mechanism together, so their log likelihoods add (Good, Weight of evidence: a brief survey, 1985; Spiegelhalter
   and Knill-Jones, Statistical and knowledge-based approaches to clinical decision-support systems, 1984).
2. Within a mechanism each finding has its Shapley value: its mean gain in log likelihood over all orders in which the
   findings could have become known (Shapley, A value for n-person games, 1953).
3. The likelihood of several causes taken together is a mixture. Its logarithm is the mean of theirs, weighted by the
   logarithmic mean of each cause's share before and after the findings, without remainder (Sato, The ideal
   log-change index number, 1976; Vartia, Ideal log-change index numbers, 1976).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from legdx.errors import ImpossibleEvidence, UnknownNameError
from legdx.evidence import Evidence
from legdx.inference.tables import Array, Tables
from legdx.model.fields import Row
from legdx.model.spec import Cause, Spec
from legdx.model.vocabulary import Finding

__all__ = ["Contribution", "Expected", "Explanation", "explain", "finding_log_likelihood"]

# The Shapley value of k findings takes 2^k sums; beyond this it is the mean of two orders, there and back.
_SHAPLEY_LIMIT = 10
_LN10 = math.log(10.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """What one finding adds to the log odds, with what that number rests on.

    ``likelihood`` and ``rival_likelihood`` are P(what was said | cause) and P(what was said | rivals) of this finding
    taken alone. ``strength`` is the least equivalent sample size (patients) among the rows that ``sources`` belong to.
    """

    finding: str
    label: str
    state: str
    log10_lr: float
    likelihood: float
    rival_likelihood: float
    mechanism: str | None
    strength: float
    sources: tuple[str, ...]

    @property
    def decibans(self) -> float:
        """Ten times `log10_lr`, Turing's unit: 10 makes the odds ten times what they were."""
        return 10.0 * self.log10_lr


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """A state that is the rule under the cause and the exception without it, and that was not found.

    ``given`` is the state found instead; None where the finding is unknown.
    """

    finding: str
    label: str
    state: str
    likelihood: float
    rival_likelihood: float
    given: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """How the findings lead from the prior to the posterior of a cause, category or family.

    Against one rival (``versus``), the probabilities are those of the cause where only the two are possible.
    """

    id: str
    label: str
    versus: str | None
    prior: float
    posterior: float
    prior_log10_odds: float
    posterior_log10_odds: float
    contributions: tuple[Contribution, ...]
    missing: tuple[Expected, ...]
    description: str
    work_up: str
    care: str
    text_sources: tuple[str, ...]
    text: str

    @property
    def against(self) -> tuple[Contribution, ...]:
        """The findings that speak against it, the heaviest first."""
        return tuple(c for c in self.contributions if c.log10_lr < 0)


def explain(
    spec: Spec, tables: Tables, evidence: Evidence, setting: int, id: str, versus: str | None = None
) -> Explanation:
    """Decompose the posterior odds of a cause, category or family against all others, or against one rival.

    Raises:
        UnknownNameError: there is no such cause, category or family, or it has no such rival.
        ImpossibleEvidence: neither it nor its rival can have these findings.
    """
    side, rivals = _sides(spec, id, versus)
    names = _said(evidence)
    per_cause = finding_log_likelihood(tables, evidence)
    log_prior = tables.log_prior[setting]
    for_side, for_rivals = (_mixture_parts(per_cause, log_prior, s) for s in (side, rivals))
    before = _log_sum(log_prior[side]), _log_sum(log_prior[rivals])
    after = tuple(_log_sum(log_prior[s] + per_cause[:, s].sum(axis=0)) for s in (side, rivals))
    if max(before) == -math.inf or max(after) == -math.inf:
        raise ImpossibleEvidence({name: str(value) for name, value in evidence.named().items()})
    marginal = tuple(_marginal(tables, log_prior, s) for s in (side, rivals))
    causes = [spec.causes[c] for c in np.flatnonzero(side)]
    cited = causes + ([spec.causes[c] for c in np.flatnonzero(rivals)] if versus else [])
    contributions = [
        _contribution(spec, evidence, cited, i, likelihood, weight / _LN10, marginal)
        for (i, likelihood), weight in zip(names, for_side - for_rivals, strict=True)
    ]
    contributions.sort(key=lambda c: (-abs(c.log10_lr), c.finding))
    missing = _missing(evidence, marginal)
    alone = causes[0] if len(causes) == 1 else None
    explanation = {
        "prior": _share(*before),
        "posterior": _share(*after),
        "prior_log10_odds": (before[0] - before[1]) / _LN10,
        "posterior_log10_odds": (after[0] - after[1]) / _LN10,
    }
    label, rival = (_label(spec, name) for name in (id, versus))
    return Explanation(
        id=id,
        label=label,
        versus=versus,
        contributions=tuple(contributions),
        missing=missing,
        description=alone.description if alone else "",
        work_up=alone.work_up if alone else "",
        care=alone.care if alone else "",
        text_sources=alone.text_sources if alone else (),
        text=_text(label, rival, explanation["prior"], explanation["posterior"], contributions, missing),
        **explanation,
    )


def finding_log_likelihood(tables: Tables, evidence: Evidence) -> Array:
    """The share of each known finding in log P(evidence | cause), (findings, C): hard ones first, then virtual.

    The columns sum to log P(evidence | cause). Where a mechanism's findings are impossible together under a cause,
    each of them has minus infinity.
    """
    said = _said(evidence)
    shares = np.zeros((len(said), len(tables.causes)))
    groups: dict[int, list[int]] = {}
    for k, (i, likelihood) in enumerate(said):
        groups.setdefault(tables.columns[i].start or -k - 1, []).append(k)
        if tables.columns[i].start == 0:
            shares[k] = _log_likelihood(tables, i, likelihood)
    for first, members in groups.items():
        if first > 0:
            columns = tables.columns[said[members[0]][0]]
            states = slice(columns.start - len(tables.causes), columns.stop - len(tables.causes))
            vectors = np.array([_log_likelihood(tables, *said[k]) for k in members])
            shares[members] = _within_mechanism(vectors, tables.log_mechanism[states])
    return shares


def _said(evidence: Evidence) -> list[tuple[int, tuple[float, ...]]]:
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


def _mixture_parts(per_cause: Array, log_prior: Array, side: npt.NDArray[np.bool_]) -> Array:
    """Attribute log P(evidence | one of these causes) to the findings, by logarithmic mean weights."""
    shares, log_prior = per_cause[:, side & (log_prior > -np.inf)], log_prior[side & (log_prior > -np.inf)]
    if not len(log_prior):
        return np.zeros(len(per_cause))
    log_before = log_prior - _log_sum(log_prior)
    impossible = np.isneginf(shares)
    total = shares.sum(axis=0)
    ok = np.isfinite(total)
    if not ok.any():
        mean = np.where(impossible, 0.0, shares) @ np.exp(log_before)
        excluded: Array = np.where(impossible.any(axis=1), -np.inf, mean)
        return excluded
    change = total[ok] - _log_sum(log_before + total)
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


def _log_sum(logs: Array) -> float:
    return float(np.logaddexp.reduce(logs, initial=-np.inf))


def _share(log_a: float, log_b: float) -> float:
    """a / (a + b)."""
    return math.exp(log_a - float(np.logaddexp(log_a, log_b)))


def _marginal(tables: Tables, log_prior: Array, side: npt.NDArray[np.bool_]) -> Array:
    """P(finding state | one of these causes) for every row, before any finding is known."""
    log_side = np.where(side, log_prior, -np.inf)
    total = _log_sum(log_side)
    weights = np.exp(log_side - total) if total > -math.inf else side / side.sum()
    of_state = tables.mechanism @ weights
    marginal: Array = tables.likelihood @ np.concatenate([weights, of_state])
    return marginal


def _sides(spec: Spec, id: str, versus: str | None) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which causes are meant by the two names, as masks over the causes."""
    named: dict[str, list[bool]] = {}
    for c, cause in enumerate(spec.causes):
        for name in (cause.id, cause.category, cause.family):
            named.setdefault(name, [False] * len(spec.causes))[c] = True
    # A cause of the same name as a category or family is that one alone.
    named |= {name: [c.id == name for c in spec.causes] for name in (c.id for c in spec.causes)}
    if not isinstance(id, str) or id not in named:
        raise UnknownNameError("cause, category or family", id, named)
    side = np.array(named[id])
    if versus is None:
        rivals = ~side
    else:
        apart = [name for name, members in named.items() if not (side & members).any()]
        if versus not in apart:
            raise UnknownNameError(f"rival of {id}", versus, apart)
        rivals = np.array(named[versus])
    if not rivals.any():
        raise UnknownNameError("cause, category or family with a rival", id, ())
    return side, rivals


def _label(spec: Spec, name: str | None) -> str:
    if name is None:
        return ""
    return next((c.label for c in spec.causes if c.id == name), name.replace("_", " ").capitalize())


def _contribution(
    spec: Spec,
    evidence: Evidence,
    causes: Sequence[Cause],
    i: int,
    likelihood: tuple[float, ...],
    log10_lr: float,
    marginal: tuple[Array, ...],
) -> Contribution:
    finding = evidence.vocabulary.findings[i]
    rows = slice(evidence.vocabulary.start[i], evidence.vocabulary.start[i] + len(likelihood))
    behind = _rows_behind(spec, finding, causes)
    sure = sum(v > 0 for v in likelihood) == 1
    stated = finding.states[likelihood.index(max(likelihood))]
    return Contribution(
        finding=finding.id,
        label=finding.label,
        state=stated if sure else ", ".join(f"{s} x{v:.2g}" for s, v in zip(finding.states, likelihood, strict=True)),
        log10_lr=float(log10_lr),
        likelihood=float(marginal[0][rows] @ likelihood),
        rival_likelihood=float(marginal[1][rows] @ likelihood),
        mechanism=None if finding.parent == "cause" else finding.parent,
        strength=min(row.strength for row in behind),
        sources=tuple(dict.fromkeys(chain.from_iterable(row.sources for row in behind))),
    )


def _rows_behind(spec: Spec, finding: Finding, causes: Sequence[Cause]) -> list[Row]:
    """The rows that a finding's likelihood under these causes was computed from."""
    mechanism = next((m for m in spec.mechanisms if m.id == finding.parent), None)
    if mechanism is None:
        rows = [cause.findings.get(finding.id, finding.background) for cause in causes]
    else:
        rows = [cause.mechanisms.get(mechanism.id, mechanism.background) for cause in causes]
        rows += [mechanism.findings[finding.id].get(state, finding.background) for state in mechanism.states]
    return [row for row in rows if row is not None]


def _missing(evidence: Evidence, marginal: tuple[Array, ...]) -> tuple[Expected, ...]:
    """States with probability over one half under the cause and under one half without it, and not found."""
    vocabulary = evidence.vocabulary
    given = {vocabulary.finding_of_row[row]: row for row in evidence.rows}
    partly = {i for i, _ in evidence.virtual}
    expected = []
    for row in np.flatnonzero((marginal[0] > 0.5) & (marginal[1] < 0.5)).tolist():
        i = vocabulary.finding_of_row[row]
        if given.get(i) == row or i in partly:
            continue
        expected.append(
            Expected(
                finding=vocabulary.findings[i].id,
                label=vocabulary.findings[i].label,
                state=vocabulary.row_name(row)[1],
                likelihood=float(marginal[0][row]),
                rival_likelihood=float(marginal[1][row]),
                given=vocabulary.row_name(given[i])[1] if i in given else None,
            )
        )
    return tuple(sorted(expected, key=lambda e: (e.rival_likelihood / e.likelihood, e.finding)))


def _text(
    label: str,
    rival: str,
    prior: float,
    posterior: float,
    contributions: Sequence[Contribution],
    missing: Sequence[Expected],
    most: int = 4,
) -> str:
    """The numbers in words: only what the fields hold, the heaviest first."""
    where = f", were only this and {rival} possible" if rival else ""
    parts = [f"{label}: {_percent(prior)} before the findings, {_percent(posterior)} after{where}."]
    for title, sign in (("For it", 1), ("Against it", -1)):
        side = [c for c in contributions if sign * c.log10_lr > 0]
        told = [f"{c.label.lower()}: {_words(c.state)} ({c.decibans:+.1f} dB)" for c in side]
        parts += [f"{title}: {_listing(told, most)}."] if told else []
    for title, unknown in (("Usual with it and not found", False), ("Usual with it and not yet known", True)):
        told = [f"{e.label.lower()}: {_words(e.state)}" for e in missing if (e.given is None) == unknown]
        parts += [f"{title}: {_listing(told, most)}."] if told else []
    return " ".join(parts)


def _listing(told: Sequence[str], most: int) -> str:
    more = f"; and {len(told) - most} more" if len(told) > most else ""
    return "; ".join(told[:most]) + more


def _words(state: str) -> str:
    return state.replace("_", " ")


def _percent(p: float) -> str:
    if 0 < p < 0.001:
        return "under 0.1%"
    return "over 99.9%" if 0.999 < p < 1 else f"{p:.1%}"
