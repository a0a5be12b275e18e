"""Replies as Arrow IPC streams: one batch of texts, whole numbers and floats, none of them missing."""

import struct
from typing import Any

import numpy as np
from flatbuffers.builder import Builder

from inference_api.answers import Answers
from inference_api.arrow_messages import CONTINUATION, FLOAT, INT, RECORD_BATCH, SCHEMA, UTF8
from inference_api.predictor import Predictor

_VERSION_5 = 4
_DOUBLE = 2
_END = CONTINUATION + bytes(4)


def arrow_reply(answers: Answers, predictor: Predictor, request_id: str) -> bytes:
    """The columns prediction and, of a classification, label and probability_<class>.

    The model's name and version and the request id are the metadata of the schema.
    """
    columns: dict[str, Any] = {"prediction": answers.predictions}
    if answers.labels is not None:
        columns["label"] = answers.labels
    if answers.probabilities is not None:
        for index, name in enumerate(answers.classes):
            columns[f"probability_{name}"] = np.ascontiguousarray(answers.probabilities[:, index])
    metadata = {"model_name": predictor.name, "model_version": str(predictor.version), "request_id": request_id}
    kinds = {name: _kind(values) for name, values in columns.items()}
    buffers = [buffer for name, values in columns.items() for buffer in _buffers(kinds[name], values)]
    return _schema(kinds, metadata) + _batch(len(answers), len(columns), buffers) + _END


def _kind(values: Any) -> int:
    if isinstance(values, np.ndarray) or isinstance(values[0], float):
        return FLOAT
    return INT if isinstance(values[0], int) else UTF8


def _buffers(kind: int, values: Any) -> list[bytes]:
    """The buffers of a column; the first, which would mark missing values, is empty."""
    if kind == UTF8:
        texts = [text.encode() for text in values]
        offsets = np.zeros(len(texts) + 1, dtype="<i4")
        np.cumsum([len(text) for text in texts], out=offsets[1:])
        return [b"", offsets.tobytes(), b"".join(texts)]
    return [b"", np.asarray(values, dtype="<i8" if kind == INT else "<f8").tobytes()]


def _schema(kinds: dict[str, int], metadata: dict[str, str]) -> bytes:
    builder = Builder(1024)
    fields = [_field(builder, name, kind) for name, kind in kinds.items()]
    pairs = [_table(builder, {0: _text(builder, key), 1: _text(builder, value)}) for key, value in metadata.items()]
    schema = {1: _tables(builder, fields), 2: _tables(builder, pairs)}
    return _message(builder, SCHEMA, _table(builder, schema), b"")


def _field(builder: Builder, name: str, kind: int) -> int:
    # A Field's type and its details; of an integer width and sign, of a float its precision.
    text = _text(builder, name)
    children = _tables(builder, [])
    numbers: dict[int, tuple[str, int]] = {}
    if kind == INT:
        numbers = {0: ("Int32", 64), 1: ("Bool", True)}
    elif kind == FLOAT:
        numbers = {0: ("Int16", _DOUBLE)}
    details = _table(builder, {}, numbers)
    return _table(builder, {0: text, 3: details, 5: children}, {1: ("Bool", False), 2: ("Uint8", kind)})


def _batch(rows: int, columns: int, buffers: list[bytes]) -> bytes:
    places, padded = [], []
    offset = 0
    for buffer in buffers:
        places.append((offset, len(buffer)))
        padded.append(buffer + bytes(-len(buffer) % 8))
        offset += len(padded[-1])
    builder = Builder(1024)
    vectors = {1: _structs(builder, [(rows, 0)] * columns), 2: _structs(builder, places)}
    header = _table(builder, vectors, {0: ("Int64", rows)})
    return _message(builder, RECORD_BATCH, header, b"".join(padded))


def _message(builder: Builder, kind: int, header: int, data: bytes) -> bytes:
    numbers = {0: ("Int16", _VERSION_5), 1: ("Uint8", kind), 3: ("Int64", len(data))}
    builder.Finish(_table(builder, {2: header}, numbers))
    metadata = bytes(builder.Output())
    metadata += bytes(-len(metadata) % 8)
    return CONTINUATION + struct.pack("<i", len(metadata)) + metadata + data


def _text(builder: Builder, text: str) -> int:
    return int(builder.CreateString(text))


def _table(builder: Builder, parts: dict[int, int], numbers: dict[int, tuple[str, int]] | None = None) -> int:
    """A table: offsets of what was built before, and numbers with their types, by field."""
    builder.StartObject(max([*parts, *(numbers or {}), 0]) + 1)
    for index, offset in parts.items():
        builder.PrependUOffsetTRelativeSlot(index, offset, 0)
    for index, (kind, value) in (numbers or {}).items():
        # None as the default: a number that equals it would be left out.
        getattr(builder, f"Prepend{kind}Slot")(index, value, None)
    return int(builder.EndObject())


def _tables(builder: Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _structs(builder: Builder, pairs: list[tuple[int, int]]) -> int:
    """A vector of structs of two 64-bit integers."""
    builder.StartVector(16, len(pairs), 8)
    for first, second in reversed(pairs):
        builder.PrependInt64(second)
        builder.PrependInt64(first)
    return int(builder.EndVector())
