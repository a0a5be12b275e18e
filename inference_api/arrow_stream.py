"""Reads Arrow IPC streams with numpy alone, trusting nothing that a stream claims.

pyarrow would add half the size of the image, and smaller readers written in C end the process on a damaged stream.
"""

import struct
from itertools import pairwise
from typing import Any

import numpy as np
from flatbuffers.number_types import BoolFlags, Int64Flags
from flatbuffers.table import Table
from numpy.typing import NDArray

from inference_api.arrow_messages import (
    BOOL,
    DATE,
    DICTIONARY_BATCH,
    INT,
    LARGE_UTF8,
    NULL,
    RECORD_BATCH,
    SCHEMA,
    TIMESTAMP,
    UTF8,
    UTF8_VIEW,
    ArrowError,
    ArrowField,
    messages,
    read_schema,
    scalar,
    table,
)
from inference_api.asgi import Body

_INLINE_BYTES = 12

# What reading a damaged stream raises in numpy, struct or flatbuffers.
_DAMAGE = (struct.error, ValueError, IndexError, TypeError, KeyError, OverflowError, StopIteration, MemoryError)

# Values of one column: numbers or days as an array, anything else (and whatever has missing values) as a list.
Values = NDArray[Any] | list[Any]


class TooManyRows(ArrowError):
    """More rows than allowed, which were not read."""


def read_stream(body: Body, most: int) -> dict[str, list[Values]]:
    """Read the columns of a stream, each in one piece a batch.

    Parameters
    ----------
    most : rows in all.

    Returns
    -------
    By column: arrays of numbers or datetime64, or lists with None for a missing value.

    Raises
    ------
    ArrowError
    """
    try:
        return _read(body, most)
    except ArrowError:
        raise
    except _DAMAGE:
        raise ArrowError("it is damaged") from None


def _read(body: Body, most: int) -> dict[str, list[Values]]:
    fields: list[ArrowField] = []
    dictionaries: dict[int, list[Any]] = {}
    columns: dict[str, list[Values]] = {}
    for kind, header, data in messages(body):
        if kind == SCHEMA and not fields:
            fields = read_schema(header)
            columns = {field.name: [] for field in fields}
        elif kind == DICTIONARY_BATCH:
            number = scalar(header, 0, Int64Flags)
            field = next(field for field in fields if field.dictionary == number)
            if scalar(header, 2, BoolFlags):
                raise ArrowError("it has a delta dictionary; send whole dictionaries")
            dictionaries[number] = _listed(_Batch(table(header, 1), data, most).values(field.kind, field.dtype))
        elif kind == RECORD_BATCH and fields:
            batch = _Batch(header, data, most)
            most -= batch.rows
            for field in fields:
                columns[field.name].append(batch.column(field, dictionaries))
        else:
            raise ArrowError("it has a message that is no schema and no batch, or in the wrong place")
    if not fields:
        raise ArrowError("it is empty")
    return columns


class _Batch:
    """The arrays of one batch, to be taken in the order of the schema's columns."""

    def __init__(self, header: Table, data: memoryview, most: int) -> None:
        self.rows = scalar(header, 0, Int64Flags)
        if not 0 <= self.rows <= most:
            raise TooManyRows(f"it has more than {most} rows")
        if header.Offset(10):
            raise ArrowError("its buffers are compressed; send them plain, with Content-Encoding: gzip if you like")
        self._data = data
        self._nodes = iter(_vector(header, 1, 2).tolist())
        self._buffers = iter(_vector(header, 2, 2).tolist())
        self._variadic = iter(_vector(header, 4, 1).ravel().tolist())

    def column(self, field: ArrowField, dictionaries: dict[int, list[Any]]) -> Values:
        """The values of a column, those of a dictionary looked up."""
        if field.dictionary is None:
            return self.values(field.kind, field.dtype)
        names = dictionaries[field.dictionary]
        places = self.values(INT, field.index_dtype)
        if isinstance(places, list):
            places = np.array([len(names) if place is None else place for place in places], dtype=np.int64)
        elif len(places) and int(places.max()) >= len(names):
            raise ArrowError(f"column {field.name} has an index outside of its dictionary")
        if len(places) and int(places.min()) < 0:
            raise ArrowError(f"column {field.name} has an index outside of its dictionary")
        found: list[Any] = np.array([*names, None], dtype=object)[places].tolist()
        return found

    def values(self, kind: int, dtype: str) -> Values:
        """The next values of a type."""
        rows, gone = next(self._nodes)
        if rows != self.rows:
            raise ArrowError("a column is not as long as its batch")
        if kind == NULL:
            return [None] * rows
        validity = self._buffer()
        missing = ~_bits(validity, rows) if gone and len(validity) else None
        if kind in (UTF8, LARGE_UTF8):
            found: Values = self._texts("<i8" if kind == LARGE_UTF8 else "<i4", rows)
        elif kind == UTF8_VIEW:
            found = self._views(rows)
        elif kind == BOOL:
            found = _bits(self._buffer(), rows).tolist()
        elif kind in (DATE, TIMESTAMP):
            number, unit = dtype.split("|")
            found = np.frombuffer(self._buffer(), number, rows).astype(np.int64).view(f"datetime64[{unit}]")
        else:
            found = np.frombuffer(self._buffer(), dtype, rows)
        if missing is None or not missing.any():
            return found
        return [None if no else value for value, no in zip(_listed(found), missing.tolist(), strict=True)]

    def _buffer(self) -> memoryview:
        offset, length = next(self._buffers)
        if not 0 <= offset <= offset + length <= len(self._data):
            raise ArrowError("a buffer is outside of its batch")
        return self._data[offset : offset + length]

    def _texts(self, dtype: str, rows: int) -> list[str]:
        offsets, data = self._buffer(), bytes(self._buffer())
        if not rows:
            return []
        places = np.frombuffer(offsets, dtype, rows + 1)
        if places[0] < 0 or places[-1] > len(data) or (np.diff(places) < 0).any():
            raise ArrowError("a text is outside of its batch")
        bounds = places.tolist()
        if data.isascii():
            text = data.decode("ascii")
            return [text[start:end] for start, end in pairwise(bounds)]
        return [data[start:end].decode() for start, end in pairwise(bounds)]

    def _views(self, rows: int) -> list[str]:
        views = bytes(self._buffer())
        buffers = [bytes(self._buffer()) for _ in range(next(self._variadic))]
        found = []
        for place in range(0, 16 * rows, 16):
            length, _, index, offset = struct.unpack_from("<iiii", views, place)
            if length <= _INLINE_BYTES:
                text = views[place + 4 : place + 4 + max(length, 0)]
            elif index < 0 or offset < 0:
                raise ArrowError("a text is outside of its batch")
            else:
                text = buffers[index][offset : offset + length]
            found.append(text.decode())
        return found


def _vector(header: Table, index: int, width: int) -> NDArray[np.int64]:
    """A vector of structs of `width` 64-bit integers."""
    offset = header.Offset(4 + 2 * index)
    if not offset:
        return np.empty((0, width), dtype=np.int64)
    count = header.VectorLen(offset)
    return np.frombuffer(header.Bytes, "<i8", count * width, header.Vector(offset)).reshape(count, width)


def _bits(buffer: memoryview, count: int) -> NDArray[np.bool_]:
    if len(buffer) * 8 < count:
        raise ArrowError("a column is cut off")
    return np.unpackbits(np.frombuffer(buffer, np.uint8), count=count, bitorder="little").astype(bool)


def _listed(values: Values) -> list[Any]:
    return values if isinstance(values, list) else list(values.tolist())
