"""Write the figures of docs/model-card.md anew: `python tests/validation/model_card.py`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from agreement import agreement_text

import legdx
from legdx.fidelity import compare, fidelity_text
from legdx.loaded import Model
from legdx.model import store
from legdx.model.spec import EXPERT
from legdx.render.validation import validation_text
from legdx.validation import KnownCase, read_cases, validate

CASES = Path(__file__).with_name("cases.jsonl")
INDEPENDENT = Path(__file__).with_name("independent.jsonl")
# Of illnesses outside the model: the catch-all is learned from them, so no figure of the ranking is taken of them.
CATCH_ALL = Path(__file__).with_name("catch_all.jsonl")
CARD = Path(__file__).parents[2] / "docs" / "model-card.md"


def blocks(model: Model) -> dict[str, str]:
    """The generated parts of the model card, by name."""
    return {
        "sources": sources_text(model),
        "fidelity": fidelity_text(compare(model)).split("\n\n")[0],
        "validation": validation_text(validate(model, cases_of(CASES, model))),
        "independent": independent_text(model),
        "agreement": agreement_text(model, sets_with_a_cause(model)),
    }


def cases_of(path: Path, model: Model) -> tuple[KnownCase, ...]:
    return read_cases(path.read_text(encoding="utf-8").splitlines(), model, path.name)


def sets_with_a_cause(model: Model) -> dict[str, list[KnownCase]]:
    held_out = [case for case in cases_of(INDEPENDENT, model) if case.set == "held out"]
    return {"development": [case for case in cases_of(CASES, model) if case.accepted], "held out": held_out}


def independent_text(model: Model) -> str:
    """The figures on the independent cases: those that the reviewers of the content never saw, and those they did."""
    cases = cases_of(INDEPENDENT, model)
    texts = [
        validation_text(validate(model, [c for c in cases if c.set != other])) for other in ("reviewed", "held out")
    ]
    unseen, seen = (text.split("\n\n") for text in texts)
    figures = [line for line in (*unseen[1].splitlines(), *seen[1].splitlines()[1:]) if " prior" not in line]
    outside = next(part for part in unseen if part.startswith("Outside the model"))
    return "\n".join([*figures, "", "held out, and outside the model:", unseen[3], "", *outside.splitlines()[:2]])


def with_blocks(card: str, made: dict[str, str]) -> str:
    """The card with what stands between each pair of markers replaced."""
    for name, text in made.items():
        pattern = rf"(<!-- begin {name} -->\n```text\n).*?(```\n<!-- end {name} -->)"
        card, n = re.subn(pattern, lambda found, text=text: f"{found[1]}{plain(text)}\n{found[2]}", card, flags=re.S)
        assert n == 1, f"{CARD.name} has {n} blocks named {name}"
    return card


def plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines())


def sources_text(model: Model) -> str:
    """How many rows there are and what they rest on."""
    lines = [
        "rows of the model (one distribution each)        rows  published  with judgement  estimate alone  strength"
    ]
    for title, rows in row_groups(model):
        kinds = Counter(kind_of(sources) for sources, _ in rows)
        strengths = sorted(strength for _, strength in rows)
        lines.append(
            f"{title:<46} {len(rows):6}  {kinds['published']:9}  {kinds['both']:14}  {kinds['estimate']:14}  "
            f"{strengths[len(strengths) // 2]:8g}"
        )
    assert model.folder is not None
    literature = store.read_literature(model.folder)
    kinds = Counter(source.kind for source in model.spec.sources.values())
    grades = Counter(row["grade"] for row in literature)
    lines += [
        "",
        f"sources: {len(model.spec.sources)} ({', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))})",
        f"published values in literature.csv: {len(literature)} "
        f"({', '.join(f'{n} of grade {grade}' for grade, n in sorted(grades.items()))})",
    ]
    return "\n".join(lines)


def row_groups(model: Model) -> Iterator[tuple[str, list[tuple[tuple[str, ...], float]]]]:
    spec = model.spec
    yield "P(cause | setting)", [(p.sources, p.strength) for c in spec.causes for p in c.prior.values()]
    yield "P(mechanism | cause)", [(r.sources, r.strength) for c in spec.causes for r in c.mechanisms.values()]
    yield "P(finding | cause)", [(r.sources, r.strength) for c in spec.causes for r in c.findings.values()]
    hanging = [r for m in spec.mechanisms for rows in m.findings.values() for r in rows.values()]
    yield "P(finding | mechanism)", [(r.sources, r.strength) for r in hanging]
    behind = [item.background for item in (*model.findings, *spec.mechanisms)]
    yield "background", [(r.sources, r.strength) for r in behind if r is not None]


def kind_of(sources: tuple[str, ...]) -> str:
    if set(sources) == {EXPERT}:
        return "estimate"
    return "both" if EXPERT in sources else "published"


if __name__ == "__main__":
    CARD.write_text(with_blocks(CARD.read_text(encoding="utf-8"), blocks(legdx.load_model())), encoding="utf-8")
    print(f"wrote {CARD.name}")
