"""From records, which clients write, to columns, which models read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_api.answers import Columns
from inference_api.fields import Field
from inference_api.request_schema import Values

_NUMBERS = {"integer": np.int64, "number": np.float64}


class RecordColumns:
    """Columns that grow as records are read.

    Numbers are kept as machine numbers: a tenth of the memory of Python's, all of which would go at once after a large
    request, and keep others waiting for it.

    Parameters
    ----------
    fields : of a record, in the order of its values.
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        self._pieces: list[list[Sequence[Any] | NDArray[Any]]] = [[] for _ in fields]

    def add(self, rows: Sequence[Values]) -> None:
        """Add records given as valid values in column order."""
        self.add_columns(list(zip(*rows, strict=True)))

    def add_columns(self, columns: Sequence[Sequence[Any]]) -> None:
        """Add records given as valid values by column; no columns at all are no records."""
        for pieces, field, values in zip(self._pieces, self._fields, columns, strict=False):
            pieces.append(compact(field, values))

    def columns(self) -> Columns:
        """All records that were added, at least one."""
        return {field.name: _joined(pieces) for field, pieces in zip(self._fields, self._pieces, strict=True)}


def compact(field: Field, values: Sequence[Any]) -> Sequence[Any] | NDArray[Any]:
    """Valid numbers of a field as an array, missing ones as NaN.

    Values of any other kind stay as they are, and so do whole numbers among which some are missing: they have no NaN.
    """
    kind = _NUMBERS.get(field.column.type)
    if kind is None:
        return values
    try:
        return np.array(values, dtype=kind)
    except TypeError:
        return values


def _joined(pieces: Sequence[Sequence[Any] | NDArray[Any]]) -> Sequence[Any] | NDArray[Any]:
    if len(pieces) == 1:
        return pieces[0]
    arrays = [piece for piece in pieces if isinstance(piece, np.ndarray)]
    if len(arrays) == len(pieces):
        return np.concatenate(arrays)
    return [value for piece in pieces for value in (piece.tolist() if isinstance(piece, np.ndarray) else piece)]
