"""Learns the parameters of a model from diagnosed cases: Dirichlet updates, EM for what is not observed. NumPy only.

Internal. Each row is a Dirichlet distribution with strength * p as pseudo-counts, to which each case adds what it
shows. Mechanisms are never observed, and behind a reported state stands a true one; for both, the expected counts given
the case stand in, until they agree with the parameters that they lead to (Lauritzen, The EM algorithm for graphical
association models with missing data, Comput Stat Data Anal 1995;19:191-201). A finding that a case does not have says
nothing: it is taken to be missing at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from legdx.evidence import Evidence
from legdx.inference.tables import Array, finding_table, mechanism_table, softened
from legdx.model.fields import Row
from legdx.model.spec import Cause, Mechanism, Prior, Spec
from legdx.model.vocabulary import Finding

__all__ = ["SOURCE", "Diagnosed", "Learned", "MovedRow", "learn"]

# The key under which a learned row names its cases.
SOURCE = "diagnosed_cases"
_TOLERANCE = 1e-8
_MOST_STEPS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosed:
    """One case: the number of its cause, that of its setting or None, and what was found."""

    cause: int
    setting: int | None
    evidence: Evidence


@dataclass(frozen=True, kw_only=True, slots=True)
class MovedRow:
    """One row that the cases bear on: what it was, what it has become, and how many cases say so.

    ``shift`` is the total variation distance of the two: the largest change of the probability of any set of states.
    """

    parameter: str
    where: str
    states: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    strength_before: float
    strength_after: float
    cases: float
    shift: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """A new specification, the rows that have moved, most first, and how many steps the slowest table took."""

    spec: Spec
    moved: tuple[MovedRow, ...]
    steps: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    """A table under learning: its rows as they were and as they are, and what the cases have added."""

    before: Array  # (parents, states)
    strength: Array  # (parents,)
    error: float
    after: Array
    counts: Array  # expected cases in each state
    worth: Array  # (parents,) what those cases are worth as complete ones


def learn(spec: Spec, cases: Sequence[Diagnosed], weight: float) -> Learned:
    """Update every row that the cases bear on; each case is worth `weight` patients."""
    moved: list[MovedRow] = []
    causes, steps = list(spec.causes), 1
    for index, finding in enumerate(spec.vocabulary.findings):
        if finding.parent == "cause":
            observed = _observed(cases, [index])
            if len(observed[0]):
                table, taken = _learn_finding(spec, finding, observed, weight)
                moved += _put_in_causes(causes, finding, "findings", table)
                steps = max(steps, taken)
    mechanisms = []
    for mechanism in spec.mechanisms:
        hanging = [k for k, f in enumerate(spec.vocabulary.findings) if f.parent == mechanism.id]
        observed = _observed(cases, hanging)
        if len(observed[0]):
            own, tables, taken = _learn_mechanism(spec, mechanism, hanging, observed, weight)
            moved += _put_in_causes(causes, mechanism, "mechanisms", own)
            learned, rows = _put_in_mechanism(spec, mechanism, hanging, tables)
            mechanisms.append(learned)
            moved += rows
            steps = max(steps, taken)
        else:
            mechanisms.append(mechanism)
    moved += _learn_priors(spec, causes, cases, weight)
    moved.sort(key=lambda row: (-row.shift, row.where))
    return Learned(
        spec=replace(spec, causes=tuple(causes), mechanisms=tuple(mechanisms)), moved=tuple(moved), steps=steps
    )


def _observed(cases: Sequence[Diagnosed], findings: Sequence[int]) -> tuple[npt.NDArray[np.intp], list[Array]]:
    """The causes of the cases in which any of the findings is known, and their likelihoods by state of each finding."""
    wanted = set(findings)
    said: list[dict[int, Sequence[float]]] = []
    parents = []
    for case in cases:
        vocabulary = case.evidence.vocabulary
        known: dict[int, Sequence[float]] = {i: values for i, values in case.evidence.virtual if i in wanted}
        for row in case.evidence.rows:
            i = vocabulary.finding_of_row[row]
            if i in wanted:
                state = row - vocabulary.start[i]
                known[i] = [float(s == state) for s in range(len(vocabulary.findings[i].states))]
        if known:
            said.append(known)
            parents.append(case.cause)
    sizes = {i: len(cases[0].evidence.vocabulary.findings[i].states) for i in findings} if cases else {}
    likelihoods = [np.array([known.get(i, [1.0] * sizes[i]) for known in said]) for i in findings]
    return np.array(parents, dtype=np.intp), likelihoods


def _learn_finding(
    spec: Spec, finding: Finding, observed: tuple[npt.NDArray[np.intp], list[Array]], weight: float
) -> tuple[_Table, int]:
    parents, (likelihood,) = observed
    rows = [cause.findings.get(finding.id, finding.background) for cause in spec.causes]
    table = _fresh(finding_table(finding, spec.causes, None), rows, spec.manifest.reporting_error[finding.kind])
    for _step in range(_MOST_STEPS):
        share, known = _true_state(table.after[parents], likelihood, table.error)
        new = _updated(table, *_by_parent(table, parents, weight * share, weight * known))
        moved = float(np.abs(new.after - table.after).max())
        table = new
        if moved < _TOLERANCE:
            break
    return table, _step + 1


def _learn_mechanism(
    spec: Spec,
    mechanism: Mechanism,
    hanging: Sequence[int],
    observed: tuple[npt.NDArray[np.intp], list[Array]],
    weight: float,
) -> tuple[_Table, list[_Table], int]:
    parents, likelihoods = observed
    own = _fresh(
        mechanism_table(mechanism, spec.causes),
        [cause.mechanisms.get(mechanism.id, mechanism.background) for cause in spec.causes],
        spec.manifest.reporting_error["mechanism"],
    )
    tables = []
    for index in hanging:
        finding = spec.vocabulary.findings[index]
        rows = [mechanism.findings[finding.id].get(s, finding.background) for s in mechanism.states]
        written = finding_table(finding, spec.causes, mechanism)
        tables.append(_fresh(written, rows, spec.manifest.reporting_error[finding.kind]))
    for _step in range(_MOST_STEPS):
        new_own, new_tables = _mechanism_step(own, tables, parents, likelihoods, weight)
        pairs = zip([own, *tables], [new_own, *new_tables], strict=True)
        moved = max(float(np.abs(new.after - old.after).max()) for old, new in pairs)
        own, tables = new_own, new_tables
        if moved < _TOLERANCE:
            break
    return own, tables, _step + 1


def _mechanism_step(
    own: _Table, tables: Sequence[_Table], parents: npt.NDArray[np.intp], likelihoods: Sequence[Array], weight: float
) -> tuple[_Table, list[_Table]]:
    """One step of EM: expected counts of the mechanism's states, and of each finding's states under each of them."""
    by_state = [known @ softened(table.after, table.error).T for table, known in zip(tables, likelihoods, strict=True)]
    likelihood: Array = np.prod(by_state, axis=0)
    likelihood /= likelihood.max(axis=1, keepdims=True)
    shown = softened(own.after, own.error)[parents] * likelihood
    shown /= shown.sum(axis=1, keepdims=True)
    share, known = _true_state(own.after[parents], likelihood, own.error)
    new_own = _updated(own, *_by_parent(own, parents, weight * share, weight * known))
    new_tables = []
    for table, said in zip(tables, likelihoods, strict=True):
        given = (said != said[:, :1]).any(axis=1)
        belongs = weight * shown[given]
        share, known = _true_state(table.after, said[given, None, :], table.error)  # (cases, S, states)
        # A case that belongs to a state by a share r tells r^2 of what it would if it were known to.
        worth = (belongs * shown[given] * known).sum(axis=0)
        new_tables.append(_updated(table, np.einsum("ns,nsk->sk", belongs, share), worth))
    return new_own, new_tables


def _true_state(p: Array, likelihood: Array, error: float) -> tuple[Array, Array]:
    """The probability of each true state given what was reported, and the share of a complete case's information in it.

    The share is the ratio of the squared scores of the incomplete and the complete case, summed in the metric of the
    multinomial (the missing information principle: Orchard and Woodbury 1972; Louis, J R Stat Soc B 1982;44:226-233):
    1 where the state is certain, 0 where the report says nothing.
    """
    reported = (1.0 - error) * likelihood + error / likelihood.shape[-1] * likelihood.sum(axis=-1, keepdims=True)
    share = p * reported
    total = share.sum(axis=-1, keepdims=True)
    # What the model holds impossible and a case shows all the same, is taken as shown.
    share = np.where(total > 0, share, likelihood) / np.where(total > 0, total, likelihood.sum(axis=-1, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(share > 0, share / p, 0.0)
        known = ((share * ratio).sum(axis=-1) - 1.0) / (ratio.sum(axis=-1) - 1.0)
    return share, np.clip(np.nan_to_num(known, nan=1.0, posinf=1.0), 0.0, 1.0)


def _fresh(p: Array, rows: Sequence[Row], error: float) -> _Table:
    strength = np.array([row.strength for row in rows])
    return _Table(
        before=p, strength=strength, error=error, after=p, counts=np.zeros_like(p), worth=np.zeros_like(strength)
    )


def _by_parent(table: _Table, parents: npt.NDArray[np.intp], shares: Array, worth: Array) -> tuple[Array, Array]:
    """Sum what the cases show over those of each parent."""
    counts = np.zeros_like(table.before)
    np.add.at(counts, parents, shares)
    return counts, np.bincount(parents, worth, len(table.strength)).astype(np.float64)


def _updated(table: _Table, counts: Array, worth: Array) -> _Table:
    """The table whose rows are the posterior means of their Dirichlet distributions, given the expected counts."""
    pseudo = table.before * table.strength[:, None] + counts
    return replace(table, after=pseudo / pseudo.sum(axis=1, keepdims=True), counts=counts, worth=worth)


def _put_in_causes(causes: list[Cause], node: Finding | Mechanism, part: str, table: _Table) -> Iterator[MovedRow]:
    """Write the learned rows; a cause that took the background gets a row of its own."""
    for k, cause in enumerate(causes):
        if table.counts[k].any():
            rows: Mapping[str, Row] = getattr(cause, part)
            old = rows.get(node.id, node.background)
            moved = _moved(
                table, k, f"P({node.id} | {cause.id})", f"causes/{cause.id}.toml: {part}.{node.id}", node.states
            )
            changed = {**rows, node.id: _row(old, moved)}
            causes[k] = replace(cause, findings=changed) if part == "findings" else replace(cause, mechanisms=changed)
            yield moved


def _put_in_mechanism(
    spec: Spec, mechanism: Mechanism, hanging: Sequence[int], tables: Sequence[_Table]
) -> tuple[Mechanism, list[MovedRow]]:
    findings = dict(mechanism.findings)
    found = []
    for index, table in zip(hanging, tables, strict=True):
        finding = spec.vocabulary.findings[index]
        rows = dict(findings[finding.id])
        for k, state in enumerate(mechanism.states):
            if table.counts[k].any():
                where = f"mechanisms.toml: {mechanism.id}.findings.{finding.id}.{state}"
                moved = _moved(table, k, f"P({finding.id} | {mechanism.id} = {state})", where, finding.states)
                rows[state] = _row(rows.get(state, finding.background), moved)
                found.append(moved)
        findings[finding.id] = rows
    return replace(mechanism, findings=findings), found


def _moved(table: _Table, k: int, parameter: str, where: str, states: tuple[str, ...]) -> MovedRow:
    return MovedRow(
        parameter=parameter,
        where=where,
        states=states,
        before=tuple(table.before[k].tolist()),
        after=tuple(table.after[k].tolist()),
        strength_before=float(table.strength[k]),
        strength_after=float(table.strength[k] + table.worth[k]),
        cases=float(table.counts[k].sum()),
        shift=float(np.abs(table.after[k] - table.before[k]).sum() / 2),
    )


def _row(old: Row, moved: MovedRow) -> Row:
    # The counts of the literature are those of the old row alone.
    sources = tuple(dict.fromkeys((*old.sources, SOURCE)))
    return replace(old, p=moved.after, strength=moved.strength_after, sources=sources, counts=None)


def _learn_priors(spec: Spec, causes: list[Cause], cases: Sequence[Diagnosed], weight: float) -> Iterator[MovedRow]:
    """Update the priors of a setting from the cases that name it, in place."""
    for number, setting in enumerate(spec.manifest.settings):
        counts = np.bincount([c.cause for c in cases if c.setting == number], minlength=len(causes)) * weight
        if not counts.any():
            continue
        priors = [cause.prior[setting] for cause in causes]
        before, strength = np.array([prior.p for prior in priors]), np.array([prior.strength for prior in priors])
        # With one strength for all causes this is the Dirichlet update; else each is updated against all others.
        after = (before * strength + counts) / (strength + counts.sum())
        after /= after.sum()
        for k, (cause, prior) in enumerate(zip(causes, priors, strict=True)):
            sources = tuple(dict.fromkeys((*prior.sources, SOURCE)))
            learned = Prior(
                p=float(after[k]), strength=prior.strength + float(counts.sum()), sources=sources, note=prior.note
            )
            causes[k] = replace(cause, prior={**cause.prior, setting: learned})
        yield MovedRow(
            parameter=f"P(cause | {setting})",
            where=f"causes/*.toml: prior.{setting}",
            states=tuple(cause.id for cause in causes),
            before=tuple(before.tolist()),
            after=tuple(after.tolist()),
            strength_before=float(strength.mean()),
            strength_after=float(strength.mean() + counts.sum()),
            cases=float(counts.sum()),
            shift=float(np.abs(after - before).sum() / 2),
        )
