"""Is it quick enough to explain a ranking, advise on it and question it while the clinician waits?

Each function is timed on one case, with every finding of the model open and again with as many known as the largest
published case has, beside one ranking of the same case in the same run. `next_findings` has a peer that gives the same
answer: ranking the case again for every possible answer to every open finding. The aims: `next_findings` under 5 ms,
all of it under 50 ms for one case.
"""

from __future__ import annotations

import json
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import legdx

CASES = Path(__file__).parents[1] / "tests" / "validation" / "cases.jsonl"
AIM_MILLISECONDS = {"next_findings()": 5.0, "all of it": 50.0}


def milliseconds(function: Callable[[], Any], rounds: int = 15) -> float:
    """The time of one call in the best of some rounds: what the code takes, not what else the machine was doing."""
    return min(timeit.repeat(function, number=1, repeat=rounds)) * 1e3


def rank_again(ranking: Any, findings: dict[str, Any]) -> int:
    """Every open finding with each of its answers, ranked one by one."""
    still_open = [f for f in ranking.model.findings if f.id not in findings]
    answers = [legdx.rank(findings | {f.id: s}, setting=ranking.setting) for f in still_open for s in f.states]
    return len(answers)


def report(title: str, findings: dict[str, Any], setting: str) -> None:
    def fresh() -> Any:
        return legdx.rank(findings, setting=setting)

    ranking = fresh()
    top = ranking.causes[0].id
    one = milliseconds(fresh, 50)
    timed = {
        "explain()": lambda: fresh().explain(top),
        "explain(versus=)": lambda: fresh().explain(top, versus=ranking.causes[1].id),
        "next_findings()": lambda: fresh().next_findings(),
        "surprise": lambda: fresh().surprise,
    }
    print(f"{title}; one ranking {one:.3f} ms")
    total = 0.0
    for what, function in timed.items():
        time = milliseconds(function) - one
        total += time
        print(f"  {what:<18} {time:7.2f} ms, {time / one:6.1f} rankings{verdict(what, time)}")
    print(f"  {'all of it':<18} {total:7.2f} ms, {total / one:6.1f} rankings{verdict('all of it', total)}")
    again, advised = milliseconds(lambda: rank_again(ranking, findings), 3), milliseconds(timed["next_findings()"])
    print(f"  ranking again for every answer: {again:.1f} ms, {again / advised:.0f} times as long as next_findings()")


def verdict(what: str, time: float) -> str:
    if what not in AIM_MILLISECONDS:
        return ""
    return f"; aim {AIM_MILLISECONDS[what]:g} ms {'kept' if time < AIM_MILLISECONDS[what] else 'missed'}"


def main() -> None:
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    largest = max(cases, key=lambda case: len(case["findings"]))
    report("every finding open", {}, "primary_care")
    report(f"{len(largest['findings'])} findings known", largest["findings"], largest["setting"])


if __name__ == "__main__":
    main()
