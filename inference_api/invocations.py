"""Requests and replies of MLflow's scoring server: ``/invocations``, ``/ping`` and ``/version``.

What that server ignores is ignored here as well: features that a model does not have, and parameters of the model.
"""

import re
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice
from typing import Any

import msgspec
from starlette.routing import Route
from starlette.types import Receive, Scope

from inference_api.answers import Answers, Columns
from inference_api.asgi import Body, Payload
from inference_api.columnar import ColumnReader
from inference_api.csv_rows import CSV, MOST_VALUES, csv_rows, wrong_csv
from inference_api.errors import Refusal, invalid, mistake
from inference_api.fields import LONGEST_TEXT, printable
from inference_api.json_rows import json_rows
from inference_api.model_store import ModelStore
from inference_api.prediction_routes import PredictionService
from inference_api.predictor import Predictor
from inference_api.protocol import ProtocolEndpoint
from inference_api.pyfunc_predictor import PyfuncPredictor
from inference_api.recording import Ticket
from inference_api.request_schema import LARGE_BYTES, too_many
from inference_api.row_table import CHUNK_ROWS, RowTable

RECORDS, SPLIT, INSTANCES, INPUTS = "dataframe_records", "dataframe_split", "instances", "inputs"
FORMS = (SPLIT, RECORDS, INSTANCES, INPUTS)
INVOCATIONS_PATH = "/invocations"
MODEL_INVOCATIONS_PATH = "/models/{name}/invocations"

_CODES = {
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}

_encode = msgspec.json.Encoder().encode


class InvocationsReply(msgspec.Struct):
    """Answer to many records: the class, as the model itself has it, or the number."""

    predictions: list[str | int | float]


class InvocationsError(msgspec.Struct):
    """What is answered when a request cannot be."""

    error_code: str
    message: str


class _Split(msgspec.Struct):
    columns: msgspec.Raw
    data: msgspec.Raw


class _Body(msgspec.Struct, rename={"split": SPLIT, "records": RECORDS}):
    """One of the four forms, not read yet."""

    split: _Split | msgspec.UnsetType = msgspec.UNSET
    records: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    instances: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_body = msgspec.json.Decoder(_Body)
_names = msgspec.json.Decoder(list[str])
_ADVICE = (
    f"the body must be a JSON object with exactly one of {SPLIT} "
    f'({{"columns": [names], "data": [[values of a row]]}}), {RECORDS} or {INSTANCES} (a list of records) '
    f"and {INPUTS} ({{name: [values]}})"
)
_BOM = b"\xef\xbb\xbf"
# Where a record does not have a name.
_ABSENT = object()
# A text, to pass over it, or what Python and pandas write for numbers that JSON does not have.
_CONSTANT = re.compile(rb'"(?:[^"\\]|\\.){0,%d}+("?)|NaN|Infinity' % (2 * LONGEST_TEXT), re.DOTALL)
_IN_JSON = {b"NaN": b"null", b"Infinity": b"1e999"}


def invocation_routes(service: PredictionService, store: ModelStore, default: str) -> list[Route]:
    """The routes; `default` is the model of ``/invocations``."""
    scoring = _Scoring(service, store, default)
    return [
        Route(path, ProtocolEndpoint(path, answer, _error), methods=[method])
        for method, path, answer in (
            ("POST", INVOCATIONS_PATH, scoring.invoke),
            ("POST", MODEL_INVOCATIONS_PATH, scoring.invoke),
            ("GET", "/ping", scoring.ping),
            ("GET", "/health", scoring.ping),
            ("GET", "/version", scoring.version),
        )
    ]


def _error(status: int, text: str) -> tuple[int, bytes]:
    status = 400 if status == 422 else status
    return status, _encode(InvocationsError(_CODES.get(status, "BAD_REQUEST"), text))


class _Scoring:
    def __init__(self, service: PredictionService, store: ModelStore, default: str) -> None:
        self._service = service
        self._store = store
        self._default = default
        self._version = version("mlflow-skinny").encode()

    async def ping(self, _: Scope, __: Receive) -> bytes:
        if not self._store.ready:
            raise Refusal(404, "no model is loaded yet")
        return b"\n"

    async def version(self, _: Scope, __: Receive) -> bytes:
        return self._version

    async def invoke(self, scope: Scope, receive: Receive) -> Payload:
        as_csv = _is_csv(scope)
        name = scope["path_params"].get("name", self._default)
        return await self._service.respond(scope, receive, name, self._answer, as_csv)

    def _answer(self, predictor: Predictor, body: Body, ticket: Ticket, as_csv: bool) -> bytes:
        place, columns = (read_csv if as_csv else read_json)(predictor, body, self._service.max_records)
        answers = self._service.answer_batch(predictor, columns, place, ticket)
        return _encode(InvocationsReply(_predictions(predictor, answers)))


def _predictions(predictor: Predictor, answers: Answers) -> list[Any]:
    if not predictor.classes:
        return answers.predictions
    values = dict(zip(predictor.predictions, predictor.class_values, strict=True))
    return [values[prediction] for prediction in answers.predictions]


def _is_csv(scope: Scope) -> bool:
    """Whether the body is CSV, JSON otherwise.

    Raises
    ------
    Refusal
        415 for any other content type.
    """
    found = b"".join(value for name, value in scope["headers"] if name == b"content-type").decode("latin-1").lower()
    kind, *parameters = (part.strip() for part in found.split(";"))
    if kind not in ("", "application/json", "text/csv"):
        raise Refusal(415, f"this service takes application/json and text/csv, got {printable(kind)!r}")
    if any(parameter not in ("", "charset=utf-8", 'charset="utf-8"') for parameter in parameters):
        raise Refusal(415, f"of a content type's parameters only charset=utf-8 is accepted, got {printable(found)!r}")
    return kind == "text/csv"


