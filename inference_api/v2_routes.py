"""The routes below ``/v2``: the Open Inference Protocol over the models that are served."""

from typing import Any

import msgspec
from starlette.routing import Route
from starlette.types import Receive, Scope

from inference_api.asgi import Body, Payload
from inference_api.errors import Refusal
from inference_api.model_store import ModelStore
from inference_api.prediction_routes import PredictionService
from inference_api.predictor import Predictor
from inference_api.protocol import Answer, ProtocolEndpoint
from inference_api.recording import Ticket
from inference_api.selection import Query, Selector
from inference_api.v2_protocol import (
    INPUTS_KEY,
    TensorInfo,
    check_wanted,
    infer_reply,
    input_infos,
    output_infos,
    read_inputs,
    read_request,
)

V2_PATH = "/v2"
V2_INFER_PATH = "/v2/models/{name}/infer"
_BINARY_HEADER = b"inference-header-content-length"
_PLATFORMS = {"onnx": "onnxruntime_onnx", "pyfunc": "mlflow_pyfunc"}

_encode = msgspec.json.Encoder().encode


class ServerMetadata(msgspec.Struct):
    """Reply of ``/v2``."""

    name: str
    version: str
    extensions: list[str]


class ModelMetadata(msgspec.Struct):
    """Reply of ``/v2/models/{name}``."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]


class V2Error(msgspec.Struct):
    """What every route below ``/v2`` answers when it cannot do what was asked."""

    error: str


def v2_routes(service: PredictionService, store: ModelStore, selector: Selector, version: str) -> list[Route]:
    """The routes; `version` is that of the service."""
    protocol = _Protocol(service, store, selector, version)
    model = "/v2/models/{name}"
    of_version = model + "/versions/{version}"
    gets: dict[str, Answer] = {
        V2_PATH: protocol.server,
        "/v2/": protocol.server,
        "/v2/health/live": protocol.live,
        "/v2/health/ready": protocol.ready,
        model: protocol.metadata,
        of_version: protocol.metadata,
        f"{model}/ready": protocol.model_ready,
        f"{of_version}/ready": protocol.model_ready,
    }
    posts: dict[str, Answer] = {V2_INFER_PATH: protocol.infer, f"{of_version}/infer": protocol.infer}
    routes = [(path, answer, ["GET"]) for path, answer in gets.items()]
    routes += [(path, answer, ["POST"]) for path, answer in posts.items()]
    found = [Route(path, ProtocolEndpoint(path, answer, _error), methods=methods) for path, answer, methods in routes]
    # Whatever else is asked below /v2 gets an error of the same form.
    found.append(Route("/v2/{rest:path}", ProtocolEndpoint("/v2/{rest}", protocol.nothing, _error)))
    return found


def _error(status: int, text: str) -> tuple[int, bytes]:
    # The protocol knows 400 for whatever is wrong with a request.
    return 400 if status == 422 else status, _encode(V2Error(text))


class _Protocol:
    def __init__(self, service: PredictionService, store: ModelStore, selector: Selector, version: str) -> None:
        self._service = service
        self._store = store
        self._selector = selector
        self._version = version

    async def server(self, _: Scope, __: Receive) -> bytes:
        return _encode(ServerMetadata("inference-api", self._version, []))

    async def live(self, _: Scope, __: Receive) -> bytes:
        return _encode({"live": True})

    async def ready(self, _: Scope, __: Receive) -> bytes:
        if not self._store.ready:
            raise Refusal(503, "no model is loaded yet", retry_after=5)
        return _encode({"ready": True})

    async def model_ready(self, scope: Scope, _: Receive) -> bytes:
        predictor = await self._predictor(scope)
        return _encode({"name": predictor.name, "ready": True})

    async def metadata(self, scope: Scope, _: Receive) -> bytes:
        predictor = await self._predictor(scope)
        state = self._store.states.get(predictor.name)
        versions = sorted({predictor.version, *(info.version for info in (state.versions if state else ()))})
        return _encode(
            ModelMetadata(
                predictor.name,
                [str(number) for number in versions],
                _PLATFORMS[predictor.path],
                input_infos(predictor),
                output_infos(predictor),
            )
        )

    async def infer(self, scope: Scope, receive: Receive) -> Payload:
        if any(name == _BINARY_HEADER for name, _ in scope["headers"]):
            raise Refusal(
                400, "tensors in binary form are not accepted (see /v2: no extensions); send their data as JSON"
            )
        version = _version(scope)
        if version is not None:
            scope["query_string"] = b"version=%d&" % version + scope["query_string"]
        return await self._service.respond(scope, receive, scope["path_params"]["name"], self._infer)

    async def nothing(self, scope: Scope, _: Receive) -> Any:
        raise Refusal(404, f"there is no {scope['method']} {scope['path']}")

    def _infer(self, predictor: Predictor, body: Body, ticket: Ticket) -> bytes:
        request = read_request(body, len(predictor.validator.columns))
        names = check_wanted(predictor, request.outputs)
        columns = read_inputs(predictor, request, self._service.max_records)
        answers = self._service.answer_batch(predictor, columns, INPUTS_KEY, ticket)
        return infer_reply(answers, predictor, request, names)

    async def _predictor(self, scope: Scope) -> Predictor:
        return await self._selector.predictor(scope["path_params"]["name"], Query(_version(scope)))


def _version(scope: Scope) -> int | None:
    """The version that the path names, if any."""
    text = scope["path_params"].get("version")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text)):
        raise Refusal(404, f"there is no version {text!r}: versions are whole numbers of at least 1")
    return int(text)
