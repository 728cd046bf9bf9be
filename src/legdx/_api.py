"""The face: thin wiring from what a user says to what legdx gives back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legdx.evidence import parse_evidence
from legdx.loaded import Model, load_rules
from legdx.loaded import load_model as _load
from legdx.redflags import RedFlags, RuleSet

if TYPE_CHECKING:
    from legdx.ranking import Ranking

__all__ = ["load_model", "rank", "red_flags"]


def load_model(path: str | Path | None = None) -> Model:
    """Load and check a model folder; the shipped model is loaded once and kept.

    >>> import legdx
    >>> legdx.load_model()
    <Model leg_weakness 0.1.0: 82 causes, 162 findings>

    Args:
        path: a model folder; None: the leg weakness model that legdx ships.

    Raises:
        ModelFormatError: its shape is wrong; every fault is named with its file and key.
        ModelMeaningError: its shape is right and its meaning is not; every fault is named.
    """
    return _shipped_model() if path is None else _load(path)


def rank(findings: Mapping[str, Any], *, setting: str = "primary_care", model: Model | None = None) -> Ranking:
    """Rank the causes of leg weakness for one person, with the red flags beside them.

    >>> import legdx
    >>> ranking = legdx.rank({"age": 71, "exertional_claudication": True, "relief_bending_forward": True})
    >>> ranking.causes[0].label
    'Lumbar spinal stenosis'

    Args:
        findings: what is known, by finding id, alias or code: a state's name, ``True`` or ``False``, a number in the
            finding's unit, a mapping from state to likelihood (virtual evidence), or None, which is unknown.
        setting: where the person presents: ``"primary_care"``, ``"emergency"`` or ``"neurology"``.
        model: a loaded model; None: the leg weakness model.

    Returns:
        the ranking: causes, categories and families by posterior probability, and the red flags.

    Raises:
        EvidenceError: a finding is unknown, has no such value, or contradicts another; all faults are named.
        ImpossibleEvidence: the model gives the findings probability zero.
        UnknownNameError: the model has no such setting.
    """
    from legdx.ranking import rank_case

    return rank_case(_shipped_model() if model is None else model, findings, setting)


def red_flags(findings: Mapping[str, Any], *, model: Model | None = None) -> RedFlags:
    """Evaluate only the deterministic rules; this needs neither NumPy nor a sound network.

    >>> import legdx
    >>> legdx.red_flags({"saddle_numbness": True}).urgency
    'emergency'

    Args:
        findings: as for `rank`.
        model: a loaded model; None: the rules of the leg weakness model.

    Returns:
        the rules that fired, and those not yet excluded with what to ask.

    Raises:
        EvidenceError: a finding is unknown, has no such value, or contradicts another; all faults are named.
    """
    rules = _shipped_rules() if model is None else model.rules
    return rules.evaluate(parse_evidence(rules.vocabulary, findings))


@lru_cache(maxsize=1)
def _shipped_model() -> Model:
    return _load()


@lru_cache(maxsize=1)
def _shipped_rules() -> RuleSet:
    return load_rules()
