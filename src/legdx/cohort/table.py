"""What a table of cases gives back: a ranking a row, red flags beside it, and every cell that could not be read.

A cell means what the same value means to `legdx.rank`, and the answers equal its answers. Tables come as pandas data
frames or as Arrow record batches; Parquet, Spark and Dask stand on these two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from legdx.cohort.cells import arrow_cells, series_cells
from legdx.cohort.columns import CellFault, Columns, Plan, encode, plan_columns
from legdx.cohort.rows import BLOCK_ROWS, MANY_ROWS, Ranked, Request, error_text, in_order, rank_rows, request
from legdx.errors import EvidenceError, EvidenceShapeError, Fault, MissingExtraError, shown
from legdx.inference.batch import processors
from legdx.loaded import Model, load_model
from legdx.redflags import URGENCIES

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["CellFault", "batch_schema", "rank_batches", "rank_table", "ranked_or_faults"]


def rank_table(
    frame: pd.DataFrame,
    *,
    model: Model,
    setting: str = "primary_care",
    top: int | None = None,
    columns: Columns = None,
    on_error: str = "raise",
    threads: int | None = None,
) -> pd.DataFrame:
    """Rank every row of a pandas data frame: `legdx.rank_frame`, with the model always given."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        fault = Fault(
            where="frame",
            problem=f"is a {type(frame).__name__}, not a pandas data frame",
            fix="convert it, or see legdx.cohort.rank_batches for Arrow",
        )
        raise EvidenceShapeError([fault])
    job = request(model, setting, top, on_error)
    plan = plan_columns(model.vocabulary, model.settings, list(frame.columns), columns)
    n, n_causes = len(frame), len(model.causes)
    series = {name: frame[name] for name in plan.columns}
    whole = np.empty((n, n_causes if top is None else 0))

    def work(first: int) -> Ranked:
        block = slice(first, min(first + BLOCK_ROWS, n))
        coded = encode(
            plan,
            block.stop - first,
            lambda name, finding: series_cells(series[name].iloc[block], finding),
            lambda row: frame.index[first + row],
        )
        out = whole[block] if top is None else None
        return rank_rows(job, coded, lambda row: frame.index[first + row], many=n >= MANY_ROWS, out=out)

    starts = range(0, n, BLOCK_ROWS) or range(1)
    parts = list(in_order(work, starts, min(threads or processors(), len(starts))))
    _raise_faults(job, [part.faults for part in parts])
    return _as_frame(job, parts, whole, frame.index)


def _raise_faults(job: Request, blocks: Iterable[Mapping[int, Sequence[Fault]]]) -> None:
    faults = [fault for block in blocks for _, row in sorted(block.items()) for fault in row]
    if faults and not job.mark:
        raise EvidenceError(faults)


def _as_frame(job: Request, parts: Sequence[Ranked], whole: npt.NDArray[Any], index: Any) -> pd.DataFrame:
    import pandas as pd

    ids = job.model.tables.causes
    if job.top is None:
        frame = pd.DataFrame(whole, index=index, columns=list(ids), copy=False)
    else:
        frame = pd.DataFrame(index=index)
        for k in range(job.top):
            codes = [np.where(np.isnan(p.probability[:, k]), -1, p.causes[:, k]) for p in parts if p.causes is not None]
            frame[f"cause_{k + 1}"] = pd.Categorical.from_codes(np.concatenate(codes), pd.Index(ids))
            frame[f"probability_{k + 1}"] = np.concatenate([p.probability[:, k] for p in parts])
    urgency = np.concatenate([p.urgency for p in parts]).astype(np.intp)
    # From the least urgent up, so that a comparison such as >= "same_day" reads as it is meant.
    backwards = np.where(urgency < 0, -1, len(URGENCIES) - 1 - urgency)
    frame["urgency"] = pd.Categorical.from_codes(backwards, pd.Index(URGENCIES[::-1]), ordered=True)
    frame["fired"] = pd.Series(_tuples(job, parts), index=index, dtype=object)
    frame["log_evidence"] = np.concatenate([p.log_evidence for p in parts])
    if job.mark:
        frame["error"] = pd.Series(_errors(parts), index=index, dtype=object)
    frame.attrs["legdx"] = _stamp(job.model)
    return frame


