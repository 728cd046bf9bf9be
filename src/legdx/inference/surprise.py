"""How badly the findings fit the model: their evidence beside cases of the model's own making, and their conflicts.

Two references, both simulated for the same findings known, with a fixed seed: cases of any cause, and cases of the
causes that the findings point to (Gelman, Meng and Stern, Posterior predictive assessment of model fitness via
realized discrepancies, 1996). The straw model, in which all findings are independent, gives the measure of conflict
(Jensen, Chamberlain, Nordahl and Jensen, Analysis in HUGIN of data conflict, 1990). NumPy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from legdx.evidence import Evidence
from legdx.inference.engine import Posterior, infer_block
from legdx.inference.tables import Array, Tables
from legdx.model.spec import Spec

__all__ = ["Conflict", "Surprise", "surprise"]

_CASES = 500
_BLOCKS = 2
_SEED = 20240229
# The usual level at which an observation is called unusual (Fisher, Statistical methods for research workers, 1925).
_LEVEL = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """A finding that the rest of the findings make less probable than it is without them, and by how much.

    ``bits`` is log2 P(finding) / P(finding | the rest); ``with_findings`` those that it goes with less often than
    chance under the model, all causes taken together, the worst first.
    """

    finding: str
    state: str
    bits: float
    with_findings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Surprise:
    """How the findings of one person compare with what the model would produce.

    ``share`` is the share of simulated cases, of any cause, that are as improbable as this one; ``fit`` the share of
    simulated patients with the named causes, in proportion to their posterior, whose findings fit their cause as
    badly as these do. ``conflict`` is Jensen's measure in bits, over 0 where the findings are less probable together
    than if they were independent. ``catch_all`` is the posterior of the cause that stands for all that the model does
    not name, and ``outside`` is catch_all + (1 - catch_all) (1 - fit): no probability, but an index from 0 to 1.

    >>> import legdx
    >>> surprise = legdx.rank({"reflexes": "brisk", "muscle_tone": "spastic", "plantar_response": "extensor"}).surprise
    >>> surprise.conflict < 0, surprise.is_outside
    (True, False)
    """

    log_evidence: float
    share: float
    fit: float
    conflict: float
    conflicts: tuple[Conflict, ...]
    catch_all: float
    outside: float
    text: str

    @property
    def is_outside(self) -> bool:
        """Whether the case is one that the model does not seem to hold: ``outside`` is 0.95 or more."""
        return self.outside >= 1.0 - _LEVEL


def surprise(spec: Spec, tables: Tables, evidence: Evidence, setting: int, posterior: Posterior) -> Surprise:
    """Compare the findings known for certain with what the model itself would produce.

    Virtual evidence counts for the posterior of the causes and is otherwise left out: the model does not say how
    vague statements come about.
    """
    hard = Evidence(evidence.vocabulary, evidence.rows)
    log_evidence = float(infer_block(tables, [hard], [setting]).log_evidence[0])
    is_named = np.array([id != spec.manifest.catch_all for id in tables.causes])
    named = posterior.probability * is_named
    share, fit = 1.0, 1.0
    if evidence.rows:
        rng = np.random.default_rng(_SEED)
        share = _share_as_improbable(tables, evidence, setting, log_evidence, rng)
        fit = _share_fitting_as_badly(tables, evidence, named, rng) if named.any() else 0.0
    conflict, conflicts = _conflicts(tables, hard, setting, log_evidence)
    catch_all = float(posterior.probability[~is_named].sum())
    outside = catch_all + (1.0 - catch_all) * (1.0 - fit)
    return Surprise(
        log_evidence=log_evidence,
        share=share,
        fit=fit,
        conflict=conflict,
        conflicts=conflicts,
        catch_all=catch_all,
        outside=outside,
        text=_text(share, fit, conflict, conflicts, outside),
    )


def _share_as_improbable(
    tables: Tables, evidence: Evidence, setting: int, log_evidence: float, rng: np.random.Generator
) -> float:
    """The share of cases drawn from the model, the same findings known, whose evidence is no more probable."""
    rows, _ = _draw(tables, evidence, tables.prior[setting], rng)
    # In blocks, so that no product is large enough for the threads of BLAS, which cost more than they save here.
    logs = np.concatenate([_log_likelihood(tables, evidence, block) for block in np.split(rows, _BLOCKS)])
    peak, weights = _scaled(tables.log_prior[setting] + logs)
    return _tail(peak[:, 0] + np.log(weights.sum(axis=1)), log_evidence)


def _share_fitting_as_badly(tables: Tables, evidence: Evidence, probability: Array, rng: np.random.Generator) -> float:
    """The share of patients drawn from the posterior whose new findings are no more probable given their cause."""
    rows, cause = _draw(tables, evidence, probability, rng)
    said = np.array([evidence.rows], dtype=np.intp)
    own = _own_log_likelihood(tables, evidence, said, cause)
    return _tail(_own_log_likelihood(tables, evidence, rows, cause) - own, 0.0)


def _tail(logs: Array, bound: float) -> float:
    # One is added above and below, for the case itself, so that no share is 0 (Davison and Hinkley, Bootstrap
    # methods and their application, 1997, section 4.2). Rounding must not part what is equal.
    return float((1 + np.count_nonzero(logs <= bound + 1e-9)) / (1 + len(logs)))


def _draw(
    tables: Tables, evidence: Evidence, probability: Array, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Cases with the same findings known: the row of each finding, (cases, findings), and the cause, (cases,)."""
    cause = _pick(np.repeat(probability[:, None], _CASES, axis=1), rng)
    states: dict[int, npt.NDArray[np.intp]] = {0: cause}
    drawn = []
    for row in evidence.rows:
        i = evidence.vocabulary.finding_of_row[row]
        first = tables.columns[i].start
        if first not in states:
            of = slice(first - len(tables.causes), tables.columns[i].stop - len(tables.causes))
            states[first] = first + _pick(tables.mechanism[of].take(cause, axis=1), rng)
        size = len(evidence.vocabulary.findings[i].states)
        table = tables.likelihood[tables.start[i] : tables.start[i] + size]
        drawn.append(tables.start[i] + _pick(table.take(states[first], axis=1), rng))
    return np.array(drawn).T, cause


