"""What to ask or test next: the value of information of every finding that is not yet known, exact.

Each answer of each finding is one row of P(answer | cause, evidence), so the posterior after every possible answer is
one array operation (Lindley, On a measure of the information provided by an experiment, 1956; Heckerman, Horvitz and
Nathwani, Toward normative expert systems, 1992). NumPy only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from legdx.errors import UnknownNameError
from legdx.evidence import Evidence
from legdx.inference.engine import Posterior, parent_log_likelihood
from legdx.inference.tables import Array, Tables
from legdx.model.spec import Spec
from legdx.model.vocabulary import KINDS

__all__ = ["LEVELS", "OBJECTIVES", "NextFinding", "Outcome", "next_findings", "predictive"]

LEVELS = ("cause", "category", "family")
# The fall of the entropy; of that of "it is the first cause, or not" (to confirm or refute it); and the change of the
# probability of all causes that need emergency care.
OBJECTIVES = ("entropy", "top_cause", "danger")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One possible answer: how probable it is, and every cause with its posterior after it, most probable first."""

    state: str
    probability: float
    ranking: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NextFinding:
    """A finding worth knowing.

    ``value`` is its expected reduction of entropy in bits; ``score`` the objective less the weighted cost, by which
    the list is ordered; ``settles`` the open emergency rules of which it is the last thing missing.

    >>> import legdx
    >>> items = legdx.rank({"low_back_pain": True}).next_findings(200)
    >>> fever = next(item for item in items if item.finding == "fever")
    >>> fever.settles, [outcome.state for outcome in fever.outcomes]
    (('fever_with_spinal_pain',), ['absent', 'present'])
    """

    finding: str
    label: str
    question: str
    kind: str
    cost: int
    value: float
    score: float
    settles: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


def next_findings(
    spec: Spec,
    tables: Tables,
    evidence: Evidence,
    posterior: Posterior,
    *,
    n: int,
    kinds: Iterable[str] | None,
    objective: str,
    level: str,
    cost_weight: float,
    settles: Mapping[str, tuple[str, ...]],
) -> tuple[NextFinding, ...]:
    """The findings most worth knowing next, not two of one mechanism unless each settles a rule of its own.

    Args:
        posterior: of the one case.
        n: how many at most.
        kinds: of finding; None: all.
        objective: one of `OBJECTIVES`.
        level: what the entropy is of: "cause", "category" or "family".
        cost_weight: what one step of cost is worth, in the unit of the objective.
        settles: the open rules that a finding alone settles, by finding; these findings come first.

    Raises:
        UnknownNameError: there is no such kind, objective or level.
    """
    wanted = KINDS if kinds is None else tuple(kinds)
    for kind in wanted:
        _among("kind of finding", kind, KINDS)
    _among("objective", objective, OBJECTIVES)
    _among("level", level, LEVELS)
    before = posterior.probability
    joint = predictive(tables, evidence) * before
    starts = np.array(tables.start, dtype=np.intp)
    groups = [c.id if level == "cause" else str(getattr(c, level)) for c in spec.causes]
    value = _information(*_grouped(joint, before, groups), starts)
    gain = _gain(spec, objective, value, joint, before, starts)
    findings = spec.vocabulary.findings
    score = gain - cost_weight * np.array([f.cost for f in findings])
    known = {spec.vocabulary.finding_of_row[row] for row in evidence.rows}
    candidates = [i for i, f in enumerate(findings) if i not in known and f.kind in wanted]
    candidates.sort(key=lambda i: (findings[i].id not in settles, -score[i], findings[i].id))
    chosen = _without_repeats(spec, candidates, settles, n)
    return tuple(
        NextFinding(
            finding=findings[i].id,
            label=findings[i].label,
            question=findings[i].question,
            kind=findings[i].kind,
            cost=findings[i].cost,
            value=float(value[i]),
            score=float(score[i]),
            settles=settles.get(findings[i].id, ()),
            outcomes=_outcomes(tables, findings[i].states, joint[tables.start[i] :]),
        )
        for i in chosen
    )


