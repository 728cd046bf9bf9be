"""The face: thin wiring from what a user says to what legdx gives back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legdx.evidence import parse_evidence
from legdx.loaded import Model, load_rules
from legdx.loaded import load_model as _load
from legdx.redflags import RedFlags, RuleSet

if TYPE_CHECKING:
    import pandas as pd

    from legdx.ranking import Ranking

__all__ = ["load_model", "rank", "rank_frame", "red_flags"]


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


def rank_frame(
    frame: pd.DataFrame,
    *,
    setting: str = "primary_care",
    model: Model | None = None,
    top: int | None = None,
    columns: Sequence[Hashable] | Mapping[Any, str | None] | None = None,
    on_error: str = "raise",
) -> pd.DataFrame:
    """Rank the causes for every row of a pandas data frame; each row is answered as `rank` would.

    >>> import legdx, pandas as pd
    >>> frame = pd.DataFrame({"age": [71, 30], "saddle_numbness": [None, True]})
    >>> ranked = legdx.rank_frame(frame, top=1)
    >>> for row in ranked.itertuples():
    ...     print(row.urgency, row.fired)
    routine ()
    emergency ('saddle_numbness',)

    Args:
        frame: one row a person, columns by finding id, alias or code, values as for `rank`; missing is unknown. A
            column ``setting`` gives rows their own setting.
        setting: where the persons present, for rows that have none of their own.
        model: a loaded model; None: the leg weakness model.
        top: how many causes to give, most probable first, as ``cause_1``, ``probability_1`` and so on; None: the
            probability of every cause, in a column by its id.
        columns: the columns to read; or a mapping from column to finding, None for one to leave out, the others being
            read by their own names; None: all.
        on_error: ``"raise"``, or ``"mark"``: rows at fault get NaN and the reason in the column ``error``.

    Returns:
        a frame of the same index: the causes, ``urgency``, ``fired`` (ids of rules, most urgent first) and
        ``log_evidence``. In a row marked for its cells, what fired on the other cells is kept, and ``urgency`` is
        missing where nothing did.

    Raises:
        EvidenceError: a column or cell cannot be read, or a row is impossible; all faults are named, each with its row,
            columns and values.
        UnknownNameError: there is no such setting or option.
    """
    from legdx.cohort.table import rank_table

    chosen = _shipped_model() if model is None else model
    return rank_table(frame, model=chosen, setting=setting, top=top, columns=columns, on_error=on_error)


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
