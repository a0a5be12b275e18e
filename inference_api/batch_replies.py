"""Replies to many records, encoded piece by piece, so that a large one does not keep other requests waiting."""

from collections.abc import Callable
from functools import lru_cache
from itertools import repeat
from typing import Any

import msgspec

from inference_api.answers import Answers
from inference_api.asgi import Payload
from inference_api.predictor import CHUNK_ROWS, Outcome, Predictor

_encode = msgspec.json.Encoder().encode


class Head(msgspec.Struct, gc=False):
    """What every reply to a batch ends with."""

    model_name: str
    model_version: int
    request_id: str


class ManyReply(Head, kw_only=True, gc=False):
    """Answer to many records, in their order."""

    predictions: list[Outcome]


class AnswerColumns(msgspec.Struct, gc=False):
    """Answers by column, a value a record; `label` of a classification, `probabilities` where the model has them."""

    prediction: list[Any]
    label: list[str] | msgspec.UnsetType = msgspec.UNSET
    probabilities: dict[str, list[float]] | msgspec.UnsetType = msgspec.UNSET


class ColumnsReply(Head, kw_only=True, gc=False):
    """Answer to many records given as columns."""

    columns: AnswerColumns


Encode = Callable[[Answers, Predictor, str], Payload]


def records_reply(answers: Answers, predictor: Predictor, request_id: str) -> list[bytes]:
    """The JSON of a `ManyReply`."""
    pieces = [b'{"predictions":[']
    for start in range(0, len(answers), CHUNK_ROWS):
        pieces += [b"," if start else b"", _encode(_outcomes(answers[start : start + CHUNK_ROWS]))[1:-1]]
    return [*pieces, b"],", _head(predictor, request_id)]


def _outcomes(answers: Answers) -> list[Outcome]:
    """What iterating over the answers gives, made from whole columns, with structs in place of dicts: half the time."""
    predictions, labels = answers.predictions, answers.labels or repeat(None)
    if answers.probabilities is None:
        return list(map(Outcome, predictions, labels, repeat(None)))
    columns = answers.probabilities.T.tolist()
    return list(map(Outcome, predictions, labels, map(_probabilities(answers.classes), *columns)))


@lru_cache(64)
def _probabilities(classes: tuple[str, ...]) -> Any:
    """Makes what encodes to what a dict from class to probability does: a struct, where one can have such names."""
    names = {f"p{i}": name for i, name in enumerate(classes)}
    try:
        return msgspec.defstruct("Probabilities", [(name, float) for name in names], rename=names, gc=False)
    except ValueError:  # msgspec writes names as they are, and so refuses those that JSON would have to escape
        return lambda *values: dict(zip(classes, values, strict=True))


def columns_reply(answers: Answers, predictor: Predictor, request_id: str) -> list[bytes]:
    """The JSON of a `ColumnsReply`."""
    pieces = [b'{"columns":{"prediction":', _encode(answers.predictions)]
    if answers.labels is not None:
        pieces += [b',"label":', _encode(answers.labels)]
    if answers.probabilities is not None:
        pieces.append(b',"probabilities":{')
        for index, name in enumerate(answers.classes):
            values = _encode(answers.probabilities[:, index].tolist())
            pieces += [b"," if index else b"", _encode(name), b":", values]
        pieces.append(b"}")
    return [*pieces, b"},", _head(predictor, request_id)]


def _head(predictor: Predictor, request_id: str) -> bytes:
    return _encode(Head(predictor.name, predictor.version, request_id))[1:]
