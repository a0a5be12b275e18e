"""What the Open Inference Protocol says of the replies that this service gives, as JSON Schema.

Written down from ``specification/protocol/open_inference_rest.yaml`` of
https://github.com/kserve/open-inference-protocol (Copyright 2023 The KServe Authors, Apache License 2.0): names, types
and required properties are that file's. Beyond it, no other properties are allowed here.
"""

from typing import Any


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


STRING = {"type": "string"}
SHAPE = {"type": "array", "items": {"type": "integer"}}
PARAMETERS = {"type": "object"}
TENSOR_DATA = {"type": "array", "items": {"type": ["array", "number", "string", "boolean"]}}
METADATA_TENSOR = _object({"name": STRING, "datatype": STRING, "shape": SHAPE})

METADATA_SERVER = _object({"name": STRING, "version": STRING, "extensions": {"type": "array", "items": STRING}})
METADATA_MODEL = _object(
    {"name": STRING, "platform": STRING},
    {
        "versions": {"type": "array", "items": STRING},
        "inputs": {"type": "array", "items": METADATA_TENSOR},
        "outputs": {"type": "array", "items": METADATA_TENSOR},
    },
)
RESPONSE_OUTPUT = _object(
    {"name": STRING, "shape": SHAPE, "datatype": STRING, "data": TENSOR_DATA}, {"parameters": PARAMETERS}
)
INFERENCE_RESPONSE = _object(
    {"model_name": STRING, "outputs": {"type": "array", "items": RESPONSE_OUTPUT}},
    {"model_version": STRING, "id": STRING, "parameters": PARAMETERS},
)
ERROR = _object({"error": STRING})
