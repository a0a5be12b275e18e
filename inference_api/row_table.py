"""Rows of any values, as foreign forms have them, as the columns of a model."""

from collections.abc import Mapping
from typing import Any

from inference_api.answers import Columns
from inference_api.columnar import ColumnReader
from inference_api.errors import MOST_MISTAKES, invalid, mistake
from inference_api.record_columns import RecordColumns
from inference_api.request_schema import RecordValidator, too_many

# Read at a time: some milliseconds of work.
CHUNK_ROWS = 2000


class RowTable:
    """Columns of a model that grow as rows are read; what of a row the model does not have is not kept.

    Parameters
    ----------
    place : what the body calls the rows.
    most : rows in all.
    """

    def __init__(self, validator: RecordValidator, place: str, most: int) -> None:
        self.names = validator.columns
        self._fields = validator.fields
        self._reader = ColumnReader.of(validator)
        self._records = RecordColumns(validator.fields)
        self._place = place
        self._most = most
        self._count = 0
        self._mistakes: list[dict[str, Any]] = []

    def add(self, columns: Mapping[str, list[Any]], count: int) -> None:
        """Add that many rows, given by column; a column that is not there is missing in all of them.

        Raises
        ------
        Refusal
            413 for too many rows; 422 for a required column that is missing, and for too many mistakes.
        """
        first = self._count
        self._count += count
        if self._count > self._most:
            raise too_many(self._most)
        found, is_whole = [], True
        for field in self._fields:
            loc = (self._place, field.name)
            if field.name in columns:
                found.append(self._reader.read_list(field, columns[field.name], loc, self._mistakes, first))
                continue
            found.append([None] * count)
            if field.required:
                is_whole = False
                self._mistakes.append(mistake(loc, f"{field.name} is required: {field.allowed}", "missing"))
        if not is_whole or len(self._mistakes) > MOST_MISTAKES:
            raise invalid(self._mistakes)
        if not self._mistakes:
            self._records.add_columns(found)

    def columns(self) -> Columns:
        """All rows.

        Raises
        ------
        Refusal
            422, naming column and row of every mistake, or for no rows.
        """
        if self._mistakes:
            raise invalid(self._mistakes)
        if not self._count:
            raise invalid([mistake((self._place,), f"{self._place} must hold at least one record", "too_short")])
        return self._records.columns()
