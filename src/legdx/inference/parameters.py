"""Every parameter that the evidence of a case touches, and how the probability of each cause moves with it. NumPy only.

Internal. A parameter is meant as it is written in the model: the reporting error is part of how the answer moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from legdx.evidence import Evidence
from legdx.inference.tables import Array, finding_table, mechanism_table, softened
from legdx.inference.uncertainty import prior_strength
from legdx.model.fields import Row
from legdx.model.spec import Prior, Spec
from legdx.model.vocabulary import Finding

__all__ = ["Block", "TouchedParameters"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One state of one table: the parameter of each distinct row.

    ``slopes`` is how P(cause, evidence) / P(evidence) moves with each: one line a row; or, where each row moves one
    cause alone, its own slope for each cause.
    """

    values: Array  # (rows,)
    strengths: Array  # (rows,)
    slopes: Array  # (rows, C) or (C,)
    rows: Sequence[Row | Prior]
    form: str  # of the parameter's name
    parents: Sequence[tuple[str, str]]  # of each row: what goes into the form, and where it is written

    def named(self, k: int) -> tuple[str, str]:
        """The parameter of a row, and where it is written."""
        return self.form.format(self.parents[k][0]), self.parents[k][1]

    def slope(self, k: int, cause: int) -> tuple[float, float]:
        """How the parameter of a row moves one cause, and all together."""
        if self.slopes.ndim == 1:
            return float(self.slopes[k] * (k == cause)), float(self.slopes[k])
        return float(self.slopes[k, cause]), float(self.slopes[k].sum())

    def derivatives(self, posterior: Array, cause: int) -> Array:
        """The derivative of the posterior of a cause by each parameter."""
        if self.slopes.ndim == 1:
            found: Array = -posterior[cause] * self.slopes
            found[cause] += self.slopes[cause]
        else:
            found = self.slopes[:, cause] - posterior[cause] * self.slopes.sum(axis=1)
        return found


class TouchedParameters:
    """The evidence of one case, term by term: the prior, each finding that hangs on the cause, each mechanism."""

    def __init__(self, spec: Spec, evidence: Evidence, setting: int) -> None:
        self.spec = spec
        self.setting = tuple(spec.manifest.settings)[setting]
        self.prior = np.array([cause.prior[self.setting].p for cause in spec.causes])
        numbers = {m.id: k for k, m in enumerate(spec.mechanisms)}
        stated: dict[int | None, list[_Stated]] = {None: []}
        for index, likelihood in _likelihoods(evidence):
            finding = spec.vocabulary.findings[index]
            number = numbers.get(finding.parent)
            table = finding_table(finding, spec.causes, None if number is None else spec.mechanisms[number])
            stated.setdefault(number, []).append(
                _Stated(finding, likelihood, table, spec.manifest.reporting_error[finding.kind])
            )
        self.direct = stated.pop(None)
        self.mechanisms = [_Latent(spec, cast(int, number), said) for number, said in stated.items()]
        terms = [_log(self.prior), *(s.log for s in self.direct), *(m.log for m in self.mechanisms)]
        total = np.sum(terms, axis=0)
        log_evidence = np.logaddexp.reduce(total)
        self.posterior: Array = np.exp(total - log_evidence)
        # P(cause, all but this term) / P(evidence); the bound keeps a model without reporting error finite.
        self.without = np.exp(np.minimum(_all_but_one(np.array(terms)) - log_evidence, 600.0))

    def blocks(self) -> Iterator[Block]:
        """Every parameter that the evidence touches."""
        yield self._priors()
        direct = self.without[1 : 1 + len(self.direct)]
        for stated, without in zip(self.direct, direct, strict=True):
            yield from self._cause_rows(stated, without)
        for latent, without in zip(self.mechanisms, self.without[1 + len(self.direct) :], strict=True):
            yield from self._mechanism_rows(latent, without)
            yield from self._mechanism_tables(latent, without)

    def _priors(self) -> Block:
        priors = [cause.prior[self.setting] for cause in self.spec.causes]
        inside = self.prior < 1.0
        rest = np.where(inside, 1.0 - self.prior, 1.0)
        slopes: Array = -self.posterior / rest[:, None]
        np.fill_diagonal(slopes, self.without[0])
        slopes[~inside] = 0.0
        return Block(
            values=self.prior,
            slopes=slopes,
            strengths=np.array([prior_strength(prior) for prior in priors]),
            rows=priors,
            form="P({})",
            parents=[
                (f"{c.id} | {self.setting}", f"causes/{c.id}.toml: prior.{self.setting}") for c in self.spec.causes
            ],
        )

    def _cause_rows(self, stated: _Stated, without: Array) -> Iterator[Block]:
        finding = stated.finding
        own = [cause.findings.get(finding.id) for cause in self.spec.causes]
        places = [(c.id, f"causes/{c.id}.toml: findings.{finding.id}") for c in self.spec.causes]
        rows = _Rows(own, places, finding.background, f"findings.toml: {finding.id}.background")
        for state in stated.states:
            slope = without * _row_slope(stated.table, stated.likelihood, state, stated.error)
            yield rows.block(f"{finding.id} = {finding.states[state]}", stated.table[:, state], slope)

    def _mechanism_rows(self, latent: _Latent, without: Array) -> Iterator[Block]:
        mechanism = latent.mechanism
        own = [cause.mechanisms.get(mechanism.id) for cause in self.spec.causes]
        places = [(c.id, f"causes/{c.id}.toml: mechanisms.{mechanism.id}") for c in self.spec.causes]
        rows = _Rows(own, places, mechanism.background, f"mechanisms.toml: {mechanism.id}.background")
        for state in range(1 if len(mechanism.states) == 2 else 0, len(mechanism.states)):
            slope = without * _row_slope(latent.table, latent.likelihood, state, latent.error)
            yield rows.block(f"{mechanism.id} = {mechanism.states[state]}", latent.table[:, state], slope)

    def _mechanism_tables(self, latent: _Latent, without: Array) -> Iterator[Block]:
        mechanism = latent.mechanism
        reach: Array = without * latent.reported.T  # (S, C)
        for stated, others in zip(latent.stated, latent.without, strict=True):
            finding = stated.finding
            own = [mechanism.findings[finding.id].get(state) for state in mechanism.states]
            table = f"mechanisms.toml: {mechanism.id}.findings.{finding.id}"
            places = [(f"{mechanism.id} = {state}", f"{table}.{state}") for state in mechanism.states]
            rows = _Rows(own, places, finding.background, f"findings.toml: {finding.id}.background")
            for state in stated.states:
                slope = others * _row_slope(stated.table, stated.likelihood, state, stated.error)
                name = f"{finding.id} = {finding.states[state]}"
                yield rows.block(name, stated.table[:, state], slope[:, None] * reach)


