"""The OpenAPI document, with the prediction routes and schemas of the models that are served at the moment."""

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from inference_api.batch_replies import ColumnsReply, ManyReply
from inference_api.body_forms import ARROW_TYPE
from inference_api.columnar import COLUMNS_KEY
from inference_api.explained_replies import ExplainedManyReply, ExplainedReply
from inference_api.model_schema import record_schema
from inference_api.model_state import ModelState
from inference_api.model_store import ModelStore
from inference_api.openapi_parameters import ALIAS, EXPLAIN, LOG, VERSION
from inference_api.openapi_protocols import BODY_ERRORS, protocol_paths, protocol_schemas
from inference_api.prediction_routes import MODEL_PREDICT_PATH, PREDICT_PATH, Reply
from inference_api.predictor import Predictor
from inference_api.request_schema import MODEL_KEY, RECORDS_KEY

DESCRIPTION = """Predictions by the champion of every registered model.

A number may be sent as a number or as a string that holds one. Every mistake in a request is named with its field."""

_PARAMETERS = [VERSION, ALIAS, EXPLAIN, LOG]

# Of whatever reads a body.
_NO_BODY = {
    "400": "A request to be upgraded to another protocol, whose body is lost",
    "413": BODY_ERRORS["413"],
    "415": BODY_ERRORS["415"],
}
_ERRORS = {
    **_NO_BODY,
    "404": "No such model",
    "429": BODY_ERRORS["429"],
    "422": "A mistake in the record: each is named with its field and what the field accepts",
    "503": "The model has no version to serve yet; see Retry-After",
}

_ERROR_CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/PredictionErrors"}}}


def live_openapi(app: FastAPI, store: ModelStore) -> Callable[[], dict[str, Any]]:
    """Make the replacement of `FastAPI.openapi`, which builds the document anew when the served models change."""
    built: tuple[Any, dict[str, Any]] = (None, {})

    def openapi() -> dict[str, Any]:
        nonlocal built
        states = store.states
        if built[0] is not states:
            built = (states, _document(app, [state for _, state in sorted(states.items()) if state.predictor], store))
        return built[1]

    return openapi


def _document(app: FastAPI, served: list[ModelState], store: ModelStore) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _, replies = msgspec.json.schema_components(
        [Reply, ManyReply, ColumnsReply, ExplainedReply, ExplainedManyReply], ref_template="#/components/schemas/{name}"
    )
    schemas |= replies
    schemas["PredictionErrors"] = {
        "type": "object",
        "properties": {"detail": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]}},
    }
    _say_how_errors_look(document["paths"])
    schemas |= protocol_schemas()
    records, columns, named_records, examples, named_examples = [], [], [], {}, {}
    for state in served:
        assert state.predictor is not None
        bundle = state.predictor.bundle
        schemas[f"record_{state.name}"] = record_schema(bundle)
        records.append({"$ref": f"#/components/schemas/record_{state.name}"})
        schemas[f"columns_{state.name}"] = _columns(schemas[f"record_{state.name}"])
        columns.append({"$ref": f"#/components/schemas/columns_{state.name}"})
        schemas[f"named_record_{state.name}"] = _named_record(state.predictor, is_default=state.name == store.default)
        named_records.append({"$ref": f"#/components/schemas/named_record_{state.name}"})
        examples[state.name] = {"summary": bundle.title, "value": bundle.input_example}
        by_column = {name: [value] for name, value in bundle.input_example.items()}
        examples[f"{state.name}, columns"] = {"summary": f"{bundle.title}, many", "value": {COLUMNS_KEY: by_column}}
        named = {**bundle.input_example, MODEL_KEY: state.name}
        named_examples[state.name] = {"summary": bundle.title, "value": named}
    many = [_only(RECORDS_KEY, {"type": "array", "minItems": 1, "items": record}) for record in records]
    many += [_only(COLUMNS_KEY, each) for each in columns]
    paths = document["paths"]
    paths[PREDICT_PATH] = {
        "post": _operation(
            "predict",
            f"Predict one record; of {store.default} unless `{MODEL_KEY}` names another model",
            _any_of(named_records),
            named_examples,
            "Reply",
            "ExplainedReply",
        )
    }
    operation = _operation(
        "predict_model",
        'Predict one record, or many: `{"records": [...]}`, `{"columns": {name: [...]}}` or an Arrow IPC stream',
        _any_of([*records, *many]),
        examples,
        "Reply",
        "ManyReply",
        "ColumnsReply",
        "ExplainedReply",
        "ExplainedManyReply",
    )
    operation["parameters"] = [
        *_PARAMETERS,
        {
            "name": "name",
            "in": "path",
            "required": True,
            "schema": {"enum": [s.name for s in served] or [store.default]},
        },
    ]
    arrow = {ARROW_TYPE.decode(): {"schema": {"type": "string", "format": "binary"}}}
    operation["requestBody"]["content"] |= arrow
    operation["responses"]["200"]["content"] |= arrow
    paths[MODEL_PREDICT_PATH] = {"post": operation}
    predictors = [state.predictor for state in served if state.predictor is not None]
    paths |= protocol_paths(predictors, [state.name for state in served] or [store.default])
    return document


def _only(key: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object that holds one thing."""
    return {"type": "object", "properties": {key: schema}, "required": [key], "additionalProperties": False}


def _columns(record: dict[str, Any]) -> dict[str, Any]:
    """The schema of many records by column, from that of one."""
    properties = {name: {"type": "array", "minItems": 1, "items": rule} for name, rule in record["properties"].items()}
    example = {name: [value] for name, value in record["examples"][0].items()}
    return {**record, "properties": properties, "examples": [example]}


def _named_record(predictor: Predictor, *, is_default: bool) -> dict[str, Any]:
    """The schema of a record that says which model it is for, which one for the default model need not."""
    schema = record_schema(predictor.bundle)
    if not predictor.validator.has_model_key:
        return schema
    named = {MODEL_KEY: {"description": "the model that is to answer", "const": predictor.name}}
    required = schema["required"] if is_default else [*schema["required"], MODEL_KEY]
    example = {**predictor.bundle.input_example, MODEL_KEY: predictor.name}
    return {**schema, "properties": {**schema["properties"], **named}, "required": required, "examples": [example]}


def _say_how_errors_look(paths: dict[str, Any]) -> None:
    """Give the errors of FastAPI's routes, which describe them in words, the schema that all have.

    Those of a body, which no route of its own makes, are added.
    """
    for operations in paths.values():
        for operation in operations.values():
            if "requestBody" in operation:
                no_body = {status: {"description": text} for status, text in _NO_BODY.items()}
                operation["responses"] = no_body | operation["responses"]
            for status, response in operation["responses"].items():
                if status >= "400":
                    response.setdefault("content", _ERROR_CONTENT)


def _operation(name: str, summary: str, body: Any, examples: dict[str, Any], *replies: str) -> dict[str, Any]:
    reply = _any_of([{"$ref": f"#/components/schemas/{name}"} for name in replies])
    return {
        "tags": ["predictions"],
        "parameters": _PARAMETERS,
        "operationId": name,
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body, "examples": examples}}},
        "responses": {
            "200": {"description": "The prediction", "content": {"application/json": {"schema": reply}}},
            **{status: {"description": text, "content": _ERROR_CONTENT} for status, text in _ERRORS.items()},
        },
    }


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas} if schemas else {"type": "object"}
