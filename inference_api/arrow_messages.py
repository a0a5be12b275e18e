"""The messages of an Arrow IPC stream and the headers of its columns, checked against the bytes that are there.

Format: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flatbuffers.number_types import BoolFlags, Int16Flags, Int32Flags, Int64Flags, Uint8Flags
from flatbuffers.table import Table

from inference_api.asgi import Body
from inference_api.fields import printable

CONTINUATION = b"\xff\xff\xff\xff"
SCHEMA, DICTIONARY_BATCH, RECORD_BATCH = 1, 2, 3
NULL, INT, FLOAT, UTF8, BOOL, DATE, TIMESTAMP, LARGE_UTF8, UTF8_VIEW = 1, 2, 3, 5, 6, 8, 10, 20, 24

# Of a column; a schema may let thousands of columns share one name of megabytes.
_MOST_NAME_BYTES = 1024

_FLOATS = ("<f2", "<f4", "<f8")
_DATES = ("<i4|D", "<i8|ms")
_TIMESTAMPS = ("<i8|s", "<i8|ms", "<i8|us", "<i8|ns")


class ArrowError(ValueError):
    """A stream that is damaged, or uses what is not taken."""


@dataclass(frozen=True)
class ArrowField:
    """One column of the schema.

    Attributes
    ----------
    kind : type of the values, of those of the dictionary where there is one; a name in this module.
    dtype : numpy's name of a number; of dates that of the number, "|" and its unit.
    dictionary, index_dtype : id of the dictionary that its values are indices into, and the type of these.
    """

    name: str
    kind: int
    dtype: str = ""
    dictionary: int | None = None
    index_dtype: str = ""


def messages(body: Body) -> Iterator[tuple[int, Table, memoryview]]:
    """Type, header and data of each message."""
    place, view = 0, memoryview(body)
    while place < len(body):
        if body[place : place + 4] != CONTINUATION:
            raise ArrowError("it is no Arrow IPC stream (files, and streams of Arrow before 0.15, are not taken)")
        (size,) = struct.unpack_from("<i", body, place + 4)
        if size == 0:
            return
        start = place + 8
        metadata = body[start : start + max(size, 0)]
        message = Table(metadata, *struct.unpack_from("<I", metadata))
        length = scalar(message, 3, Int64Flags)
        place = start + size + length
        if size < 0 or length < 0 or place > len(body):
            raise ArrowError("it is cut off")
        yield scalar(message, 1, Uint8Flags), table(message, 2), view[start + size : place]


def read_schema(schema: Table, most: int) -> list[ArrowField]:
    """The columns of a stream, at most that many."""
    if scalar(schema, 0, Int16Flags):
        raise ArrowError("its numbers are big-endian")
    offset = schema.Offset(6)
    start, count = (schema.Vector(offset), schema.VectorLen(offset)) if offset else (0, 0)
    if not 0 < count * 4 <= len(schema.Bytes):
        raise ArrowError("its schema has no columns")
    if count > most:
        raise ArrowError(f"it has {count:,} columns, far more than the model takes; send those of the model only")
    fields = [_field(Table(schema.Bytes, schema.Indirect(start + 4 * i))) for i in range(count)]
    if len({field.name for field in fields}) != len(fields):
        raise ArrowError("two of its columns have one name")
    return fields


def _field(field: Table) -> ArrowField:
    name = _name(field)
    kind = scalar(field, 2, Uint8Flags)
    details = table(field, 3)
    if kind == INT:
        dtype = _integer(details)
    elif kind == FLOAT:
        dtype = _FLOATS[scalar(details, 0, Int16Flags)]
    elif kind == DATE:
        dtype = _DATES[scalar(details, 0, Int16Flags, 1)]
    elif kind == TIMESTAMP:
        dtype = _TIMESTAMPS[scalar(details, 0, Int16Flags)]
    elif kind in (NULL, UTF8, BOOL, LARGE_UTF8, UTF8_VIEW):
        dtype = ""
    else:
        raise ArrowError(
            f"column {printable(name)} is of a type that is not taken; send numbers, texts, booleans or dates"
        )
    if not field.Offset(12):
        return ArrowField(name, kind, dtype)
    encoding = table(field, 4)
    index = _integer(table(encoding, 1)) if encoding.Offset(6) else "<i4"
    return ArrowField(name, kind, dtype, scalar(encoding, 0, Int64Flags), index)


def _name(field: Table) -> str:
    offset = field.Offset(4)
    if not offset:
        return ""
    if field.VectorLen(offset) > _MOST_NAME_BYTES:
        raise ArrowError(f"the name of a column has more than {_MOST_NAME_BYTES:,} bytes")
    name: str = field.String(offset + field.Pos).decode()
    return name


def _integer(details: Table) -> str:
    width = scalar(details, 0, Int32Flags)
    if width not in (8, 16, 32, 64):
        raise ArrowError(f"it has integers of {width} bits")
    return f"<{'i' if scalar(details, 1, BoolFlags) else 'u'}{width // 8}"


def scalar(found: Table, index: int, flags: Any, default: int = 0) -> Any:
    """The number in a table's field, by the field's place in the format's definition."""
    offset = found.Offset(4 + 2 * index)
    return found.Get(flags, offset + found.Pos) if offset else default


def table(found: Table, index: int) -> Table:
    """The table in a table's field."""
    offset = found.Offset(4 + 2 * index)
    if not offset:
        raise ArrowError("a part of it is missing")
    return Table(found.Bytes, found.Indirect(offset + found.Pos))
