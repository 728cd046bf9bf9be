"""What does it cost to start: `import legdx`, and up to the first ranking, beside `import numpy` in the same run?

Each is a new process; the time of an empty one is taken off. The aim is an import no dearer than NumPy's own and a
first ranking within three times that.
"""

from __future__ import annotations

import subprocess
import sys
import timeit

import numpy as np

from _common import row

STARTS = {
    "import numpy": "import numpy",
    "import legdx": "import legdx",
    "import legdx, first red_flags()": "import legdx; legdx.red_flags({'fever': True})",
    "import legdx, first rank()": "import legdx; legdx.rank({'fever': True})",
    "import pyagrum": "import pyagrum",
    "import pgmpy, its network and inference": (
        "from pgmpy.models import DiscreteBayesianNetwork; from pgmpy.inference import VariableElimination"
    ),
}


def seconds(code: str, rounds: int = 7) -> float:
    """The median time of a process that runs the code."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    subprocess.run(command, check=True)
    return float(np.median(timeit.repeat(lambda: subprocess.run(command, check=True), number=1, repeat=rounds)))


def main() -> None:
    empty = seconds("pass")
    times = {name: seconds(code) - empty for name, code in STARTS.items()}
    for name, time in times.items():
        row(name, f"{time * 1e3:.0f} ms", f"{time / times['import numpy']:.2f} x import numpy")
    assert "numba" not in subprocess.check_output(
        [sys.executable, "-c", "import legdx, sys; legdx.rank({}); print(*sys.modules)"], text=True
    )


if __name__ == "__main__":
    main()
