"""Does time grow in proportion: to the rows up to ten million, to four times the findings, to four times the causes?

The larger networks are the shipped one with its findings, or its causes, four times over. Rows are streamed through one
block of memory, as a cohort is. The peer is pyAgrum's rate on the shipped network in the same run, times the rows.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from importlib.util import find_spec

import numpy as np

import legdx
from _common import Peers, check_lines, fifteen_at_random, median_seconds, microseconds, named, row
from legdx.inference.batch import rank_codes
from legdx.inference.tables import Tables

BLOCK = 250_000


def more_findings(tables: Tables, times: int) -> Tables:
    """The same network with each finding so many times, independent given its parent."""
    n_rows = len(tables.likelihood)
    return replace(
        tables,
        likelihood=np.tile(tables.likelihood, (times, 1)),
        log_likelihood=np.tile(tables.log_likelihood, (times, 1)),
        columns=tables.columns * times,
        start=tuple(first + k * n_rows for k in range(times) for first in tables.start),
    )


def more_causes(tables: Tables, times: int) -> Tables:
    """The same network with each cause so many times, at the same prior divided by as many."""
    n = len(tables.causes)
    shift = (times - 1) * n

    def wider(array: np.ndarray) -> np.ndarray:
        return np.hstack([np.tile(array[:, :n], times), array[:, n:]])

    prior = wider(tables.prior) / times
    return replace(
        tables,
        causes=tuple(f"{id}_{k}" for k in range(times) for id in tables.causes),
        prior=prior,
        log_prior=np.log(prior),
        likelihood=wider(tables.likelihood),
        log_likelihood=wider(tables.log_likelihood),
        columns=tuple(slice(c.start + shift if c.start else 0, c.stop + shift) for c in tables.columns),
        mechanism=wider(tables.mechanism),
        log_mechanism=wider(tables.log_mechanism),
    )  # fmt: skip


def by_size(kernel: str, tables: Tables, codes: np.ndarray) -> None:
    n = len(codes)
    quarter = [np.where(np.arange(codes.shape[1]) % 4 == k, codes, np.int8(-1)) for k in range(4)]
    cases = {
        "as shipped": (tables, codes),
        "findings x4, 15 known": (more_findings(tables, 4), np.concatenate(quarter, axis=1)),
        "findings x4, 60 known": (more_findings(tables, 4), np.concatenate([codes] * 4, axis=1)),
        "causes x4, 15 known": (more_causes(tables, 4), codes),
    }
    base = 0.0
    for name, (larger, given) in cases.items():
        out = np.empty((n, len(larger.causes)))
        median, _ = median_seconds(lambda: rank_codes(larger, given, 0, out=out, kernel=kernel), 5)  # noqa: B023
        base = base or median
        worst = check_lines(larger, given, out, n=50)
        assert worst < 1e-12
        row(f"{kernel}: {name}", f"{n / median / 1e6:.2f} M/s", f"time x{median / base:.2f}; exact to {worst:.0e}")


def by_rows(kernel: str, tables: Tables, codes: np.ndarray, most: int, pyagrum: float) -> None:
    out = np.empty((len(codes), len(tables.causes)))
    each = []
    for n in (most // 100, most // 10, most):
        start = time.perf_counter()
        for first in range(0, n, len(codes)):
            part = codes[: min(len(codes), n - first)]
            rank_codes(tables, part, 0, out=out[: len(part)], kernel=kernel)
        seconds = time.perf_counter() - start
        each.append(seconds / n * 1e6)
        note = f"{each[-1]:.2f} us a row; pyAgrum would take {n / pyagrum / 60:.0f} min"
        row(f"{kernel}: {n:,} rows", f"{seconds:.2f} s", note)
    row(f"{kernel}: time a row, most over fewest rows", f"{each[-1] / each[0]:.2f}", "1 is in proportion")


def main(most: int = 10_000_000) -> None:
    model = legdx.load_model()
    codes = fifteen_at_random(model, BLOCK)
    peers = Peers(model)
    some = [named(model, line) for line in codes[:20]]
    pyagrum = 1e6 / microseconds(lambda: [peers.pyagrum("primary_care", one) for one in some], 1, 5) * len(some)
    row("pyAgrum in a loop", f"{pyagrum:,.0f}/s")
    for kernel in ("numpy", "numba"):
        if find_spec(kernel):
            by_size(kernel, model.tables, codes[:50_000])
            by_rows(kernel, model.tables, codes, most, pyagrum)


if __name__ == "__main__":
    main(*(int(n) for n in sys.argv[1:]))
