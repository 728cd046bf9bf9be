"""What a table of cases gives back: a ranking a row, red flags beside it, and every cell that could not be read.

A cell means what the same value means to `legdx.rank`, and the answers are equal to its answers. Tables come as pandas
data frames or as Arrow record batches; what else there is (Parquet, Spark, Dask, Polars, DuckDB) stands on these two.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from legdx.columns import CellFault, Coded, Columns
from legdx.errors import EvidenceError, EvidenceShapeError, Fault, ImpossibleEvidence, UnknownNameError, shown
from legdx.inference.batch import rank_codes
from legdx.inference.batch_virtual import rank_virtual
from legdx.inference.tables import Array
from legdx.ranking import rank_case
from legdx.redflags import URGENCIES
from legdx.redflags_batch import evaluate_codes, urgency_of

if TYPE_CHECKING:
    from legdx.loaded import Model

__all__ = ["Cohort", "Ranked", "in_order"]

ON_ERROR = ("raise", "mark")
