"""From a specification to immutable arrays. NumPy only. Internal.

Symbols: C causes, S states of all mechanisms together, R rows (states of all findings together).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from legdx.model.spec import Cause, Mechanism, Spec
from legdx.model.vocabulary import Finding

__all__ = ["Array", "Tables", "compile_tables", "finding_table", "mechanism_table", "softened"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tables:
    """The compiled network.

    ``likelihood[r, k]`` is P(state of row r | parent state k), where columns 0..C-1 are causes and C..C+S-1 mechanism
    states; ``log_likelihood`` is its logarithm, with 0 in the columns of other parents, so that a sum over rows is the
    log likelihood under every parent at once.
    """

    causes: tuple[str, ...]
    settings: tuple[str, ...]
    prior: Array  # (settings, C)
    log_prior: Array  # (settings, C)
    likelihood: Array  # (R, C + S)
    log_likelihood: Array  # (R, C + S)
    columns: tuple[slice, ...]  # of each finding's parent
    start: tuple[int, ...]  # first row of each finding
    mechanism: Array  # (S, C): P(mechanism state | cause)
    log_mechanism: Array  # (S, C)
    mechanism_start: npt.NDArray[np.intp]  # first state of each mechanism
    mechanism_of_state: npt.NDArray[np.intp]  # (S,)
    membership: Array  # (mechanisms, S): 1 where the state is the mechanism's
    steepest: float  # the largest fall of log likelihood by one row under a mechanism


def compile_tables(spec: Spec) -> Tables:
    """Compile a checked specification; the reporting error is applied here."""
    causes, mechanisms, findings = spec.causes, spec.mechanisms, spec.vocabulary.findings
    n_causes, sizes = len(causes), [len(m.states) for m in mechanisms]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp) if sizes else np.zeros(1, np.intp)
    n_states = int(starts[-1])
    offset = {
        m.id: (n_causes + int(s), n_causes + int(s) + k) for m, s, k in zip(mechanisms, starts, sizes, strict=False)
    }
    by_id = {m.id: m for m in mechanisms}
    likelihood = np.zeros((spec.vocabulary.n_rows, n_causes + n_states))
    steps = np.zeros_like(likelihood)
    columns = []
    for finding, first in zip(findings, spec.vocabulary.start, strict=True):
        low, high = offset.get(finding.parent, (0, n_causes))
        table = softened(
            finding_table(finding, causes, by_id.get(finding.parent)), spec.manifest.reporting_error[finding.kind]
        )
        rows = slice(first, first + len(finding.states))
        likelihood[rows, low:high] = table.T
        with np.errstate(divide="ignore"):
            steps[rows, low:high] = np.log(table.T)
        columns.append(slice(low, high))
    error = spec.manifest.reporting_error["mechanism"]
    by_mechanism = [softened(mechanism_table(m, causes), error).T for m in mechanisms]
    mechanism = np.concatenate(by_mechanism) if by_mechanism else np.zeros((0, n_causes))
    prior = np.array([[c.prior[s].p for c in causes] for s in spec.manifest.settings])
    of_state = np.repeat(np.arange(len(sizes), dtype=np.intp), sizes)
    with np.errstate(divide="ignore"):
        log_mechanism, log_prior = np.log(mechanism), np.log(prior)
    arrays = {
        "prior": prior,
        "log_prior": log_prior,
        "likelihood": likelihood,
        "log_likelihood": steps,
        "mechanism": mechanism,
        "log_mechanism": log_mechanism,
        "mechanism_start": starts[:-1],
        "mechanism_of_state": of_state,
        "membership": (of_state[None, :] == np.arange(len(sizes))[:, None]).astype(np.float64),
    }
    for array in arrays.values():
        array.flags.writeable = False
    return Tables(
        causes=tuple(c.id for c in causes),
        settings=tuple(spec.manifest.settings),
        columns=tuple(columns),
        start=spec.vocabulary.start,
        steepest=float(-steps[:, n_causes:].min(initial=0.0)),
        **arrays,
    )


def softened(table: Array, error: float) -> Array:
    """Mix each row of a table with the uniform distribution, the reporting error being the share of the latter."""
    mixed: Array = (1.0 - error) * table + error / table.shape[1]
    return mixed


def finding_table(finding: Finding, causes: tuple[Cause, ...], mechanism: Mechanism | None) -> Array:
    """P(finding state | parent state) as written: one line a parent state, before the reporting error."""
    background = finding.background
    if mechanism is None:
        rows = [cause.findings.get(finding.id, background) for cause in causes]
    else:
        rows = [mechanism.findings[finding.id].get(state, background) for state in mechanism.states]
    return _normalised([row.p for row in rows])


def mechanism_table(mechanism: Mechanism, causes: tuple[Cause, ...]) -> Array:
    """P(mechanism state | cause): one line a cause."""
    background = mechanism.background
    return _normalised([cause.mechanisms.get(mechanism.id, background).p for cause in causes])


def _normalised(rows: list[tuple[float, ...]]) -> Array:
    # The rows sum to 1 within 1e-9 by law; what is left of that must not reach the posterior.
    table = np.array(rows)
    normalised: Array = table / table.sum(axis=1, keepdims=True)
    return normalised
