"""A ranking's document as plain text: red flags first, then the differential. Reads the document only."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any

__all__ = ["ranking_text", "red_flags_text"]

_HEADLINES = {
    "emergency": "EMERGENCY until proven otherwise",
    "same_day": "To be seen the same day",
    "soon": "To be seen within two weeks",
    "routine": "No red flag fired",
}


def ranking_text(document: Mapping[str, Any], top: int = 10) -> str:
    """The red flags, then the `top` causes with their probabilities, then what the answer rests on."""
    model = document["model"]
    shown = document["causes"][:top]
    rest = sum(cause["probability"] for cause in document["causes"][top:])
    width = max(len(cause["label"]) for cause in shown)
    lines = [red_flags_text(document["urgency"], document["red_flags"]), "", "Ranked causes"]
    lines += [
        f"  {n:2}. {cause['label']:<{width}}  {cause['probability']:6.1%}  {_bar(cause['probability'])}".rstrip()
        for n, cause in enumerate(shown, 1)
    ]
    if rest > 0:
        lines.append(f"      {'all other causes':<{width}}  {rest:6.1%}")
    lines += [
        "",
        f"{len(document['findings'])} findings, setting {document['setting']}, "
        f"model {model['id']} {model['version']} ({model['digest'][:19]})",
        "Decision support for clinicians; no medical device and no substitute for a clinician.",
    ]
    return "\n".join(lines)


def red_flags_text(urgency: str, red_flags: Mapping[str, Any]) -> str:
    """What fired and why, what to do, and how much is not yet excluded."""
    lines = [_HEADLINES[urgency]]
    for rule in red_flags["fired"]:
        lines.append(f"  [{rule['urgency']}] {rule['label']}")
        lines.append(f"      because: {', '.join(rule['because'])}")
        lines.append(fill(f"do: {rule['action']}", 100, initial_indent="      ", subsequent_indent="          "))
    still_open = [rule for rule in red_flags["not_excluded"] if rule["urgency"] == "emergency"]
    if still_open and red_flags["questions"]:
        plural = "" if len(still_open) == 1 else "s"
        lines.append(f"  {len(still_open)} emergency rule{plural} not yet excluded; ask first:")
        lines += [f"      {item['question']} ({item['finding']})" for item in red_flags["questions"]]
    return "\n".join(lines)


def _bar(probability: float) -> str:
    return "#" * round(probability * 30)
