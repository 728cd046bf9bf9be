"""From a Parquet file to a Parquet file, a few blocks of rows in memory at a time. Needs pyarrow (legdx[arrow])."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legdx.cohort.columns import Columns
from legdx.cohort.rows import BLOCK_ROWS, request
from legdx.cohort.table import batch_schema, plan_batch, ranked_or_faults
from legdx.errors import CaseFileError, EvidenceError, Fault, MissingExtraError
from legdx.loaded import Model, load_model

__all__ = ["Written", "rank_parquet"]

_FAULTS_KEPT = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """How many rows were written, and how many of them are marked as at fault."""

    rows: int
    marked: int


def rank_parquet(
    source: str | Path,
    target: str | Path,
    *,
    setting: str = "primary_care",
    model: Model | None = None,
    top: int | None = None,
    columns: Columns = None,
    keep: Sequence[str] = (),
    on_error: str = "raise",
    dtype: str = "float64",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Rank every row of a Parquet file; the other arguments are those of `rank_batches`.

    >>> import pandas as pd
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     pd.DataFrame({"id": ["p1"], "saddle_numbness": ["present"]}).to_parquet(f"{folder}/in.parquet")
    ...     written = rank_parquet(f"{folder}/in.parquet", f"{folder}/out.parquet", keep=["id"], top=1)
    ...     written, pd.read_parquet(f"{folder}/out.parquet")["cause_1"][0]
    (Written(rows=1, marked=0), 'cauda_equina_syndrome')

    Rows keep their order. The target appears when all of it is written, and is left
    as it was where anything goes wrong.

    Args:
        source: the file to read; only the columns that count are read.
        target: the file to write.
        progress: called with the rows done and the rows in all.

    Raises:
        CaseFileError: the source cannot be read as Parquet, or the target not written.
        EvidenceError: a column or cell cannot be read, or a row is impossible; the whole file is read before it is
            raised, and the first 10,000 faults are kept.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("pyarrow", "arrow") from None
    job = request(load_model() if model is None else model, setting, top, on_error, dtype)
    with _read(source) as file:
        arrow, n = file.schema_arrow, file.metadata.num_rows
        plan = plan_batch(job, arrow.names, columns, keep)
        used = [name for name in arrow.names if name in plan.columns or name in keep]
        schema = batch_schema(job, [arrow.field(name) for name in keep])
        texts = [field.name for field in schema if not pa.types.is_floating(field.type)]
        tally = _Tally(mark=job.mark)
        with _atomic(target) as partial, pq.ParquetWriter(partial, schema, use_dictionary=texts) as writer:
            batches = file.iter_batches(BLOCK_ROWS, columns=used, use_threads=False)
            for batch, faults in ranked_or_faults(job, batches, plan.columns, keep, threads):
                if tally.add(batch, faults):
                    writer.write_batch(batch)
                if progress is not None:
                    progress(tally.rows, n)
            tally.raise_faults()
    return Written(rows=tally.rows, marked=tally.marked)


class _Tally:
    """What has gone through, and what is wrong with it."""

    def __init__(self, *, mark: bool) -> None:
        self.mark = mark
        self.rows = self.marked = self.faults_left_out = 0
        self.faults: list[Fault] = []

    def add(self, batch: Any, faults: Sequence[Fault]) -> bool:
        """Count a block; return whether it is to be written."""
        self.rows += batch.num_rows
        if self.mark:
            self.marked += batch.num_rows - batch.column("error").null_count
            return True
        room = _FAULTS_KEPT - len(self.faults)
        self.faults += faults[:room]
        self.faults_left_out += len(faults[room:])
        return not self.faults

    def raise_faults(self) -> None:
        if self.faults_left_out:
            problem = f"{self.faults_left_out} faults more than can be listed"
            self.faults.append(Fault(where="the rest of the table", problem=problem, fix="mend these first, or mark"))
        if self.faults:
            raise EvidenceError(self.faults)


@contextmanager
def _read(source: str | Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        texts = [field.name for field in pq.read_schema(source) if pa.types.is_string(field.type)]
        with pq.ParquetFile(source, read_dictionary=texts) as file:
            yield file
    except FileNotFoundError as error:
        raise CaseFileError(f"{source}: cannot be read: no such file") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise CaseFileError(f"{source}: cannot be read as Parquet: {error}") from error


@contextmanager
def _atomic(target: str | Path) -> Iterator[Path]:
    """A file beside the target that takes its name when all went well, and is gone when it did not."""
    path = Path(target)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    except OSError as error:
        raise CaseFileError(f"{target}: cannot be written: {error.strerror}") from error
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        mask = os.umask(0)
        os.umask(mask)
        # mkstemp makes it readable to its owner alone, which is not what writing to the target would do.
        partial.chmod(0o666 & ~mask)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
