"""Requests and replies of the Open Inference Protocol, version 2, in JSON.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from inference_api.answers import Answers, Columns
from inference_api.asgi import Body
from inference_api.columnar import ColumnReader
from inference_api.errors import invalid, mistake
from inference_api.fields import printable
from inference_api.predictor import Predictor
from inference_api.request_schema import too_many

INPUTS_KEY = "inputs"
NUMERIC = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16", "FP32", "FP64")
DATATYPES = (*NUMERIC, "BYTES", "BOOL")
_ANY_LENGTH = -1
# In nested values, where texts may have commas of their own.
MOST_COMMAS = 1_000_000

_MOST_WANTED = 100
# Of a shape as text.
_MOST_SHAPE_BYTES = 100

_NESTED = re.compile(rb"\[\s*\[")

_nested = msgspec.json.Decoder(list[list[msgspec.Raw]])
_shape = msgspec.json.Decoder(list[int])
_encode = msgspec.json.Encoder().encode


class Tensor(msgspec.Struct):
    """Values of one feature."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw


class Wanted(msgspec.Struct):
    """One output that the client asks for."""

    name: str


class InferRequest(msgspec.Struct):
    """Body of ``infer``; `parameters`, at any place, are tolerated."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[Wanted] | None = None


class TensorInfo(msgspec.Struct):
    """What a model takes or gives under one name."""

    name: str
    datatype: str
    shape: list[int]


class OutputTensor(msgspec.Struct):
    """Values of one output, row by row."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferReply(msgspec.Struct, omit_defaults=True):
    """Reply of ``infer``."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | None = None


class _Tensor(msgspec.Struct):
    """A `Tensor` whose shape, of which a body may have millions of numbers, was not read yet."""

    name: str
    shape: msgspec.Raw
    datatype: str
    data: msgspec.Raw


@lru_cache(64)
def _request(tensors: int) -> msgspec.json.Decoder[Any]:
    """Reads an `InferRequest` of at most so many tensors, and no more than these: further ones end it at once."""

    def listed(name: str, kind: type, most: int) -> type:
        places = [(f"at{place}", kind | msgspec.UnsetType, msgspec.UNSET) for place in range(most)]
        return msgspec.defstruct(name, places, array_like=True, forbid_unknown_fields=True)

    inputs, outputs = listed("Inputs", _Tensor, tensors), listed("Outputs", Wanted, _MOST_WANTED)
    fields: list[Any] = [("inputs", inputs), ("id", str | None, None), ("outputs", outputs | None, None)]
    return msgspec.json.Decoder(msgspec.defstruct("Request", fields))


def _given(listed: Any) -> list[Any]:
    return [] if listed is None else [each for each in msgspec.structs.astuple(listed) if each is not msgspec.UNSET]


def _read_shape(source: msgspec.Raw) -> list[int]:
    """A shape; none where it is no list of a few whole numbers."""
    if len(memoryview(source)) > _MOST_SHAPE_BYTES:
        return []
    try:
        return _shape.decode(source)
    except msgspec.DecodeError:
        return []


def read_request(body: Body, features: int) -> InferRequest:
    """Read the body of ``infer``.

    Parameters
    ----------
    features : of the model; a body with many more tensors is refused before it takes memory.

    Raises
    ------
    Refusal
    """
    try:
        found = _request(2 * features + 100).decode(body)
    except RecursionError:
        reason, kind = "the body is nested too deeply", "json_invalid"
    except msgspec.ValidationError as error:
        reason, kind = str(error), "request_invalid"
    except (msgspec.DecodeError, UnicodeError) as error:
        reason, kind = str(error), "json_invalid"
    else:
        return _request_of(found)
    advice = 'Send {"inputs": [{"name", "shape", "datatype", "data"}, …]}, one tensor a feature'
    raise invalid([mistake((), f"{reason}. {advice}", kind)])


def _request_of(found: Any) -> InferRequest:
    tensors = [Tensor(each.name, _read_shape(each.shape), each.datatype, each.data) for each in _given(found.inputs)]
    return InferRequest(tensors, found.id, _given(found.outputs))


def read_inputs(predictor: Predictor, request: InferRequest, most: int) -> Columns:
    """The tensors of a request as columns.

    Raises
    ------
    Refusal
        422, naming tensor and row of every mistake; 413 for too many rows.
    """
    mistakes: list[dict[str, Any]] = []
    sources: dict[str, Any] = {}
    for tensor in request.inputs:
        name, shape = tensor.name, tensor.shape
        loc = (INPUTS_KEY, printable(name))
        if name in sources:
            mistakes.append(mistake(loc, f"there are two tensors named {printable(name)}", "duplicate"))
        if tensor.datatype not in DATATYPES:
            message = f"datatype must be one of {', '.join(DATATYPES)}, got {printable(tensor.datatype)}"
            mistakes.append(mistake((*loc, "datatype"), message, "datatype"))
        if not shape or len(shape) > 2 or (len(shape) == 2 and shape[1] != 1) or shape[0] < 0:
            message = "shape must be [N] or [N, 1], with one value a record"
            mistakes.append(mistake((*loc, "shape"), message, "shape"))
        sources[name] = _flat(tensor.data, most)
    if mistakes:
        raise invalid(mistakes)
    columns = ColumnReader.of(predictor.validator).read(sources, (INPUTS_KEY,), most)
    for tensor in request.inputs:
        found = len(columns[tensor.name])
        if found != tensor.shape[0]:
            message = f"data has {found} values, shape says {tensor.shape[0]}"
            mistakes.append(mistake((INPUTS_KEY, tensor.name, "shape"), message, "shape"))
    if mistakes:
        raise invalid(mistakes)
    return columns


def _flat(data: msgspec.Raw, most: int) -> msgspec.Raw:
    """The JSON of a list of values, where each may have been in a list of its own."""
    text = bytes(data)
    if _NESTED.match(text):
        # Before they take memory: a list of one value takes thirty times its text. (Few brackets are inside of texts.)
        if text.count(b"[") > 2 * most + 1 or text.count(b",") > max(MOST_COMMAS, 20 * most):
            raise too_many(most)
        try:
            rows = _nested.decode(data)
        except msgspec.DecodeError:
            return data
        if all(len(row) == 1 for row in rows):
            return msgspec.Raw(b"[" + b",".join(bytes(row[0]) for row in rows) + b"]")
    return data


def input_infos(predictor: Predictor) -> list[TensorInfo]:
    """The tensors that a model takes: a number as INT64 or FP64, anything else as BYTES."""
    datatypes = {"integer": "INT64", "number": "FP64"}
    return [
        TensorInfo(column.name, datatypes.get(column.type, "BYTES"), [_ANY_LENGTH])
        for column in predictor.bundle.columns
    ]


def output_infos(predictor: Predictor) -> list[TensorInfo]:
    """The tensors that a model gives."""
    if not predictor.classes:
        return [TensorInfo("prediction", "FP64", [_ANY_LENGTH])]
    probabilities = [TensorInfo("probabilities", "FP64", [_ANY_LENGTH, len(predictor.classes)])]
    if not predictor.has_probabilities:
        probabilities = []
    return [
        TensorInfo("prediction", _datatype(predictor), [_ANY_LENGTH]),
        TensorInfo("label", "BYTES", [_ANY_LENGTH]),
        *probabilities,
    ]


def check_wanted(predictor: Predictor, wanted: Iterable[Wanted] | None) -> list[str]:
    """Names of the outputs to give, in order.

    Raises
    ------
    Refusal
        422 for one that the model does not have.
    """
    known = [info.name for info in output_infos(predictor)]
    names = list(dict.fromkeys(output.name for output in wanted or ())) or known
    unknown = [name for name in names if name not in known]
    if unknown:
        message = f"there is no output {printable(unknown[0])}; there are {', '.join(known)}"
        raise invalid([mistake(("outputs",), message, "output_unknown")])
    return names


def infer_reply(answers: Answers, predictor: Predictor, request: InferRequest, names: list[str]) -> bytes:
    """The JSON of an `InferReply` with the outputs named."""
    outputs = [_output(name, answers, predictor) for name in names]
    return _encode(InferReply(predictor.name, str(predictor.version), outputs, request.id))


def _output(name: str, answers: Answers, predictor: Predictor) -> OutputTensor:
    rows = len(answers)
    if name == "prediction":
        return OutputTensor(name, [rows], _datatype(predictor), answers.predictions)
    if name == "label":
        return OutputTensor(name, [rows], "BYTES", answers.labels or [])
    assert answers.probabilities is not None
    return OutputTensor(name, [rows, len(answers.classes)], "FP64", answers.probabilities.ravel().tolist())


def _datatype(predictor: Predictor) -> str:
    if not predictor.classes:
        return "FP64"
    return "INT64" if isinstance(predictor.predictions[0], int) else "BYTES"
