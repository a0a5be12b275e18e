"""Requests and replies of MLflow's scoring server: ``/invocations``, ``/ping`` and ``/version``.

What that server ignores is ignored here as well: features that a model does not have, and parameters of the model.
"""

import csv
from collections.abc import Collection
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.routing import Route
from starlette.types import Receive, Scope

from inference_api.answers import Answers, Columns
from inference_api.asgi import Body, Payload
from inference_api.columnar import ColumnReader
from inference_api.errors import Refusal, invalid, mistake
from inference_api.fields import printable
from inference_api.model_store import ModelStore
from inference_api.prediction_routes import PredictionService
from inference_api.predictor import Predictor
from inference_api.protocol import ProtocolEndpoint
from inference_api.recording import Ticket
from inference_api.request_schema import LARGE_BYTES, Scalar, not_a_record, parse_json, too_many

RECORDS, SPLIT, INSTANCES, INPUTS = "dataframe_records", "dataframe_split", "instances", "inputs"
FORMS = (SPLIT, RECORDS, INSTANCES, INPUTS)
CSV = "csv"
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
    """Answer to many records: the class, as the training data have it, or the number."""

    predictions: list[str | float]


class InvocationsError(msgspec.Struct):
    """What is answered when a request cannot be."""

    error_code: str
    message: str


class _Split(msgspec.Struct):
    columns: list[str]
    data: list[list[Scalar]]


class _Body(msgspec.Struct, rename={"split": SPLIT, "records": RECORDS}):
    """One of the four forms, of the right JSON types."""

    split: _Split | None = None
    records: list[dict[str, Scalar]] | None = None
    instances: list[dict[str, Scalar]] | None = None
    inputs: dict[str, list[Scalar]] | None = None


_body = msgspec.json.Decoder(_Body)


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
        most = self._service.max_records
        place, sources = read_csv(body, most) if as_csv else read_json(body, most, predictor.validator.columns)
        columns = _checked(predictor, place, sources, most)
        answers = self._service.answer_batch(predictor, columns, place, ticket)
        return _encode(InvocationsReply(_predictions(predictor, answers)))


def _predictions(predictor: Predictor, answers: Answers) -> list[Any]:
    # The model itself answers a class by the text that the training data have for it.
    return [str(value) for value in answers.predictions] if predictor.classes else answers.predictions


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


def read_json(body: Body, most: int, features: Collection[str]) -> tuple[str, dict[str, list[Any]]]:
    """Read a JSON body: which of the `FORMS` it has, and its columns, of records those that are among `features`.

    Raises
    ------
    Refusal
    """
    # Before they take memory: a megabyte holds 300,000 empty records.
    if body.count(b"{") > 2 * most + 3 or body.count(b"[") > 2 * most + 3:
        raise too_many(most)
    try:
        found: Any = msgspec.structs.asdict(_body.decode(body))
        payload = {_KEYS[key]: value for key, value in found.items() if value is not None}
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        if len(body) > LARGE_BYTES:
            raise not_a_record(body) from None
        payload = parse_json(body)
    forms = [key for key in FORMS if key in payload] if isinstance(payload, dict) else []
    if len(forms) != 1:
        message = f"the body must be a JSON object with exactly one of {', '.join(FORMS)}"
        raise invalid([mistake((), message, "form")])
    return forms[0], _columns(forms[0], payload[forms[0]], features)


_KEYS = {"split": SPLIT, "records": RECORDS, "instances": INSTANCES, "inputs": INPUTS}


def _columns(form: str, value: Any, features: Collection[str]) -> dict[str, list[Any]]:
    if isinstance(value, _Split):
        return _split(value.columns, value.data)
    if isinstance(value, list) and form != SPLIT and all(isinstance(row, dict) for row in value):
        # Only those of the model: thousands of records, each with names of its own, would make millions of values.
        names = [name for name in features if any(name in row for row in value)]
        return {name: [row.get(name) for row in value] for name in names}
    if form == SPLIT:
        columns, data = (value.get("columns"), value.get("data")) if isinstance(value, dict) else (None, None)
        if (
            isinstance(columns, list)
            and all(isinstance(name, str) for name in columns)
            and isinstance(data, list)
            and all(isinstance(row, list) for row in data)
        ):
            return _split(columns, data)
        raise _wrong(form, 'must be {"columns": [names], "data": [[values of a row]]}')
    if isinstance(value, dict) and form != RECORDS:
        return {name: values if isinstance(values, list) else [values] for name, values in value.items()}
    needed = "a list of records" if form in (RECORDS, INSTANCES) else "an object with a list of values a feature"
    raise _wrong(form, f"must be {needed}")


def _split(names: list[str], rows: list[list[Any]]) -> dict[str, list[Any]]:
    if len(set(names)) != len(names):
        raise _wrong(SPLIT, "names a column twice")
    for index, row in enumerate(rows):
        if len(row) != len(names):
            raise _wrong(f"{SPLIT}.data[{index}]", f"has {len(row)} values, there are {len(names)} columns")
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return dict(zip(names, map(list, columns), strict=True))


def read_csv(body: Body, most: int) -> tuple[str, dict[str, list[Any]]]:
    """Read a CSV body with a header.

    Raises
    ------
    Refusal
    """
    try:
        rows = list(csv.reader(body.decode("utf-8-sig").splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _wrong(CSV, f"is no CSV in UTF-8: {error}") from None
    rows = [row for row in rows if row]
    if len(rows) > most + 1:
        raise too_many(most)
    if not rows:
        raise _wrong(CSV, "is empty; its first line must name the features")
    return CSV, _split(rows[0], list(rows[1:]))


def _checked(predictor: Predictor, place: str, sources: dict[str, list[Any]], most: int) -> Columns:
    known = {name: _without_nan(values) for name, values in sources.items() if name in predictor.validator.columns}
    return ColumnReader.of(predictor.validator).read(known, (place,), most)


def _without_nan(values: list[Any]) -> list[Any]:
    """What pandas writes for a missing number, where JSON has null."""
    return [None if type(value) is float and value != value else value for value in values]


def _wrong(place: str, message: str) -> Refusal:
    return invalid([mistake((place,), f"{place} {message}", "form")])
