"""How long does one ranking take, beside a bare query of the same network in pgmpy and pyAgrum?

`rank()` reads and checks the findings, evaluates the red-flag rules, and infers; the peers are given evidence that
needs no checking and are asked only for the cause. The aims are a tenth of pyAgrum and a twentieth of pgmpy, and 20
microseconds for the inference alone.
"""

from __future__ import annotations

import legdx
from _common import FIFTEEN, Peers, microseconds, row
from legdx.evidence import parse_evidence
from legdx.inference.engine import infer


def main() -> None:
    model, peers = legdx.load_model(), Peers(legdx.load_model())
    evidence = parse_evidence(model.vocabulary, FIFTEEN)
    ours = {c.id: c.probability for c in legdx.rank(FIFTEEN).causes}
    for name, theirs in (("pgmpy", peers.pgmpy), ("pyAgrum", peers.pyagrum)):
        worst = max(abs(ours[id] - p) for id, p in theirs("primary_care", FIFTEEN).items())
        row(f"largest difference from {name}", f"{worst:.1e}")
        assert worst < 1e-9
    rank = microseconds(lambda: legdx.rank(FIFTEEN), 500)
    parts = {
        "reading the findings": microseconds(lambda: parse_evidence(model.vocabulary, FIFTEEN), 2000),
        "red-flag rules": microseconds(lambda: model.rules.evaluate(evidence), 2000),
        "inference": microseconds(lambda: infer(model.tables, evidence, 0), 2000),
    }
    pyagrum = microseconds(lambda: peers.pyagrum("primary_care", FIFTEEN), 50)
    pgmpy = microseconds(lambda: peers.pgmpy("primary_care", FIFTEEN), 20)
    row("rank(), 15 findings", f"{rank:.1f} us")
    for name, time in parts.items():
        row(f"  {name}", f"{time:.1f} us")
    row("pyAgrum LazyPropagation, target cause", f"{pyagrum:.0f} us", f"rank() takes 1/{pyagrum / rank:.1f} of it")
    row("pgmpy VariableElimination", f"{pgmpy:.0f} us", f"rank() takes 1/{pgmpy / rank:.1f} of it")
    met = pyagrum / rank >= 10 and pgmpy / rank >= 20 and parts["inference"] < 20
    print("aims: 1/10 of pyAgrum, 1/20 of pgmpy, inference under 20 us:", "kept" if met else "missed")


if __name__ == "__main__":
    main()