def read_json(predictor: Predictor, body: Body, most: int) -> tuple[str, Columns]:
    """Read a JSON body: which of the `FORMS` it has, and its records.

    Raises
    ------
    Refusal
        422, naming column and row of every mistake; 413 for more than `most` records.
    """
    # Passing over them would keep others waiting.
    if len(body) > LARGE_BYTES and max(body.count(b"{"), body.count(b"[")) > 4 * most + 100:
        raise too_many(most)
    found = _decoded(body, most * len(predictor.validator.columns))
    forms = {field.encode_name: getattr(found, field.name) for field in msgspec.structs.fields(found)}
    given = [(form, source) for form, source in forms.items() if source is not msgspec.UNSET]
    if len(given) != 1:
        raise invalid([mistake((), _ADVICE, "form")])
    [(form, source)] = given
    if isinstance(source, _Split):
        return form, _split(predictor, source, most)
    if form == INPUTS and bytes(memoryview(source)[:1]) != b"[":
        try:
            return form, ColumnReader.of(predictor.validator).read_known(source, (form,), most)
        except (msgspec.DecodeError, UnicodeError):
            raise _wrong(form, "must be an object with a list of values a feature") from None
    # A model that takes arrays has numbered columns; for any other one values without names may be of any column.
    is_tensor = isinstance(predictor, PyfuncPredictor) and predictor.is_tensor and form != RECORDS
    names = list(predictor.validator.columns) if is_tensor else None
    return form, _rows(RowTable(predictor.validator, form, most), form, json_rows(source, form), names)


def _decoded(body: Body, most_values: int) -> _Body:
    body = body[len(_BOM) :] if body.startswith(_BOM) else body
    try:
        try:
            return _body.decode(body)
        except msgspec.DecodeError:
            if b"NaN" not in body and b"Infinity" not in body:
                raise
            if body.count(b"NaN") > 2 * most_values + 1000:
                raise invalid([mistake((), "the body has more NaN than there may be values", "too_long")]) from None
            return _body.decode(_as_json(body))
    except RecursionError:
        reason = "the body is nested too deeply"
    except (msgspec.DecodeError, UnicodeError) as error:
        reason = str(error) if body.strip() else "the body is empty"
    raise invalid([mistake((), f"{reason}; {_ADVICE}", "json_invalid")])


def _as_json(body: Body) -> bytearray:
    """The body with null for NaN, which MLflow takes for a missing value; match by match, so that nobody waits."""
    replaced, start = bytearray(), 0
    for found in _CONSTANT.finditer(body):
        if replacement := _IN_JSON.get(found[0]):
            replaced += body[start : found.start()]
            replaced += replacement
            start = found.end()
        elif not found[1]:
            raise invalid([mistake((), "the body has a text that does not end, or far longer than any is", "too_long")])
    replaced += body[start:]
    return replaced


def _split(predictor: Predictor, source: _Split, most: int) -> Columns:
    # Before they take memory; a name may hold commas of its own.
    if bytes(source.columns).count(b",") > MOST_VALUES:
        raise _wrong(SPLIT, f"has more than {MOST_VALUES:,} columns")
    try:
        names = _names.decode(source.columns)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _wrong(SPLIT, f'must be {{"columns": [names], "data": [[values of a row]]}}: {error}') from None
    data = f"{SPLIT}.data"
    return _rows(RowTable(predictor.validator, SPLIT, most), data, json_rows(source.data, data), names)


def read_csv(predictor: Predictor, body: Body, most: int) -> tuple[str, Columns]:
    """Read a CSV body with a header; raises as `read_json` does."""
    rows = csv_rows(body, most)
    names = next(rows, None)
    if names is None:
        raise wrong_csv("is empty; its first line must name the features")
    return CSV, _rows(RowTable(predictor.validator, CSV, most), CSV, rows, names)


def _rows(table: RowTable, place: str, rows: Iterator[Any], names: list[str] | None) -> Columns:
    """The columns of rows that are lists of values of those names, or of records where there are none."""
    if names is not None and len(set(names)) != len(names):
        raise _wrong(place, "names a column twice")
    known = [name for name in table.names if names is None or name in names]
    places = [] if names is None else [names.index(name) for name in known]

    def picked(index: int, row: Any) -> list[Any]:
        """The values of the names that are known; at once, as there may be any number of others."""
        if isinstance(row, dict) and (names is None or place in (INSTANCES, INPUTS)):
            return [row.get(name, _ABSENT) for name in known]
        if names is None or not isinstance(row, list):
            raise _wrong(f"{place}[{index}]", "must be a record" if names is None else "must be a list of values")
        if len(row) != len(names):
            raise _wrong(f"{place}[{index}]", f"has {len(row)} values, there are {len(names)} columns")
        return [row[at] for at in places]

    found = (picked(index, row) for index, row in enumerate(rows))
    while chunk := list(islice(found, CHUNK_ROWS)):
        columns = {}
        for name, values in zip(known, map(list, zip(*chunk, strict=True)), strict=True):
            absent = values.count(_ABSENT)
            if absent < len(values):
                columns[name] = [None if value is _ABSENT else value for value in values] if absent else values
        table.add(columns, len(chunk))
    return table.columns()


def _wrong(place: str, message: str) -> Refusal:
    return invalid([mistake((place,), f"{place} {message}", "form")])
