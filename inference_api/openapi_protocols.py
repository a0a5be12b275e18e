"""The routes of foreign protocols in the OpenAPI document."""

from typing import Any

import msgspec

from inference_api.invocations import (
    CSV,
    FORMS,
    INVOCATIONS_PATH,
    MODEL_INVOCATIONS_PATH,
    SPLIT,
    InvocationsError,
    InvocationsReply,
)
from inference_api.openapi_parameters import ALIAS, LOG, VERSION
from inference_api.predictor import Predictor
from inference_api.v2_protocol import InferReply, InferRequest, input_infos
from inference_api.v2_routes import V2_INFER_PATH, V2_PATH, ModelMetadata, ServerMetadata, V2Error

_REF = "#/components/schemas/{name}"
_V2_TAG, _MLFLOW_TAG = "Open Inference Protocol", "MLflow scoring protocol"


def protocol_schemas() -> dict[str, Any]:
    """The schemas that `protocol_paths` refers to."""
    structs = [InferRequest, InferReply, ModelMetadata, ServerMetadata, V2Error, InvocationsReply, InvocationsError]
    _, schemas = msgspec.json.schema_components(structs, ref_template=_REF)
    return dict(schemas)


def protocol_paths(predictors: list[Predictor], names: list[str]) -> dict[str, Any]:
    """Paths and operations of V2 and of MLflow's protocol, with examples of the models that are served."""
    name = {"name": "name", "in": "path", "required": True, "schema": {"enum": names}}
    version = {"name": "version", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
    asked = [VERSION, ALIAS, LOG]
    model = "/v2/models/{name}"
    of_version = model + "/versions/{version}"
    infer = {each.name: {"value": _tensors(each)} for each in predictors}
    paths: dict[str, Any] = {
        V2_PATH: _v2_get("v2_server", "What this server is", "ServerMetadata"),
        "/v2/health/live": _v2_get("v2_live", "The process runs"),
        "/v2/health/ready": _v2_get("v2_ready", "A model is loaded"),
        model: _v2_get("v2_model", "The tensors that a model takes and gives", "ModelMetadata", [name]),
        of_version: _v2_get("v2_version", "The same of one version", "ModelMetadata", [name, version]),
        f"{model}/ready": _v2_get("v2_model_ready", "A model can predict", None, [name]),
        f"{of_version}/ready": _v2_get("v2_version_ready", "A version can predict", None, [name, version]),
        V2_INFER_PATH: _v2_infer("v2_infer", "Predict, one tensor a feature", infer, [name, *asked]),
        f"{of_version}/infer": _v2_infer("v2_version_infer", "Predict with one version", infer, [name, version, LOG]),
    }
    for path, operation_id, parameters, shown in (
        (INVOCATIONS_PATH, "invocations", asked, predictors[:1]),
        (MODEL_INVOCATIONS_PATH, "model_invocations", [name, *asked], predictors),
    ):
        paths[path] = {"post": _invocations(operation_id, parameters, shown)}
    for path, operation_id in (("/ping", "ping"), ("/health", "health")):
        paths[path] = {"get": _get(operation_id, "A model is loaded", {"404": "No model yet"})}
    paths["/version"] = {"get": _get("mlflow_version", "The version of MLflow, as text", {})}
    return paths


def _tensors(predictor: Predictor) -> dict[str, Any]:
    example = predictor.bundle.input_example
    return {
        "inputs": [
            {"name": info.name, "shape": [1], "datatype": info.datatype, "data": [example.get(info.name)]}
            for info in input_infos(predictor)
        ]
    }


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(name=schema)}}}


def _v2_errors(**more: str) -> dict[str, Any]:
    texts = more | {
        "400": "What is wrong, by tensor and row",
        "404": "No such model or version",
        "503": "Not loaded (yet)",
    }
    return {status: {"description": text, "content": _json("V2Error")} for status, text in texts.items()}


def _v2_get(
    operation_id: str, summary: str, schema: str | None = None, parameters: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    content = _json(schema) if schema else {"application/json": {"schema": {"type": "object"}}}
    return {
        "get": {
            "tags": [_V2_TAG],
            "operationId": operation_id,
            "summary": summary,
            "parameters": parameters or [],
            "responses": {"200": {"description": summary, "content": content}, **_v2_errors()},
        }
    }


# Of requests that have a body.
BODY_ERRORS = {
    "408": "The body stopped, and nothing more came for half a minute",
    "413": "Too many records or bytes",
    "415": "A content type or compression that is not accepted",
    "429": "Saturated; see Retry-After",
}


def _v2_infer(
    operation_id: str, summary: str, examples: dict[str, Any], parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    body = {"application/json": {"schema": {"$ref": _REF.format(name="InferRequest")}, "examples": examples}}
    return {
        "post": {
            "tags": [_V2_TAG],
            "operationId": operation_id,
            "summary": summary,
            "parameters": parameters,
            "requestBody": {"required": True, "content": body},
            "responses": {
                "200": {"description": "The outputs", "content": _json("InferReply")},
                **_v2_errors(**BODY_ERRORS),
            },
        }
    }


def _invocations(operation_id: str, parameters: list[dict[str, Any]], shown: list[Predictor]) -> dict[str, Any]:
    forms = [{"type": "object", "required": [form], "properties": {form: {}}} for form in FORMS]
    examples, tables = {}, {}
    for predictor in shown:
        names, values = zip(*predictor.bundle.input_example.items(), strict=True)
        examples[predictor.name] = {"value": {SPLIT: {"columns": names, "data": [values]}}}
        texts = ",".join("" if value is None else str(value) for value in values)
        tables[predictor.name] = {"value": ",".join(names) + "\n" + texts + "\n"}
    content = {
        "application/json": {"schema": {"oneOf": forms}, "examples": examples},
        f"text/{CSV}": {"schema": {"type": "string"}, "examples": tables},
    }
    errors = BODY_ERRORS | {
        "400": "What is wrong, by feature and row",
        "404": "No such model",
        "503": "Not loaded (yet)",
    }
    return {
        "tags": [_MLFLOW_TAG],
        "operationId": operation_id,
        "summary": "Predict as MLflow's scoring server does",
        "parameters": parameters,
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {"description": "The predictions", "content": _json("InvocationsReply")},
            **{status: {"description": text, "content": _json("InvocationsError")} for status, text in errors.items()},
        },
    }


def _get(operation_id: str, summary: str, errors: dict[str, str]) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": summary, "content": {"application/json": {}}}}
    responses |= {
        status: {"description": text, "content": _json("InvocationsError")} for status, text in errors.items()
    }
    return {"tags": [_MLFLOW_TAG], "operationId": operation_id, "summary": summary, "responses": responses}
