"""Are credible intervals and sensitivity functions there while the clinician waits?

Times the intervals of all causes, categories and families, and the sensitivity functions of one cause, for one case
with every finding open, with 15 known and with all known, beside one ranking of the same case in the same run.
Intervals are timed when the draws of their findings are there, and once in a new model, when they are not. The aims:
intervals under 20 ms, sensitivity under 50 ms.
"""

from __future__ import annotations

import random
import timeit
from collections.abc import Callable
from typing import Any

import legdx
from legdx.loaded import Model

AIMS = {"intervals": 20.0, "sensitivity": 50.0}


def milliseconds(function: Callable[[], Any], rounds: int = 15) -> float:
    """The time of one call in the best of some rounds: what the code takes, not what else the machine was doing."""
    return min(timeit.repeat(function, number=1, repeat=rounds)) * 1e3


def report(findings: dict[str, str]) -> None:
    model = legdx.load_model()

    def fresh(model: Model) -> Any:
        return legdx.rank(findings, setting="neurology", model=model)

    one = milliseconds(lambda: fresh(model), 50)
    new = Model(model.spec, model.rules, model.digest)
    fresh(new)
    cold = milliseconds(lambda: fresh(new).causes[0].interval, 1)
    timed = {
        "intervals": lambda: fresh(model).causes[0].interval,
        "sensitivity": lambda: fresh(model).sensitivity("stroke"),
    }
    print(f"{len(findings)} findings known; one ranking {one:.3f} ms; intervals in a new model {cold:.0f} ms")
    for what, function in timed.items():
        time = milliseconds(function) - one
        kept = "kept" if time < AIMS[what] else "missed"
        print(f"  {what:<12} {time:6.2f} ms, {time / one:5.0f} rankings; aim {AIMS[what]:g} ms {kept}")


def main() -> None:
    draw = random.Random(20261121)
    findings = list(legdx.load_model().findings)
    for n in (0, 15, len(findings)):
        report({f.id: draw.choice(f.states) for f in draw.sample(findings, n)})


if __name__ == "__main__":
    main()
