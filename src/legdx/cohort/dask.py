"""The rows of a Dask data frame, ranked where they lie, through `map_partitions`. Needs dask (legdx[dask])."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from legdx.cohort.table import rank_table
from legdx.cohort.workers import handle_of, model_of
from legdx.loaded import Model

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd

__all__ = ["rank_frame"]


def rank_frame(
    frame: dd.DataFrame,
    *,
    setting: str = "primary_care",
    model: Model | None = None,
    top: int | None = None,
    columns: Sequence[str] | Mapping[str, str | None] | None = None,
    on_error: str = "raise",
) -> dd.DataFrame:
    """Rank the causes for every row of a Dask data frame; arguments and columns as for `legdx.rank_frame`.

    See docs/cohorts.md for an example.

    Returns:
        a Dask data frame of the same index and partitions, not yet computed.

    Raises:
        EvidenceError: a column cannot be read; what is wrong in a cell is raised when the frame is computed.
        UnknownNameError: there is no such setting or option.
    """
    handle = handle_of(model)
    options = {"setting": setting, "top": top, "columns": columns, "on_error": on_error}
    meta = _rank_part(frame._meta, handle, options)
    ranked: dd.DataFrame = frame.map_partitions(_rank_part, handle, options, meta=meta)  # type: ignore[no-untyped-call]
    return ranked


def _rank_part(part: pd.DataFrame, handle: bytes, options: Mapping[str, Any]) -> pd.DataFrame:
    return rank_table(part, model=model_of(handle), threads=1, **options)
