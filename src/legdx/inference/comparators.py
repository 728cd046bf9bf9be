"""Plainer relatives of the network, against which a validation compares it. NumPy only. Internal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from legdx.inference.tables import Tables

__all__ = ["flattened", "with_uniform_prior"]


def flattened(tables: Tables) -> Tables:
    """The naive Bayes classifier: each finding hangs on the cause with its P(state | cause), mechanisms summed out."""
    n = len(tables.causes)
    likelihood = tables.likelihood[:, :n].copy()
    ends = (*tables.start[1:], len(likelihood))
    for first, end, columns in zip(tables.start, ends, tables.columns, strict=True):
        if columns.start >= n:
            states = slice(columns.start - n, columns.stop - n)
            likelihood[first:end] = tables.likelihood[first:end, columns] @ tables.mechanism[states]
    with np.errstate(divide="ignore"):
        steps = np.log(likelihood)
    return replace(
        tables,
        likelihood=likelihood,
        log_likelihood=steps,
        columns=tuple(slice(0, n) for _ in tables.columns),
        mechanism=np.zeros((0, n)),
        log_mechanism=np.zeros((0, n)),
        mechanism_start=np.zeros(0, np.intp),
        mechanism_of_state=np.zeros(0, np.intp),
        membership=np.zeros((0, 0)),
        steepest=0.0,
    )


def with_uniform_prior(tables: Tables) -> Tables:
    """The same network with every cause as likely as any other, in every setting."""
    prior = np.full_like(tables.prior, 1.0 / len(tables.causes))
    return replace(tables, prior=prior, log_prior=np.log(prior))
