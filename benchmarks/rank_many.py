"""How many cases a second, all posteriors written, beside pgmpy and pyAgrum in a loop and what the machine can do?

Cases have 15 findings known, drawn at random. The bounds are those of the obvious way, one product of a one-hot matrix
with the whole table (at the measured rate of a matrix product), and of moving the data alone (at the measured rate of a
copy). The aims are a million cases a second with NumPy, five million compiled.
"""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec

import numpy as np

import legdx
from _common import (
    Peers,
    check_lines,
    copy_rate,
    fifteen_at_random,
    matrix_rate,
    median_seconds,
    microseconds,
    n_cores,
    named,
    row,
)  # fmt: skip
from legdx.inference.batch import rank_codes


def main(n: int = 400_000) -> None:
    model = legdx.load_model()
    tables, codes = model.tables, fifteen_at_random(model, n)
    n_causes = len(tables.causes)
    peers = Peers(model)
    some = [named(model, line) for line in codes[:20]]
    pyagrum = 1e6 / microseconds(lambda: [peers.pyagrum("primary_care", one) for one in some], 1, 5) * len(some)
    pgmpy = 1e6 / microseconds(lambda: [peers.pgmpy("primary_care", one) for one in some], 1, 5) * len(some)
    row("pyAgrum in a loop", f"{pyagrum:,.0f}/s")
    row("pgmpy in a loop", f"{pgmpy:,.0f}/s")
    as_product = matrix_rate() / (2 * tables.likelihood.shape[0] * n_causes)
    as_copy = copy_rate() / (8 * n_causes + codes.shape[1] + 8)
    row("bound: one-hot matrix product", f"{as_product / 1e6:.2f} M/s", "float64, all cores")
    row("bound: moving the data", f"{as_copy / 1e6:.2f} M/s", "float64, one core")
    for kernel in ("numpy", "numba"):
        if find_spec(kernel) is None:
            row(f"{kernel} is not installed", "-")
            continue
        for dtype in (np.float64, np.float32):
            out = np.empty((n, n_causes), dtype)
            for threads in sorted({1, n_cores()}):
                median, best = median_seconds(
                    lambda: rank_codes(tables, codes, 0, dtype=dtype, threads=threads, out=out, kernel=kernel)  # noqa: B023
                )
                before = time.process_time()
                rank_codes(tables, codes, 0, dtype=dtype, threads=threads, out=out, kernel=kernel)
                processor = n / (time.process_time() - before)
                rate = n / median
                note = f"best {n / best / 1e6:.2f}, {processor / 1e6:.2f} a second of one processor; "
                note += f"{rate / pyagrum:,.0f} x pyAgrum, {rate / pgmpy:,.0f} x pgmpy"
                row(f"{kernel}, {np.dtype(dtype).name}, {threads} thread(s)", f"{rate / 1e6:.2f} M/s", note)
            worst = check_lines(tables, codes, out)
            row("  largest difference from the single case", f"{worst:.1e}")
            assert worst < (1e-12 if dtype is np.float64 else 1e-5)
    expected = peers.pyagrum("primary_care", some[0])
    first = dict(zip(tables.causes, rank_codes(tables, codes[:1], 0)[0][0].tolist(), strict=True))
    worst = max(abs(first[id] - p) for id, p in expected.items())
    row("largest difference from pyAgrum", f"{worst:.1e}")
    assert worst < 1e-9


if __name__ == "__main__":
    main(*(int(n) for n in sys.argv[1:]))