def _pick(weights: Array, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """One state for each column of weights."""
    cumulated = weights.cumsum(axis=0)
    picked: npt.NDArray[np.intp] = (rng.random(weights.shape[1]) * cumulated[-1] >= cumulated[:-1]).sum(axis=0)
    return picked


def _by_parent(tables: Tables, evidence: Evidence, rows: npt.NDArray[np.intp]) -> dict[int, Array]:
    """log P(findings of a parent | its state), (cases, states), by the parent's first column; the cause's is 0."""
    parts: dict[int, Array] = {0: np.zeros((len(rows), len(tables.causes)))}
    for k, row in enumerate(evidence.rows):
        columns = tables.columns[evidence.vocabulary.finding_of_row[row]]
        parts[columns.start] = parts.get(columns.start, 0.0) + tables.log_likelihood[rows[:, k], columns]
    return parts


def _log_likelihood(tables: Tables, evidence: Evidence, rows: npt.NDArray[np.intp]) -> Array:
    """log P(findings | cause), (cases, C), of cases in which the same findings are known."""
    parts = _by_parent(tables, evidence, rows)
    logs = parts.pop(0)
    for first, part in parts.items():
        peak, weights = _scaled(part)
        with np.errstate(divide="ignore"):
            logs += np.log(weights @ tables.mechanism[_states(tables, first, part)]) + peak
    return logs


def _own_log_likelihood(
    tables: Tables, evidence: Evidence, rows: npt.NDArray[np.intp], cause: npt.NDArray[np.intp]
) -> Array:
    """log P(findings | own cause), (cases,); the findings are of one case for all, or of one a cause."""
    parts = _by_parent(tables, evidence, rows)
    logs = np.broadcast_to(parts.pop(0), (len(cause), len(tables.causes)))[np.arange(len(cause)), cause]
    for first, part in parts.items():
        peak, weights = _scaled(part)
        own = tables.mechanism[_states(tables, first, part)].take(cause, axis=1).T
        with np.errstate(divide="ignore"):
            logs = logs + np.log((weights * own).sum(axis=1)) + peak[:, 0]
    return logs


def _states(tables: Tables, first: int, part: Array) -> slice:
    return slice(first - len(tables.causes), first - len(tables.causes) + part.shape[1])


def _scaled(logs: Array) -> tuple[Array, Array]:
    """The largest of each line, and the exponentials in proportion to it."""
    peak = logs.max(axis=1, keepdims=True)
    return peak, np.exp(logs - np.where(np.isfinite(peak), peak, 0.0))


def _conflicts(
    tables: Tables, evidence: Evidence, setting: int, log_evidence: float
) -> tuple[float, tuple[Conflict, ...]]:
    """Jensen's measure over all findings, and its trace: each finding that is in conflict with the rest."""
    if not evidence.rows:
        return 0.0, ()
    each = tables.likelihood[np.array(evidence.rows, dtype=np.intp)]
    alone, pairs = _alone_and_in_pairs(tables, each, tables.prior[setting])
    vocabulary, rows = evidence.vocabulary, evidence.rows
    without = [Evidence(vocabulary, rows[:k] + rows[k + 1 :]) for k in range(len(rows))]
    rest = infer_block(tables, without, [setting] * len(rows)).log_evidence
    bits = (np.log(alone) - (log_evidence - rest)) / math.log(2.0)
    clash = np.log2(alone[:, None] * alone) - np.log2(np.maximum(pairs, np.finfo(float).tiny))
    found = []
    for k in np.argsort(-bits, kind="stable").tolist():
        others = [j for j in np.argsort(-clash[k], kind="stable").tolist() if j != k and clash[k, j] > 1e-9]
        if bits[k] > 1e-9 and others:
            finding, state = vocabulary.row_name(rows[k])
            names = tuple(vocabulary.row_name(rows[j])[0] for j in others)
            found.append(Conflict(finding=finding, state=state, bits=float(bits[k]), with_findings=names))
    return float((np.log(alone).sum() - log_evidence) / math.log(2.0)), tuple(found)


def _alone_and_in_pairs(tables: Tables, each: Array, prior: Array) -> tuple[Array, Array]:
    """P(finding) of each row of the likelihood, and P(both) of each two, before anything is known."""
    n_causes = len(tables.causes)
    on_mechanism = each[:, n_causes:]
    given_cause = each[:, :n_causes] + on_mechanism @ tables.mechanism
    pairs = (given_cause * prior) @ given_cause.T
    # Two findings of one mechanism depend on each other under each cause too.
    same = (on_mechanism > 0).astype(float) @ (on_mechanism > 0).T > 0
    together = (on_mechanism * (tables.mechanism @ prior)) @ on_mechanism.T
    return given_cause @ prior, np.where(same, together, pairs)


def _text(share: float, fit: float, conflict: float, conflicts: tuple[Conflict, ...], outside: float) -> str:
    parts = [
        f"Of cases that the model itself would produce with these findings known, {share:.0%} are as improbable; "
        f"of patients with its named causes, in the proportions found here, {fit:.0%} fit them as badly.",
        f"Conflict of the findings: {conflict:+.1f} bits.",
    ]
    if conflicts:
        worst = conflicts[0]
        others = ", ".join(name.replace("_", " ") for name in worst.with_findings[:3])
        said = f"{worst.finding.replace('_', ' ')} = {worst.state.replace('_', ' ')}"
        parts.append(f"Least in keeping with the rest: {said} ({worst.bits:+.1f} bits), at odds with {others}.")
    if outside >= 1.0 - _LEVEL:
        parts.append("This case may lie outside the model.")
    return " ".join(parts)
