"""How long and how much memory does it take from a Parquet file to a Parquet file, and does time grow with the rows?

Each run is a process of its own; its memory is the largest that it held. The aim is ten million rows, 15 findings known
in each, within 2 GB. The peer is pyAgrum's rate in a loop in the same run, reading and writing left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import legdx
from _common import Peers, fifteen_at_random, microseconds, named, row

BLOCK = 250_000
RUN = """
import json, resource, sys, time
from legdx.cohort import rank_parquet
start = time.perf_counter()
rank_parquet(sys.argv[1], sys.argv[2], dtype=sys.argv[3])
seconds = time.perf_counter() - start
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def write(model: legdx.Model, codes: np.ndarray, n: int, path: Path) -> None:
    """A Parquet file of n rows with a column a finding: the name of its state, or null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        f.id: pa.DictionaryArray.from_arrays(pa.array(c, pa.int8(), mask=c < 0), pa.array(f.states))
        for f, c in zip(model.findings, codes.T, strict=True)
    }
    table = pa.table(columns)
    with pq.ParquetWriter(path, table.schema) as writer:
        for first in range(0, n, BLOCK):
            writer.write_table(table.slice(0, min(BLOCK, n - first)))


def check(model: legdx.Model, codes: np.ndarray, path: Path) -> float:
    """The largest difference of the first rows of the answer from `rank`."""
    import pyarrow.parquet as pq

    first = next(pq.ParquetFile(path).iter_batches(20)).to_pylist()
    worst = 0.0
    for line, answer in zip(codes, first, strict=False):
        ranking = legdx.rank(named(model, line))
        worst = max(worst, *(abs(answer[c.id] - c.probability) for c in ranking.causes))
        assert answer["urgency"] == ranking.urgency
    return worst


def main(most: int = 10_000_000) -> None:
    model = legdx.load_model()
    codes = fifteen_at_random(model, min(BLOCK, most))
    peers = Peers(model)
    some = [named(model, line) for line in codes[:20]]
    pyagrum = 1e6 / microseconds(lambda: [peers.pyagrum("primary_care", one) for one in some], 1, 5) * len(some)
    each = []
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.parquet", Path(folder) / "out.parquet"
        for n, dtype in ((most // 10, "float64"), (most // 10, "float32"), (most, "float64")):
            write(model, codes, n, source)
            run = [sys.executable, "-c", RUN, str(source), str(target), dtype]
            seconds, megabytes = json.loads(subprocess.check_output(run, text=True))
            worst = check(model, codes, target)
            assert worst < (1e-12 if dtype == "float64" else 1e-5)
            size = target.stat().st_size / 1e6
            note = f"{n / seconds:,.0f} rows/s, {n / seconds / pyagrum:.0f} x pyAgrum; {megabytes:.0f} MB held"
            row(f"{n:,} rows, {dtype}", f"{seconds:.1f} s", f"{note}, {size:.0f} MB written")
            each.append(seconds / n)
    row("time a row, most over a tenth of the rows", f"{each[-1] / each[0]:.2f}", "1 is in proportion")


if __name__ == "__main__":
    main(*(int(n) for n in sys.argv[1:]))