def _stamp(model: Model) -> dict[str, str]:
    return {"model": model.id, "version": model.version, "digest": model.digest}


def _in_urgency_order(model: Model) -> tuple[npt.NDArray[np.intp], list[str]]:
    rules = model.rules.rules
    order = sorted(range(len(rules)), key=lambda k: (URGENCIES.index(rules[k].urgency), k))
    return np.array(order, np.intp), [rules[k].id for k in order]


def _tuples(job: Request, parts: Sequence[Ranked]) -> list[tuple[str, ...]]:
    """The ids of the rules that fired in each row, most urgent first; equal rows share one tuple."""
    order, ids = _in_urgency_order(job.model)
    known: dict[bytes, tuple[str, ...]] = {}
    tuples: list[tuple[str, ...]] = []
    for part in parts:
        fired = part.fired[:, order]
        packed, width = np.packbits(fired, axis=1).tobytes(), -(-len(ids) // 8)
        for row in range(len(fired)):
            bits = packed[row * width : (row + 1) * width]
            if bits not in known:
                known[bits] = tuple(ids[k] for k in np.flatnonzero(fired[row]))
            tuples.append(known[bits])
    return tuples


def _errors(parts: Sequence[Ranked]) -> list[str | None]:
    texts: list[str | None] = []
    for part in parts:
        block: list[str | None] = [None] * len(part.urgency)
        for row, faults in part.faults.items():
            block[row] = error_text(faults)
        texts += block
    return texts


def rank_batches(
    batches: Iterable[pa.RecordBatch],
    *,
    setting: str = "primary_care",
    model: Model | None = None,
    top: int | None = None,
    columns: Columns = None,
    keep: Sequence[str] = (),
    on_error: str = "raise",
    dtype: str = "float64",
    threads: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """Rank a stream of Arrow record batches, holding a few blocks of rows at a time.

    >>> import pyarrow as pa
    >>> batch = pa.record_batch({"id": ["p1"], "saddle_numbness": [True], "age": [44]})
    >>> for ranked in rank_batches([batch], top=1, keep=["id"]):
    ...     print(ranked.select(["id", "urgency", "fired"]).to_pylist())
    [{'id': 'p1', 'urgency': 'emergency', 'fired': ['saddle_numbness']}]

    Args:
        batches: all of one schema. A column is a finding by id, alias or code, of text, booleans, numbers in the
            finding's unit, or a struct or map from state to likelihood; null is unknown.
        setting: where the persons present, for rows that have no ``setting`` column or none in it.
        model: a loaded model; None: the leg weakness model.
        top: how many causes to give, most probable first; None: the probability of every cause.
        columns: the columns to read; or a mapping from column to finding, None for one to leave out, the others being
            read by their own names; None: all.
        keep: columns to hand on unread; the first of them names a row in messages, else its number from 0.
        on_error: ``"raise"``, or ``"mark"``: rows at fault get null probabilities and the column ``error``.
        dtype: of the probabilities, ``"float64"`` or ``"float32"`` (to about 1e-6, half the size).
        threads: how many to use; None: one for each processor.

    Yields:
        batches of at most 65,536 rows, in order: what is kept, the causes, ``urgency``, ``fired``, ``log_evidence``.

    Raises:
        EvidenceError: a column or cell cannot be read, or a row is impossible; all faults of one block are named.
        UnknownNameError: there is no such setting or option.
        MissingExtraError: pyarrow is not installed.
    """
    job = request(load_model() if model is None else model, setting, top, on_error, dtype)
    for ranked, faults in ranked_or_faults(job, batches, columns, keep, threads):
        _raise_faults(job, [{0: faults}])
        yield ranked


def ranked_or_faults(
    job: Request,
    batches: Iterable[pa.RecordBatch],
    columns: Columns = None,
    keep: Sequence[str] = (),
    threads: int | None = None,
) -> Iterator[tuple[pa.RecordBatch, list[CellFault]]]:
    """`rank_batches`, with the faults of each block beside it in place of an error."""
    plans: dict[tuple[str, ...], Plan] = {}

    def work(item: tuple[int, pa.RecordBatch]) -> tuple[pa.RecordBatch, list[CellFault]]:
        first, batch = item
        names = tuple(batch.schema.names)
        if names not in plans:
            plans[names] = plan_batch(job, names, columns, keep)

        def label(row: int) -> object:
            return batch.column(keep[0])[row].as_py() if keep else first + row

        coded = encode(
            plans[names], batch.num_rows, lambda name, finding: arrow_cells(batch.column(name), finding), label
        )
        part = rank_rows(job, coded, label, many=first + batch.num_rows >= MANY_ROWS)
        return _as_batch(job, part, batch, keep), [fault for _, row in sorted(part.faults.items()) for fault in row]

    yield from in_order(work, _blocks(batches), threads or processors())


def plan_batch(job: Request, names: Sequence[str], columns: Columns, keep: Sequence[str]) -> Plan:
    """As `plan_columns`, for Arrow; a column that is kept must not have the name of an answer."""
    taken = [name for name in keep if name in batch_schema(job).names]
    if taken:
        raise EvidenceError(
            [Fault(where=f"column {shown(n)}", problem="has the name of an answer", fix="rename it") for n in taken]
        )
    return plan_columns(job.model.vocabulary, job.model.settings, names, columns, keep)


def batch_schema(job: Request, kept: Iterable[pa.Field[Any]] = ()) -> pa.Schema:
    """The schema of what `rank_batches` yields, with the model's digest in its metadata."""
    pa = _pyarrow()
    number = pa.float64() if job.dtype == "float64" else pa.float32()
    if job.top is None:
        causes = [pa.field(id, number) for id in job.model.tables.causes]
    else:
        pairs = [[(f"cause_{k}", pa.string()), (f"probability_{k}", number)] for k in range(1, job.top + 1)]
        causes = [pa.field(*one) for pair in pairs for one in pair]
    beside = [
        pa.field("urgency", pa.string()),
        pa.field("fired", pa.list_(pa.string())),
        pa.field("log_evidence", pa.float64()),
    ]
    marks = [pa.field("error", pa.string())] if job.mark else []
    metadata = {f"legdx.{key}": value for key, value in _stamp(job.model).items()}
    return pa.schema([*kept, *causes, *beside, *marks], metadata=metadata)


def _as_batch(job: Request, part: Ranked, batch: pa.RecordBatch, keep: Sequence[str]) -> pa.RecordBatch:
    pa = _pyarrow()
    faulty = bool(part.faults)
    # Null where a row is at fault: a NaN would spread through every sum.
    numbers = [pa.array(column, from_pandas=faulty) for column in np.ascontiguousarray(part.probability.T)]
    causes = numbers
    if part.causes is not None:
        ids = pa.array(job.model.tables.causes)
        nowhere = np.isnan(part.probability)
        names = [ids.take(pa.array(part.causes[:, k], mask=nowhere[:, k])) for k in range(part.causes.shape[1])]
        causes = [one for pair in zip(names, numbers, strict=True) for one in pair]
    urgency = pa.array(URGENCIES).take(pa.array(part.urgency, mask=part.urgency < 0))
    beside = [urgency, _fired(job, part), pa.array(part.log_evidence, from_pandas=faulty)]
    marks = [pa.array(_errors([part]), pa.string())] if job.mark else []
    kept = [batch.column(name) for name in keep]
    schema = batch_schema(job, [batch.schema.field(name) for name in keep])
    return pa.RecordBatch.from_arrays([*kept, *causes, *beside, *marks], schema=schema)


def _fired(job: Request, part: Ranked) -> pa.Array[Any]:
    pa = _pyarrow()
    order, ids = _in_urgency_order(job.model)
    by_rule = [np.flatnonzero(part.fired[:, k]) for k in order]
    rows = np.concatenate([np.zeros(0, np.intp), *by_rule])
    rules = np.repeat(np.arange(len(order)), [len(one) for one in by_rule])[np.argsort(rows, kind="stable")]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(part.fired)))])
    names = pa.array(ids, pa.string()).take(pa.array(rules))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names)


def _blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Each block with the number of its first row in the whole stream."""
    n = 0
    for batch in batches:
        for first in range(0, batch.num_rows, BLOCK_ROWS):
            block = batch.slice(first, BLOCK_ROWS)
            yield n, block
            n += block.num_rows


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise MissingExtraError("pyarrow", "arrow") from None
    return pyarrow