def predictive(tables: Tables, evidence: Evidence) -> Array:
    """P(finding state | cause, evidence) for every row of every finding that is not known for certain, (R, C).

    The rows of a finding that the evidence holds for certain are those of a second, independent report of it.
    """
    n_causes = len(tables.causes)
    likelihood = tables.likelihood
    if evidence.virtual:
        likelihood = likelihood.copy()
        for i, weights in evidence.virtual:
            rows = slice(tables.start[i], tables.start[i] + len(weights))
            weighted = likelihood[rows, tables.columns[i]] * np.array(weights)[:, None]
            total = weighted.sum(axis=0)
            likelihood[rows, tables.columns[i]] = np.divide(weighted, total, out=weighted, where=total > 0)
    predicted: Array = likelihood[:, :n_causes].copy()
    if len(tables.mechanism_start):
        given = _mechanism_given(tables, evidence)
        for i, columns in enumerate(tables.columns):
            if columns.start:
                rows = slice(tables.start[i], tables.start[i + 1] if i + 1 < len(tables.start) else None)
                states = slice(columns.start - n_causes, columns.stop - n_causes)
                predicted[rows] = likelihood[rows, columns] @ given[states]
    return predicted


def _mechanism_given(tables: Tables, evidence: Evidence) -> Array:
    """P(mechanism state | cause, evidence), (S, C); given the cause, only the mechanism's own findings bear on it."""
    states = tables.log_mechanism + parent_log_likelihood(tables, evidence)[len(tables.causes) :, None]
    total = np.logaddexp.reduceat(states, tables.mechanism_start, axis=0).take(tables.mechanism_of_state, axis=0)
    with np.errstate(invalid="ignore"):
        given: Array = np.where(np.isfinite(total), np.exp(states - total), 0.0)
    return given


def _among(kind: str, name: object, known: Iterable[str]) -> None:
    if name not in tuple(known):
        raise UnknownNameError(kind, name, known)


def _grouped(joint: Array, before: Array, group: Sequence[str]) -> tuple[Array, Array]:
    """The joint and the marginal with the causes of one group added up."""
    ids = list(dict.fromkeys(group))
    if len(ids) == len(group):
        return joint, before
    member = np.array([[name == id for id in ids] for name in group], dtype=np.float64)
    return joint @ member, before @ member


def _information(joint: Array, before: Array, starts: npt.NDArray[np.intp]) -> Array:
    """The mutual information, in bits, of each finding with the groups: its expected reduction of their entropy."""
    expected = joint.sum(axis=1, keepdims=True) * before
    ratio = np.divide(joint, expected, out=np.ones_like(joint), where=(joint > 0) & (expected > 0))
    by_row = (joint * np.log2(ratio)).sum(axis=1)
    information: Array = np.maximum(np.add.reduceat(by_row, starts), 0.0)
    return information


def _gain(spec: Spec, objective: str, value: Array, joint: Array, before: Array, starts: npt.NDArray[np.intp]) -> Array:
    """What each finding is expected to bring to the objective."""
    if objective == "top_cause":
        top = int(before.argmax())
        is_top = ["top" if c == top else "other" for c in range(len(before))]
        return _information(*_grouped(joint, before, is_top), starts)
    if objective == "danger":
        danger = np.array([cause.needs_emergency_care for cause in spec.causes], dtype=np.float64)
        change: Array = np.add.reduceat(np.abs(joint @ danger - joint.sum(axis=1) * (before @ danger)), starts)
        return change
    return value


def _without_repeats(
    spec: Spec, candidates: Iterable[int], settles: Mapping[str, tuple[str, ...]], n: int
) -> list[int]:
    """The first n, leaving out a second of one mechanism unless it settles a rule that no earlier one settles."""
    chosen: list[int] = []
    mechanisms: set[str] = set()
    rules: set[str] = set()
    for i in candidates:
        if len(chosen) >= n:
            break
        finding = spec.vocabulary.findings[i]
        own = set(settles.get(finding.id, ()))
        if finding.parent == "cause" or finding.parent not in mechanisms or own - rules:
            chosen.append(i)
            mechanisms.add(finding.parent)
            rules |= own
    return chosen


def _outcomes(tables: Tables, states: tuple[str, ...], joint: Array) -> tuple[Outcome, ...]:
    """The possible answers of one finding, whose rows come first in the joint."""
    outcomes = []
    for state, row in zip(states, joint, strict=False):
        probability = float(row.sum())
        if probability > 0:
            order = np.argsort(-row, kind="stable").tolist()
            after = (row / probability).tolist()
            ranking = tuple((tables.causes[c], after[c]) for c in order)
            outcomes.append(Outcome(state=state, probability=probability, ranking=ranking))
    return tuple(outcomes)
