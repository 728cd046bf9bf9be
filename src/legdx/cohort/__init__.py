"""Tables of cases: a ranking a row, red flags beside it, and every cell that could not be read.

`legdx.rank_frame` takes pandas data frames, `rank_batches` Arrow record batches, `rank_parquet` files, and
`legdx.cohort.spark.rank_frame` and `legdx.cohort.dask.rank_frame` the frames of those libraries. A cell means what the
same value means to `legdx.rank`, and the answers equal its answers. The other modules of this folder are internal.
"""

from __future__ import annotations

from legdx.cohort.columns import CellFault
from legdx.cohort.parquet import Written, rank_parquet
from legdx.cohort.table import rank_batches

__all__ = ["CellFault", "Written", "rank_batches", "rank_parquet"]
