"""What two further estimates say of the numbers that rest on judgement alone: how near they lie, and how they rank.

`second_estimates.csv` holds P(state | cause) of every mechanism and of every finding that hangs on the cause, made
twice more by the authors of the model, without sight of the first numbers or of any case: once disease by disease,
once parameter by parameter.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from legdx.loaded import Model
from legdx.model.fields import Row
from legdx.model.spec import EXPERT, Cause
from legdx.validation import KnownCase, validate

ESTIMATES = Path(__file__).with_name("second_estimates.csv")
FORMS = ("by_disease", "by_parameter")

Estimates = dict[tuple[str, str], tuple[float, ...]]


def read_estimates(form: str) -> Estimates:
    """The estimates of one form by cause and parameter."""
    with ESTIMATES.open(encoding="utf-8", newline="") as file:
        rows = {
            (line["cause"], line["parameter"]): np.array(line[form].split(), float) for line in csv.DictReader(file)
        }
    return {key: tuple((p / p.sum()).tolist()) for key, p in rows.items()}


def agreement_text(model: Model, sets: dict[str, Sequence[KnownCase]]) -> str:
    """How far the estimates lie apart, and the figures of the network with each of them in place of the model's own."""
    estimates = {form: read_estimates(form) for form in FORMS}
    own = {key: _as_judged(row, model) for key, row in _judged(model)}
    both = [key for key in own if all(key in one for one in estimates.values())]
    pairs = [
        ("the model, by disease", own, estimates[FORMS[0]]),
        ("the model, by parameter", own, estimates[FORMS[1]]),
        ("by disease, by parameter", *estimates.values()),
    ]
    lines = [f"{len(both)} rows of causes that are an estimate alone; total variation distance", ""]
    lines.append(f"{'':<28}{'median':>8}{'nine in ten':>13}")
    for label, one, other in pairs:
        distance = [np.abs(np.subtract(one[key], other[key])).sum() / 2 for key in both]
        lines.append(f"{label:<28}{np.median(distance):>8.3f}{np.quantile(distance, 0.9):>13.3f}")
    lines += ["", f"{'the network with':<28}{'cases':<12}{'top 1':>7}{'top 3':>7}{'log loss':>10}"]
    for label, one in [
        ("its own estimates", None),
        *((f"those {form.replace('_', ' ')}", estimates[form]) for form in FORMS),
    ]:
        changed = model if one is None else _with(model, one)
        for name, cases in sets.items():
            figures = validate(changed, cases)["figures"]
            # The last is of all sets together.
            row = [r for r in figures if (r["findings"], r["comparator"]) == ("all findings", "network")][-1]
            values = "".join(f"{row[key]['value']:>7.3f}" for key in ("top1", "top3"))
            lines.append(f"{label:<28}{name:<12}{values}{row['log_loss']['value']:>10.3f}")
    return "\n".join(lines)


def _judged(model: Model) -> Iterator[tuple[tuple[str, str], Row]]:
    for cause in model.spec.causes:
        for rows in (cause.mechanisms, cause.findings):
            yield from (((cause.id, name), row) for name, row in rows.items() if row.sources == (EXPERT,))


def _as_judged(row: Row, model: Model) -> tuple[float, ...]:
    return _to_power(row.p, 1 / model.spec.manifest.estimate_power)


def _to_power(p: Sequence[float], power: float) -> tuple[float, ...]:
    raised = np.asarray(p) ** power
    return tuple((raised / raised.sum()).tolist())


def _with(model: Model, estimates: Estimates) -> Model:
    power = model.spec.manifest.estimate_power

    def changed(cause: Cause, name: str, row: Row) -> Row:
        key = (cause.id, name)
        if row.sources != (EXPERT,) or key not in estimates:
            return row
        return replace(row, p=_to_power(estimates[key], power))

    causes = tuple(
        replace(
            cause,
            mechanisms={name: changed(cause, name, row) for name, row in cause.mechanisms.items()},
            findings={name: changed(cause, name, row) for name, row in cause.findings.items()},
        )
        for cause in model.spec.causes
    )
    return Model(replace(model.spec, causes=causes), model.rules, "second estimates")
