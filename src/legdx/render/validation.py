"""A validation's document as plain text, and its reliability diagram as a picture. Reads the document only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from legdx.errors import MissingExtraError

__all__ = ["reliability_plot", "validation_text"]

_WIDTH = 40


def validation_text(document: Mapping[str, Any]) -> str:
    """The figures, the calibration and the diagram, as tables for a terminal or a page."""
    model, outside = document["model"], document["outside"]
    return "\n".join(
        [
            f"{model['id']} {model['version']}: {document['cases']} cases, {outside['n']} of them outside the model",
            "",
            *_figures(document["figures"]),
            "",
            "Figures are means over the cases with an accepted cause, with 95% bootstrap intervals.",
            "No tests: history and examination alone.",
            "",
            *_calibration(document["calibration"]),
            "",
            "Calibration error: of the top cause, bins of equal width; by chance: what a perfectly calibrated model",
            "would show on as many cases (mean, and 95% of simulated sets).",
            "",
            *_diagram(document["reliability"]),
            "",
            *_outside(outside),
            *_grouped("category of the cause", document["by_category"]),
            "",
            *_grouped("presentation", document["by_presentation"]),
        ]
    )


def reliability_plot(document: Mapping[str, Any], path: str | Path) -> None:
    """Draw the reliability diagram of the network, all findings known, to a picture file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot") from error
    bins = document["reliability"]
    axes = (drawing := Figure(figsize=(5, 5), layout="constrained")).add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--")
    axes.plot([b["confidence"] for b in bins], [b["right"] for b in bins], color="tab:blue")
    axes.scatter([b["confidence"] for b in bins], [b["right"] for b in bins], s=[4 * b["n"] for b in bins])
    axes.set(xlabel="probability of the top cause", ylabel="share right", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(f"{document['model']['id']}: area of a point is its number of cases", fontsize=9)
    drawing.savefig(path)


def _figures(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    head = f"{'set':<10} {'findings':<13} {'model':<15} {'n':>4}  {'top 1':<17} {'top 3':<17} {'top 5':<6}"
    lines = [head + f" {'Brier':<6} {'log loss':<17}".rstrip()]
    for row in rows:
        lines.append(
            f"{row['set']:<10} {row['findings']:<13} {row['comparator']:<15} {row['n']:>4}  {_interval(row['top1'])}  "
            f"{_interval(row['top3'])}  {row['top5']['value']:.3f}  {row['brier']['value']:.3f}  "
            f"{_interval(row['log_loss'])}"
        )
    return lines


def _interval(one: Mapping[str, float]) -> str:
    return f"{one['value']:.3f} {one['low']:.2f}-{one['high']:.2f}".ljust(16)


def _calibration(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["calibration of the network          n  bins  stated  right  error  by chance"]
    title = ""
    for row in rows:
        if row["cases"] != title:
            title = row["cases"]
            lines.append(f"{title}:")
        chance = row["chance"]
        lines.append(
            f"  {row['findings']:<30} {row['n']:>4}  {row['bins']:>4}  {row['confidence']:6.3f}  {row['right']:5.3f}  "
            f"{row['error']:5.3f}  {chance['value']:.3f} ({chance['low']:.3f}-{chance['high']:.3f})"
        )
    return lines


def _diagram(bins: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a bin: o where the stated probability lies, * where the share right does, X where both."""
    lines = ["reliability (o stated, * right)      n  stated  right"]
    for one in bins:
        marks = [" "] * (_WIDTH + 1)
        stated, right = round(one["confidence"] * _WIDTH), round(one["right"] * _WIDTH)
        marks[stated] = "o"
        marks[right] = "X" if right == stated else "*"
        label = f"  {one['low']:.1f} to {one['high']:.1f}"
        lines.append(f"{label:<34} {one['n']:>4}  {one['confidence']:6.3f}  {one['right']:5.3f}  |{''.join(marks)}|")
    return lines


def _outside(outside: Mapping[str, Any]) -> list[str]:
    if "top1" not in outside:
        return []
    return [
        f"Outside the model ({outside['n']} cases): the catch-all is first in {outside['top1']:.0%}, "
        f"in the first three in {outside['top3']:.0%};",
        f"the mean probability of the first cause is {outside['confidence']:.2f}.",
        "",
    ]


def _grouped(title: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [f"{title:<36}    n  top 1  top 3  no tests: top 1  top 3"]
    lines += [
        f"  {row['group']:<34} {row['n']:>4}  {row['top1']:5.2f}  {row['top3']:5.2f}  {row['top1_no_tests']:15.2f}  "
        f"{row['top3_no_tests']:5.2f}"
        for row in rows
    ]
    return lines
