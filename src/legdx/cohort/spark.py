"""The rows of a Spark data frame, ranked where they lie, through `mapInArrow`. Needs pyspark (legdx[spark])."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from legdx.cohort.rows import request
from legdx.cohort.table import batch_schema, plan_batch, rank_batches
from legdx.cohort.workers import handle_of, model_of
from legdx.errors import MissingExtraError
from legdx.loaded import Model

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["rank_frame"]


def rank_frame(
    frame: DataFrame,
    *,
    setting: str = "primary_care",
    model: Model | None = None,
    top: int | None = None,
    columns: Sequence[str] | Mapping[str, str | None] | None = None,
    keep: Sequence[str] = (),
    on_error: str = "raise",
    dtype: str = "float64",
) -> DataFrame:
    """Rank the causes for every row of a Spark data frame; arguments as for `legdx.cohort.rank_batches`.

    See docs/cohorts.md for an example. Rows have no number in Spark: name the columns that tell them apart in `keep`.

    Returns:
        a Spark data frame, not yet computed: the columns kept, the causes, ``urgency``, ``fired``, ``log_evidence``.

    Raises:
        EvidenceError: a column cannot be read. What is wrong in a cell is raised by Spark when the frame is computed.
        UnknownNameError: there is no such setting or option.
        MissingExtraError: pyspark or pyarrow is not installed.
    """
    handle = handle_of(model)
    job = request(model_of(handle), setting, top, on_error, dtype)
    plan = plan_batch(job, frame.columns, columns, keep)
    used = [name for name in frame.columns if name in plan.columns or name in keep]

    def work(batches: Iterable[Any]) -> Iterator[Any]:
        yield from rank_batches(
            batches,
            setting=setting,
            model=model_of(handle),
            top=top,
            columns=plan.columns,
            keep=keep,
            on_error=on_error,
            dtype=dtype,
            threads=1,
        )

    chosen = frame.select(*("`" + name.replace("`", "``") + "`" for name in used))
    return chosen.mapInArrow(work, _spark_schema(chosen, keep, batch_schema(job)))


def _spark_schema(frame: DataFrame, keep: Sequence[str], answers: Any) -> Any:
    try:
        from pyspark.sql import types
    except ImportError:
        raise MissingExtraError("pyspark", "spark") from None
    spark = {
        "double": types.DoubleType(),
        "float": types.FloatType(),
        "string": types.StringType(),
        "list<item: string>": types.ArrayType(types.StringType()),
    }
    fields = [types.StructField(field.name, spark[str(field.type)]) for field in answers]
    return types.StructType([*(frame.schema[name] for name in keep), *fields])
