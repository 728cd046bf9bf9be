"""What the benchmarks share: cases, peers on the same exported network, timing, and what the machine can do at most."""

from __future__ import annotations

import os
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import legdx
from legdx.evidence import Evidence
from legdx.inference.engine import infer
from legdx.interop.pgmpy import export
from legdx.loaded import Model

__all__ = [
    "FIFTEEN", "Peers", "check_lines", "copy_rate", "fifteen_at_random", "matrix_rate", "median_seconds",
    "microseconds", "n_cores", "named", "row",
]  # fmt: skip

FIFTEEN = {
    "age_band": "older_adult", "sex": "male", "diabetes": "present", "cardiovascular_risk": "present",
    "onset_speed": "subacute", "course": "progressive", "laterality": "bilateral_symmetric",
    "weakness_extent": "legs_only", "low_back_pain": "present", "numbness_or_tingling": "present",
    "saddle_numbness": "absent", "bladder_change": "none", "fever": "absent", "reflexes": "reduced_or_absent",
    "potassium": "normal",
}  # fmt: skip


def n_cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def microseconds(function: Callable[[], Any], number: int, rounds: int = 15) -> float:
    """The time of one call in the best of some rounds: what the code takes, not what else the machine was doing."""
    return min(timeit.repeat(function, number=number, repeat=rounds)) / number * 1e6


def median_seconds(function: Callable[[], Any], rounds: int = 7) -> tuple[float, float]:
    """The median and the best time of some calls, after one that is not counted."""
    function()
    times = timeit.repeat(function, number=1, repeat=rounds)
    return float(np.median(times)), min(times)


def fifteen_at_random(model: Model, n: int, known: int = 15) -> np.ndarray:
    """Cases (n, F) with so many findings known, both findings and states drawn uniformly; -1 is unknown."""
    rng = np.random.default_rng(20261121)
    n_states = np.array([len(f.states) for f in model.findings])
    codes = np.full((n, len(n_states)), -1, np.int8)
    for first in range(0, n, 100_000):
        block = codes[first : first + 100_000]
        where = np.argpartition(rng.random(block.shape, dtype=np.float32), known, axis=1)[:, :known]
        np.put_along_axis(block, where, (rng.random(where.shape) * n_states[where]).astype(np.int8), axis=1)
    return codes


def named(model: Model, line: np.ndarray) -> dict[str, str]:
    """One line of codes as `rank` takes it."""
    return {f.id: f.states[code] for f, code in zip(model.findings, line, strict=True) if code >= 0}


def check_lines(tables: Any, codes: np.ndarray, probability: np.ndarray, setting: int = 0, n: int = 200) -> float:
    """The largest difference from the single-case engine, over lines spread over the whole table."""
    start, worst = np.array(tables.start), 0.0
    vocabulary = legdx.load_model().vocabulary
    for k in np.linspace(0, len(codes) - 1, n).astype(int):
        rows = tuple((start + codes[k])[codes[k] >= 0].tolist())
        one = infer(tables, Evidence(vocabulary, rows), setting).probability
        worst = max(worst, float(np.abs(one - probability[k]).max()))
    return worst


class Peers:
    """pgmpy's variable elimination and pyAgrum's lazy propagation, both asked only for the cause."""

    def __init__(self, model: Model) -> None:
        import pyagrum
        from pgmpy.inference import VariableElimination

        self.eliminate = VariableElimination(model.to_pgmpy())
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.bifxml"
            export(model, "xmlbif", file)
            network = pyagrum.loadBN(str(file))
        self.propagate = pyagrum.LazyPropagation(network)
        self.propagate.setTargets({"cause"})
        self.labels = network.variable("cause").labels()

    def pgmpy(self, setting: str, findings: dict[str, str]) -> dict[str, float]:
        """P(cause | findings) by pgmpy."""
        answer = self.eliminate.query(["cause"], evidence={"setting": setting, **findings}, show_progress=False)
        return dict(zip(answer.state_names["cause"], answer.values.tolist(), strict=True))

    def pyagrum(self, setting: str, findings: dict[str, str]) -> dict[str, float]:
        """P(cause | findings) by pyAgrum."""
        self.propagate.setEvidence({"setting": setting, **findings})
        self.propagate.makeInference()
        return dict(zip(self.labels, self.propagate.posterior("cause").tolist(), strict=True))


def matrix_rate(size: int = 1024) -> float:
    """Floating-point operations a second of a float64 matrix product, all cores, best of ten."""
    a = np.ones((size, size))
    return 2 * size**3 / min(timeit.repeat(lambda: a @ a, number=1, repeat=10))


def copy_rate(megabytes: int = 256) -> float:
    """Bytes a second that a copy writes, on one core, best of five."""
    source = np.ones(megabytes * 2**20 // 8)
    target = np.empty_like(source)
    best = min(timeit.repeat(lambda: np.copyto(target, source), number=1, repeat=5))
    return source.nbytes / best


def row(what: str, value: str, note: str = "") -> None:
    """Print one line of a table."""
    print(f"{what:<44} {value:>16}  {note}".rstrip())
