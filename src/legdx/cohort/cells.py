"""One column of a table, from pandas or Arrow, sorted into classes of cells that mean the same. Internal.

Classes are distinct values; of numbers, the intervals between the cut points of the finding. pandas and pyarrow are
imported only where a column of theirs is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from legdx.inference.tables import Array
from legdx.model.vocabulary import Finding

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Cells", "arrow_cells", "series_cells"]

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cells:
    """One column of a table, sorted into classes of cells that mean the same; class 0 is unknown."""

    classes: Indices  # (n,)
    samples: tuple[object, ...]  # a value of each class; that of class 0 is None
    value: Callable[[int], object]  # the cell of a row, as it was given


def series_cells(series: pd.Series[Any], finding: Finding | None) -> Cells:
    """A pandas series; `finding` is None where no number can be read."""
    import pandas as pd
    from pandas.api.types import infer_dtype, is_bool_dtype, is_numeric_dtype

    def value(row: int) -> object:
        cell = series.iloc[row]
        return cell.item() if isinstance(cell, np.generic) and series.dtype != object else cell

    # Values of one type alone can be told apart by pandas' own hash table, which takes True, 1 and 1.0 for one.
    if series.dtype == object and infer_dtype(series, skipna=True) not in ("boolean", "string"):
        values = series.to_numpy()
        return _object_cells(values, np.asarray(pd.isna(values)))
    if is_numeric_dtype(series.dtype) and not is_bool_dtype(series.dtype) and series.dtype.kind != "c":
        return _number_cells(series.to_numpy(dtype=np.float64, na_value=np.nan), finding, value)
    codes, uniques = pd.factorize(series)
    return Cells(classes=codes.astype(np.intp) + 1, samples=(None, *uniques), value=value)


def arrow_cells(column: pa.Array[Any], finding: Finding | None) -> Cells:
    """An Arrow array; a struct or a map is virtual evidence, and `finding` is None where no number can be read."""
    import pyarrow as pa

    def value(row: int) -> object:
        return column[row].as_py()

    kind = column.type
    if pa.types.is_null(kind):
        return Cells(classes=np.zeros(len(column), np.intp), samples=(None,), value=value)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return _number_cells(numbers, finding, value)
    if pa.types.is_map(kind):
        maps = [None if one is None else dict(one) for one in column.to_pylist()]
        return _object_cells(maps, np.array([one is None for one in maps], np.bool_))
    if pa.types.is_nested(kind):
        objects = column.to_pylist()
        return _object_cells(objects, np.array([one is None for one in objects], np.bool_))
    if pa.types.is_boolean(kind):
        states = column.cast(pa.int8()).fill_null(-1).to_numpy() + 1
        return Cells(classes=states.astype(np.intp), samples=(None, False, True), value=value)
    coded = column if pa.types.is_dictionary(kind) else column.dictionary_encode()
    samples = coded.dictionary.to_pylist()
    # Class 0 is unknown. A null has the index -1, which is the last place; it may also stand in the dictionary.
    numbering = np.array([0 if sample is None else k for k, sample in enumerate(samples, 1)] + [0], np.intp)
    return Cells(classes=numbering[coded.indices.fill_null(-1).to_numpy()], samples=(None, *samples), value=value)


def _number_cells(numbers: Array, finding: Finding | None, value: Callable[[int], object]) -> Cells:
    """A column of numbers, NaN unknown, sorted by cut points; a number that cannot be read is in the last class."""
    cuts = finding.cut_points if finding is not None else ()
    edges = np.array([low for _, low, _ in cuts] + [high for _, _, high in cuts[-1:]])
    bad = len(cuts) + 1
    if cuts:
        classes = np.searchsorted(edges, numbers, side="right")
        classes[numbers == edges[-1]] = len(cuts)
        classes[classes == 0] = bad
    else:
        classes = np.full(len(numbers), bad, np.intp)
    classes[np.isnan(numbers)] = 0
    return Cells(classes=classes, samples=(None, *edges[:-1].tolist(), np.inf), value=value)


def _object_cells(values: Sequence[Any] | npt.NDArray[np.object_], missing: npt.NDArray[np.bool_]) -> Cells:
    """A column of any Python objects: those of one type that are equal are one class."""
    classes = np.zeros(len(values), np.intp)
    samples: list[object] = [None]
    numbers: dict[object, int] = {}
    for row in np.flatnonzero(~missing).tolist():
        value = values[row]
        k = numbers.setdefault(_identity(value), len(samples))
        if k == len(samples):
            samples.append(value)
        classes[row] = k
    return Cells(classes=classes, samples=tuple(samples), value=lambda row: values[row])


def _identity(value: object) -> object:
    # True == 1 == 1.0 in Python, and they do not mean the same here.
    key: object = (type(value), value)
    if isinstance(value, Mapping):
        key = (type(value), tuple((state, type(weight), weight) for state, weight in value.items()))
    try:
        hash(key)
    except TypeError:
        return id(value)
    return key
