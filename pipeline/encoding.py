"""From raw values to the float row that the ONNX model takes, with numpy alone.

One description (`Bundle.encoding`) is compiled once per model into two paths that give the same bits:
one record in a few microseconds, and whole columns at once.
"""

from array import array
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.slots import LinearSlot, LookupSlot, MissingSlot, NumericSlot, OneHotSlot, Slot

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

FloatRows = NDArray[np.float32]


def days_since_epoch(text: str) -> int:
    """Days from 1970-01-01 to an ISO 8601 date; ValueError when the text is not one."""
    return date.fromisoformat(text).toordinal() - EPOCH_ORDINAL


class FeatureEncoder:
    """Encodes records of one model.

    Parameters
    ----------
    slots : what the row is made of, in order (`Bundle.encoding`).
    columns : order of the values that `encode_values` takes; by default the order in which the slots use them.

    Notes
    -----
    A value that is absent, None or NaN is missing. A number may be given as an int or float; a date as an ISO 8601
    string, a `datetime.date` or its days since 1970-01-01; a category or text as a string. Limits are not checked here.
    Linear features are summed in float64, in the order of their terms, then cast. Instances are immutable: any number
    of threads may encode at once.
    """

    def __init__(self, slots: Sequence[Slot], columns: Sequence[str] | None = None) -> None:
        self.width = sum(slot.width for slot in slots)
        self.columns = tuple(columns or dict.fromkeys(name for slot in slots for name in _columns_of(slot)))
        position = {name: index for index, name in enumerate(self.columns)}
        self._template = array("f", bytes(4 * self.width))
        self._numeric: list[tuple[int, int, float]] = []
        self._missing: list[tuple[int, int]] = []
        self._linear: list[tuple[int, list[tuple[int, float, float]]]] = []
        self._onehot: list[tuple[int, dict[str | None, int]]] = []
        self._lookup: list[tuple[int, slice, dict[str | None, array[float]], array[float]]] = []
        offset = 0
        for slot in slots:
            self._compile(slot, offset, position)
            offset += slot.width
        self._numbers = tuple(
            sorted({i for i, _, _ in self._numeric} | {i for _, terms in self._linear for i, _, _ in terms})
        )

    def _compile(self, slot: Slot, offset: int, position: dict[str, int]) -> None:
        match slot:
            case NumericSlot():
                self._numeric.append((position[slot.column], offset, slot.impute))
            case MissingSlot():
                self._missing.append((position[slot.column], offset))
            case LinearSlot():
                terms = [(position[name], weight, slot.impute[name]) for name, weight in slot.terms.items()]
                self._linear.append((offset, terms))
            case OneHotSlot():
                codes: dict[str | None, int] = {value: offset + i for i, value in enumerate(slot.categories)}
                self._onehot.append((position[slot.column], codes))
            case LookupSlot():
                table: dict[str | None, array[float]] = {k: array("f", row) for k, row in slot.values.items()}
                table[None] = array("f", slot.missing or slot.default)
                place = slice(offset, offset + slot.width)
                self._lookup.append((position[slot.column], place, table, array("f", slot.default)))

    def encode_record(self, record: Mapping[str, Any]) -> FloatRows:
        """Encode one record of named raw values as a float32 row [1, width]."""
        return self.encode_values([record.get(name) for name in self.columns])

    def encode_values(self, values: Sequence[Any]) -> FloatRows:
        """Encode one record given as values in the order of `columns`, as a float32 row [1, width]."""
        values = list(values)
        for index in self._numbers:
            value = values[index]
            if (type(value) is not int and type(value) is not float) or value != value:
                values[index] = _number(value)
        row = self._template[:]
        for index, offset, impute in self._numeric:
            value = values[index]
            row[offset] = impute if value is None else value
        for index, offset in self._missing:
            if _is_missing(values[index]):
                row[offset] = 1.0
        for offset, terms in self._linear:
            total = 0.0
            for index, weight, impute in terms:
                value = values[index]
                total += weight * (impute if value is None else value)
            row[offset] = total
        for index, codes in self._onehot:
            code = codes.get(values[index])
            if code is not None:
                row[code] = 1.0
        for index, place, table, default in self._lookup:
            value = values[index]
            row[place] = table.get(None if value != value else value, default)
        return np.frombuffer(row, dtype=np.float32).reshape(1, -1)

    def encode_columns(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> FloatRows:
        """Encode whole columns, each a sequence of N raw values, as float32 rows [N, width].

        Raises
        ------
        ValueError
            No column of the model is given, their lengths differ, or a number cannot be read.
        """
        lengths = {len(columns[name]) for name in self.columns if name in columns}
        if len(lengths) != 1:
            raise ValueError(f"the columns need one common length, found {sorted(lengths) or 'no column'}")
        count = lengths.pop()
        numbers = {i: number_column(columns.get(self.columns[i]), count) for i in self._numbers}
        texts: dict[int, list[Any]] = {}
        named = {i for i, _ in self._onehot} | {i for i, *_ in self._lookup} | {i for i, _ in self._missing}
        for index in named - numbers.keys():
            texts[index] = text_column(columns.get(self.columns[index]), count)
        rows = np.zeros((count, self.width), dtype=np.float32)
        # A value beyond float32 becomes infinite, in the same way as on the single record path.
        with np.errstate(over="ignore"):
            self._fill_numbers(rows, numbers)
        for index, offset in self._missing:
            rows[:, offset] = np.isnan(numbers[index]) if index in numbers else [v is None for v in texts[index]]
        for index, codes in self._onehot:
            code = np.fromiter(map(codes.get, texts[index], repeat(-1)), dtype=np.intp, count=count)
            known = np.flatnonzero(code >= 0)
            rows[known, code[known]] = 1.0
        for index, place, table, default in self._lookup:
            names = {value: i for i, value in enumerate(table, start=1)}
            code = np.fromiter(map(names.get, texts[index], repeat(0)), dtype=np.intp, count=count)
            rows[:, place] = np.array([default, *table.values()], dtype=np.float32)[code]
        return rows

    def _fill_numbers(self, rows: FloatRows, numbers: dict[int, NDArray[np.float64]]) -> None:
        missing = {index: mask for index, values in numbers.items() if (mask := np.isnan(values)).any()}

        def complete(index: int, impute: float) -> NDArray[np.float64]:
            values = numbers[index]
            return np.where(missing[index], impute, values) if index in missing else values

        for index, offset, impute in self._numeric:
            rows[:, offset] = complete(index, impute)
        for offset, terms in self._linear:
            total = np.zeros(len(rows))
            for index, weight, impute in terms:
                total += weight * complete(index, impute)
            rows[:, offset] = total


def _columns_of(slot: Slot) -> list[str]:
    return list(slot.terms) if isinstance(slot, LinearSlot) else [slot.column]


def _is_missing(value: Any) -> bool:
    return value is None or value != value


def _number(value: Any) -> float | None:
    """The number of any accepted form but plain int and float; None when missing."""
    if _is_missing(value):
        return None
    if isinstance(value, str):
        return days_since_epoch(value) if value[4:5] == "-" else float(value)
    if isinstance(value, date):
        return value.toordinal() - EPOCH_ORDINAL
    return float(value)


def number_column(values: Sequence[Any] | NDArray[Any] | None, count: int) -> NDArray[np.float64]:
    """A column of numbers or dates as float64, missing as NaN."""
    if values is None:
        return np.full(count, np.nan)
    found = np.asarray(values)
    if found.dtype.kind in "iufb":
        return found.astype(np.float64)
    if found.dtype.kind == "M":
        days = found.astype("datetime64[D]")
        return np.where(np.isnat(days), np.nan, days.astype(np.float64))
    quick = _numbers_at_once(found)
    if quick is not None:
        return quick
    numbers = (_number(value) for value in found.tolist())
    return np.fromiter((np.nan if n is None else n for n in numbers), dtype=np.float64, count=count)


def _numbers_at_once(found: NDArray[Any]) -> NDArray[np.float64] | None:
    """Numbers, or dates, among missing values, as numpy reads them; None for anything else."""
    kinds = set(map(type, found.tolist())) - {type(None)}
    if kinds <= {int, float}:
        numbers: NDArray[np.float64] = found.astype(np.float64)
        return numbers
    if kinds == {date}:
        days = found.astype("datetime64[D]")
        return np.where(np.isnat(days), np.nan, days.astype(np.float64))
    return None


def text_column(values: Sequence[Any] | NDArray[Any] | None, count: int) -> list[Any]:
    """A column of strings, missing as None."""
    if values is None:
        return [None] * count
    found = values if isinstance(values, list | tuple) else np.asarray(values, dtype=object).tolist()
    return [None if value is None or value != value else value for value in found]