class _Rows:
    """The distinct rows of a table: parents without one of their own share the background."""

    def __init__(
        self, own: Sequence[Row | None], places: Sequence[tuple[str, str]], background: Row, where: str
    ) -> None:
        stated = [k for k, row in enumerate(own) if row is not None]
        silent = [k for k, row in enumerate(own) if row is None]
        self._first = stated + silent[:1]
        self._silent = silent
        self._rows = [own[k] or background for k in self._first]
        self._strengths = np.array([row.strength for row in self._rows])
        self._parents = [places[k] for k in stated] + [("background", where)] * bool(silent)

    def block(self, state: str, values: Array, slopes: Array) -> Block:
        """The parameters of one state; slopes are given for each parent, (parents,) or (parents, C)."""
        if self._silent:
            # What several parents share moves for all of them.
            moved = np.diag(slopes) if slopes.ndim == 1 else slopes
            slopes = moved[self._first]
            slopes[-1] = moved[self._silent].sum(axis=0)
        return Block(
            values=values[self._first] if self._silent else values,
            slopes=slopes,
            strengths=self._strengths,
            rows=self._rows,
            form=f"P({state} | {{}})",
            parents=self._parents,
        )


class _Stated:
    """One finding of the case: a likelihood for each state, and what that is under each state of the parent."""

    def __init__(self, finding: Finding, likelihood: Array, table: Array, error: float) -> None:
        self.finding = finding
        self.likelihood = likelihood
        self.table = table
        self.error = error
        self.log = _log(softened(table, error) @ likelihood)
        known: list[int] = np.flatnonzero(likelihood).tolist()
        # A certain finding has one parameter a row; of two states one says it all.
        self.states = known if len(known) == 1 else range(1 if len(likelihood) == 2 else 0, len(likelihood))


class _Latent:
    """One mechanism of the case: the likelihood of its states, and what that is under each cause."""

    def __init__(self, spec: Spec, number: int, stated: list[_Stated]) -> None:
        self.mechanism = spec.mechanisms[number]
        self.stated = stated
        self.error = spec.manifest.reporting_error["mechanism"]
        self.table = mechanism_table(self.mechanism, spec.causes)
        self.reported = softened(self.table, self.error)
        terms = np.array([one.log for one in stated])
        total = terms.sum(axis=0)
        self.likelihood: Array = np.exp(total)
        self.without = np.exp(_all_but_one(terms))
        self.log = _log(self.reported @ self.likelihood)


def _likelihoods(evidence: Evidence) -> Iterator[tuple[int, Array]]:
    vocabulary = evidence.vocabulary
    for row in evidence.rows:
        index = vocabulary.finding_of_row[row]
        likelihood = np.zeros(len(vocabulary.findings[index].states))
        likelihood[row - vocabulary.start[index]] = 1.0
        yield index, likelihood
    for index, values in evidence.virtual:
        yield index, np.array(values)


def _row_slope(table: Array, likelihood: Array, state: int, error: float) -> Array:
    """The derivative of each row's likelihood by the written probability of one state; the others keep proportion."""
    others = likelihood.copy()
    others[state] = 0.0
    rest = 1.0 - table[:, state]
    # Where the others are all 0 they have no proportion to keep, and share alike.
    alike = others.sum() / (len(others) - 1)
    mean = np.where(rest > 0, (table @ others) / np.where(rest > 0, rest, 1.0), alike)
    slope: Array = (1.0 - error) * (likelihood[state] - mean)
    return slope


def _all_but_one(terms: Array) -> Array:
    """The sum of all lines but each, where a line may hold minus infinity."""
    finite = np.isfinite(terms)
    known = np.where(finite, terms, 0.0)
    rest: Array = known.sum(axis=0) - known
    missing = (~finite).sum(axis=0) - ~finite
    return np.where(missing > 0, -np.inf, rest)


def _log(values: Array) -> Array:
    with np.errstate(divide="ignore"):
        log: Array = np.log(values)
    return log
