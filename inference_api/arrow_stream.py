"""Reads Arrow IPC streams with numpy alone, trusting nothing that a stream claims.

pyarrow would add half the size of the image, and smaller readers written in C end the process on a damaged stream.
"""

import struct
from collections.abc import Collection
from itertools import pairwise, repeat
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
from inference_api.fields import LONGEST_TEXT

_INLINE_BYTES = 12
# Of one text, in UTF-8.
MOST_TEXT_BYTES = 4 * LONGEST_TEXT
# Texts that are views may overlap: a megabyte of 16-byte views can name any number of bytes.
_MORE_TEXT_BYTES = 16 * 1024 * 1024
# Reading a column of a batch takes microseconds, however few rows it has: half a second for all of them.
MOST_PIECES = 50_000

# What reading a damaged stream raises in numpy, struct or flatbuffers.
_DAMAGE = (struct.error, ValueError, IndexError, TypeError, KeyError, OverflowError, StopIteration, MemoryError)

# Values of one column: numbers or days as an array, anything else (and whatever has missing values) as a list.
Values = NDArray[Any] | list[Any]


class TooManyRows(ArrowError):
    """More rows than allowed, which were not read."""


def read_stream(body: Body, most: int, names: Collection[str]) -> dict[str, list[Values]]:
    """Read the columns of a stream, each in one piece a batch.

    Parameters
    ----------
    most : rows in all.
    names : of the columns to read; of others nothing is read but the name.

    Returns
    -------
    By column: arrays of numbers or datetime64, or lists with None for a missing value; no pieces of a column that is
    not among `names`.

    Raises
    ------
    ArrowError
    """
    try:
        return _Reader(body, most, names).read()
    except ArrowError:
        raise
    except _DAMAGE:
        raise ArrowError("it is damaged") from None


class _Reader:
    """What has been read of a stream so far, and how much more of it will be."""

    def __init__(self, body: Body, most: int, names: Collection[str]) -> None:
        self._body = body
        self._names = names
        self._fields: list[ArrowField] = []
        self._dictionaries: dict[int, NDArray[np.object_]] = {}
        self._columns: dict[str, list[Values]] = {}
        self._rows = most
        self._entries = most * len(names)
        self._pieces = MOST_PIECES
        self._text_bytes = len(body) + _MORE_TEXT_BYTES

    def read(self) -> dict[str, list[Values]]:
        for kind, header, data in messages(self._body):
            if kind == SCHEMA and not self._fields:
                self._fields = read_schema(header, 2 * len(self._names) + 100)
                self._columns = {field.name: [] for field in self._fields}
                continue
            if kind not in (DICTIONARY_BATCH, RECORD_BATCH) or not self._fields:
                raise ArrowError("it has a message that is no schema and no batch, or in the wrong place")
            self._pieces -= len(self._fields) if kind == RECORD_BATCH else 1
            if self._pieces < 0:
                raise ArrowError("it has too many batches; send fewer of more rows, such as one in all")
            if kind == DICTIONARY_BATCH:
                self._read_dictionary(header, data)
            else:
                self._read_batch(header, data)
        if not self._fields:
            raise ArrowError("it is empty")
        return self._columns

    def _read_dictionary(self, header: Table, data: memoryview) -> None:
        number = scalar(header, 0, Int64Flags)
        users = [field for field in self._fields if field.dictionary == number]
        if scalar(header, 2, BoolFlags):
            raise ArrowError("it has a delta dictionary; send whole dictionaries")
        if not any(field.name in self._names for field in users):
            return
        batch = _Batch(table(header, 1), data, self._text_bytes)
        self._entries -= batch.rows
        if self._entries < 0:
            raise ArrowError("its dictionaries have more values than there may be records")
        # None behind the last: what a missing index means.
        values = [*_listed(batch.values(users[0].kind, users[0].dtype)), None]
        self._dictionaries[number] = np.array(values, dtype=object)
        self._text_bytes = batch.text_bytes

    def _read_batch(self, header: Table, data: memoryview) -> None:
        batch = _Batch(header, data, self._text_bytes)
        self._rows -= batch.rows
        if self._rows < 0:
            raise TooManyRows("it has too many rows")
        for field in self._fields:
            if field.name in self._names:
                self._columns[field.name].append(batch.column(field, self._dictionaries))
            else:
                batch.skip(field)
        self._text_bytes = batch.text_bytes


