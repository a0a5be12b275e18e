"""Records as a model of another make takes them: a table, or an array, of the types that its signature names."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_api.signature import SignatureColumn


def model_table(
    columns: Sequence[SignatureColumn], values: Mapping[str, Sequence[Any] | NDArray[Any]], *, is_tensor: bool
) -> Any:
    """Valid values as a DataFrame, or as an array where the model knows no names.

    Whole numbers that may be missing are floats, whether one is or not: a single record is answered as one of many.

    Raises
    ------
    ValueError
        A date is out of the range of the type.
    """
    import pandas as pd

    found = {column.name: _series(column, values[column.name]) for column in columns}
    return np.column_stack(list(found.values())) if is_tensor else pd.DataFrame(found)


def _series(column: SignatureColumn, values: Sequence[Any] | NDArray[Any]) -> Any:
    import pandas as pd

    if column.type == "date":
        days = np.array(list(values), dtype="datetime64[D]")
        return pd.Series(days.astype("datetime64[s]")).astype(np.dtype(column.dtype))
    if not column.is_numeric:
        return pd.Series(list(values), dtype=object)
    numbers = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    return numbers if column.nullable and column.lacks_nan else numbers.astype(column.dtype)


def parts_by_presence(table: Any, optional: Sequence[SignatureColumn]) -> list[tuple[NDArray[np.intp], Any]]:
    """The rows of a table apart by which of the optional columns they have, those columns of their own type.

    MLflow lets a model have a column of whole numbers, or not have it at all, but never one with gaps.

    Returns
    -------
    Places of the rows, and the table of these without the columns that they lack.
    """
    names = [column.name for column in optional]
    patterns, pattern_of = np.unique(table[names].isna().to_numpy(), axis=0, return_inverse=True)
    parts = []
    for number, lacks in enumerate(patterns):
        places = np.flatnonzero(pattern_of.ravel() == number)
        lacking = [name for name, is_missing in zip(names, lacks, strict=True) if is_missing]
        kept = {column.name: column.dtype for column in optional if column.name not in lacking}
        parts.append((places, table.iloc[places].drop(columns=lacking).astype(kept).reset_index(drop=True)))
    return parts
