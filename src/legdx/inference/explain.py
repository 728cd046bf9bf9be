"""Why a cause stands where it stands: prior, the weight of evidence of each finding with its sources, posterior.

The weights come from `weights`; here they are joined with what the model says of each finding, and told in words.
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
from legdx.inference.weights import finding_log_likelihood, log_sum, mixture_parts, said
from legdx.model.fields import Row
from legdx.model.spec import Cause, Spec
from legdx.model.vocabulary import Finding

__all__ = ["Contribution", "Expected", "Explanation", "explain"]

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

    >>> import legdx
    >>> why = legdx.rank({"saddle_numbness": True, "fever": True}, setting="emergency").explain("cauda_equina_syndrome")
    >>> why.contributions[0].finding, [c.finding for c in why.against]
    ('saddle_numbness', ['fever'])
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
    names = said(evidence)
    per_cause = finding_log_likelihood(tables, evidence)
    log_prior = tables.log_prior[setting]
    for_side, for_rivals = (mixture_parts(per_cause, log_prior, s) for s in (side, rivals))
    before = log_sum(log_prior[side]), log_sum(log_prior[rivals])
    after = tuple(log_sum(log_prior[s] + per_cause[:, s].sum(axis=0)) for s in (side, rivals))
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


def _share(log_a: float, log_b: float) -> float:
    """a / (a + b)."""
    return math.exp(log_a - float(np.logaddexp(log_a, log_b)))


def _marginal(tables: Tables, log_prior: Array, side: npt.NDArray[np.bool_]) -> Array:
    """P(finding state | one of these causes) for every row, before any finding is known."""
    log_side = np.where(side, log_prior, -np.inf)
    total = log_sum(log_side)
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
    for title, sign in (("For it, in decibans", 1), ("Against it, in decibans", -1)):
        side = [c for c in contributions if sign * c.log10_lr > 0]
        told = [f"{_inside(c.label)}: {_words(c.state)} {c.decibans:+.1f}" for c in side]
        parts += [f"{title}: {_listing(told, most)}."] if told else []
    for title, unknown in (("Usual with it and not found", False), ("Usual with it and not yet known", True)):
        told = [f"{_inside(e.label)}: {_words(e.state)}" for e in missing if (e.given is None) == unknown]
        parts += [f"{title}: {_listing(told, most)}."] if told else []
    return " ".join(parts)


def _listing(told: Sequence[str], most: int) -> str:
    more = f"; and {len(told) - most} more" if len(told) > most else ""
    return "; ".join(told[:most]) + more


def _inside(label: str) -> str:
    """The label as it stands inside a sentence; an abbreviation keeps its capitals."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def _words(state: str) -> str:
    return state.replace("_", " ")


def _percent(p: float) -> str:
    if 0 < p < 0.001:
        return "under 0.1%"
    return "over 99.9%" if 0.999 < p < 1 else f"{p:.1%}"