class _Batch:
    """The arrays of one batch, to be taken in the order of the schema's columns."""

    def __init__(self, header: Table, data: memoryview, text_bytes: int) -> None:
        self.rows = scalar(header, 0, Int64Flags)
        if self.rows < 0:
            raise ArrowError("a batch has less than no rows")
        if header.Offset(10):
            raise ArrowError("its buffers are compressed; send them plain, with Content-Encoding: gzip if you like")
        # Of texts that are views, how many bytes may still be read.
        self.text_bytes = text_bytes
        self._data = data
        self._nodes = iter(_vector(header, 1, 2).tolist())
        buffers = _vector(header, 2, 2).tolist()
        # Nobody writes buffers that overlap, and a few bytes that are all columns at once would fill the memory.
        if sum(length for _, length in buffers) > len(data):
            raise ArrowError("its buffers are larger than its batch")
        self._buffers = iter(buffers)
        self._variadic = iter(_vector(header, 4, 1).ravel().tolist())

    def column(self, field: ArrowField, dictionaries: dict[int, NDArray[np.object_]]) -> Values:
        """The values of a column, those of a dictionary looked up."""
        if field.dictionary is None:
            return self.values(field.kind, field.dtype)
        names = dictionaries[field.dictionary]
        count = len(names) - 1
        places = self.values(INT, field.index_dtype)
        if isinstance(places, list):
            places = np.array([count if place is None else place for place in places], dtype=np.int64)
        elif len(places) and int(places.max()) >= count:
            raise ArrowError(f"column {field.name} has an index outside of its dictionary")
        if len(places) and int(places.min()) < 0:
            raise ArrowError(f"column {field.name} has an index outside of its dictionary")
        found: list[Any] = names[places].tolist()
        return found

    def skip(self, field: ArrowField) -> None:
        """Pass over a column."""
        next(self._nodes)
        kind = field.kind if field.dictionary is None else INT
        count = {NULL: 0, UTF8: 3, LARGE_UTF8: 3}.get(kind, 2) + (next(self._variadic) if kind == UTF8_VIEW else 0)
        for _ in range(count):
            next(self._buffers)

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
            found = self._views(rows, missing)
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
        offsets, data = self._buffer(), self._buffer()
        if not rows:
            return []
        places = np.frombuffer(offsets, dtype, rows + 1)
        lengths = np.diff(places)
        if places[0] < 0 or places[-1] > len(data) or (lengths < 0).any():
            raise ArrowError("a text is outside of its batch")
        _check_lengths(lengths)
        bounds = places.tolist()
        try:
            text = str(data[bounds[0] : bounds[-1]], "ascii")
        except UnicodeDecodeError:
            return [str(data[start:end], "utf-8") for start, end in pairwise(bounds)]
        first = bounds[0]
        return [text[start - first : end - first] for start, end in pairwise(bounds)]

    def _views(self, rows: int, missing: NDArray[np.bool_] | None) -> list[str]:
        views = self._buffer()
        buffers = [self._buffer() for _ in range(next(self._variadic))]
        lengths = np.frombuffer(views, "<i4", 4 * rows)[::4]
        lengths = lengths if missing is None else lengths[~missing]
        if (lengths < 0).any():
            raise ArrowError("a text is outside of its batch")
        _check_lengths(lengths)
        gone = missing.tolist() if missing is not None else repeat(False)
        found: list[str] = []
        # Many rows may name the same text, which is then made once.
        known: dict[bytes, str] = {}
        for place, no in zip(range(0, 16 * rows, 16), gone, strict=False):
            view = b"" if no else bytes(views[place : place + 16])
            text = known.get(view)
            if text is None:
                text = known[view] = "" if no else self._viewed(view, buffers)
            found.append(text)
        return found

    def _viewed(self, view: bytes, buffers: list[memoryview]) -> str:
        length, _, index, offset = struct.unpack("<iiii", view)
        if length <= _INLINE_BYTES:
            return view[4 : 4 + length].decode()
        if not (0 <= index < len(buffers) and 0 <= offset <= offset + length <= len(buffers[index])):
            raise ArrowError("a text is outside of its batch")
        self.text_bytes -= length
        if self.text_bytes < 0:
            raise ArrowError("its texts overlap, and hold far more than it does; send them as utf8 or large_utf8")
        return str(buffers[index][offset : offset + length], "utf-8")


def _check_lengths(lengths: NDArray[np.integer[Any]]) -> None:
    if len(lengths) and lengths.max() > MOST_TEXT_BYTES:
        raise ArrowError(
            f"it has a text of {lengths.max():,} bytes; no feature takes one of more than {MOST_TEXT_BYTES:,}"
        )


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
