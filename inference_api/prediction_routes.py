"""The hot path: bytes → values → encoded row → model → bytes.

Plain Starlette routes: FastAPI's own argument handling would cost more than the prediction. OpenAPI is told about them
in `inference_api.openapi`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import msgspec
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from inference_api.body import BodyReader
from inference_api.errors import Refusal, invalid, mistake
from inference_api.metrics import ServiceMetrics
from inference_api.model_store import ModelStore
from inference_api.prediction_log import PredictionLog
from inference_api.predictor import Outcome, Predictor
from inference_api.request_schema import MODEL_KEY, Values, requested_model
from inference_api.selection import Choice, Selector
from inference_api.shadow import ShadowRunner

# A body beyond this leaves the event loop to the single inference thread, so that probes stay quick.
INLINE_BYTES = 16 * 1024
# Large requests that may wait for that thread.
WAITING_REQUESTS = 8

PREDICT_PATH = "/predict"
MODEL_PREDICT_PATH = "/models/{name}/predict"


class Reply(msgspec.Struct, gc=False):
    """Answer to one record."""

    prediction: int | float | str
    label: str | None
    probabilities: dict[str, float] | None
    model_name: str
    model_version: int
    request_id: str


class ManyReply(msgspec.Struct, gc=False):
    """Answer to many records, in their order."""

    predictions: list[Outcome]
    model_name: str
    model_version: int
    request_id: str


class PredictionService:
    """Answers prediction requests with whatever the store serves at that moment.

    Parameters
    ----------
    default : the model of ``/predict`` when a request names none.
    max_records : most records in one request.
    log : where predictions are recorded, if anywhere.
    """

    def __init__(
        self,
        store: ModelStore,
        selector: Selector,
        shadow: ShadowRunner,
        metrics: ServiceMetrics,
        log: PredictionLog | None,
        *,
        default: str,
        max_records: int,
        max_body_bytes: int,
    ) -> None:
        self._store = store
        self._selector = selector
        self._shadow = shadow
        self._counter: Callable[..., Any] = lru_cache(64)(metrics.predictions.labels)
        self._log = log
        self._default = default
        self._max_records = max_records
        self._bodies = BodyReader(max_body_bytes)
        self._encode = msgspec.json.Encoder().encode
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
        self._waiting = 0
        self._large_requests = metrics.large_requests

    def routes(self) -> list[Route]:
        return [
            Route(path, _Endpoint(path, answer), methods=["POST"], name=name)
            for path, answer, name in (
                (PREDICT_PATH, self._predict, "predict"),
                (MODEL_PREDICT_PATH, self._predict_named, "predict_model"),
            )
        ]

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    async def _predict(self, scope: Scope, receive: Receive) -> bytes:
        body = await self._bodies.read(scope, receive)
        request_id, small = scope["request_id"], len(body) <= INLINE_BYTES
        if small and not scope["query_string"] and (reply := self._answer_plain(body, request_id)) is not None:
            return reply
        name = self._named(body) if small else await self._in_thread(self._named, body)
        choice = await self._selector.choose(name, scope)
        return await self._run(choice, small, self._answer_one, body, request_id)

    async def _predict_named(self, scope: Scope, receive: Receive) -> bytes:
        body = await self._bodies.read(scope, receive)
        choice = await self._selector.choose(scope["path_params"]["name"], scope)
        return await self._run(choice, len(body) <= INLINE_BYTES, self._answer, body, scope["request_id"])

    async def _run(self, choice: Choice, small: bool, function: Callable[..., bytes], *args: Any) -> bytes:
        """Have a choice answer, on the event loop only where that takes microseconds."""
        if small and choice.is_quick:
            return bytes(choice.answer(function, *args))
        return bytes(await self._in_thread(choice.answer, function, *args))

    async def _in_thread(self, function: Any, *args: Any) -> Any:
        if self._waiting >= WAITING_REQUESTS:
            raise Refusal(429, "the service is saturated; try again in a second", retry_after=1)
        self._waiting += 1
        self._large_requests.inc()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)
        finally:
            self._waiting -= 1
            self._large_requests.dec()

    def _answer_plain(self, body: bytes, request_id: str) -> bytes | None:
        """The quick answer of the default model's champion; None when it takes a closer look."""
        state = self._store.states.get(self._default)
        if state is None or state.predictor is None or state.predictor.path != "onnx":
            return None
        if state.traffic is not None and state.traffic.canary_for(request_id) is not None:
            return None
        values = state.predictor.validator.read_plain(body, self._default)
        return None if values is None else self._reply(state.predictor, values, request_id)

    def _named(self, body: bytes) -> str:
        """The model that a body of ``/predict`` names, or the default one."""
        state = self._store.states.get(self._default)
        if state is not None and state.predictor is not None and not state.predictor.validator.has_model_key:
            return self._default
        name = requested_model(body)
        if name is None:
            return self._default
        if not isinstance(name, str):
            known = ", ".join(sorted(self._store.states)) or self._default
            raise invalid([mistake((MODEL_KEY,), f"model must be the name of a model: {known}", "string_type")])
        return name

    def _answer_one(self, predictor: Predictor, body: bytes, request_id: str) -> bytes:
        validator = predictor.validator
        values = validator.read_plain(body, predictor.name) or validator.read_one(body, named=True)
        return self._reply(predictor, values, request_id)

    def _reply(self, predictor: Predictor, values: Values, request_id: str) -> bytes:
        outcome = predictor.predict_one(values)
        self._record(request_id, predictor, [values], [outcome])
        return self._encode(
            Reply(
                outcome.prediction,
                outcome.label,
                outcome.probabilities,
                predictor.name,
                predictor.version,
                request_id,
            )
        )

    def _answer(self, predictor: Predictor, body: bytes, request_id: str) -> bytes:
        rows, many = predictor.validator.read(body, self._max_records)
        if not many:
            return self._reply(predictor, rows[0], request_id)
        outcomes = predictor.predict_many(rows)
        self._record(request_id, predictor, rows, outcomes)
        return self._encode(ManyReply(outcomes, predictor.name, predictor.version, request_id))

    def _record(self, request_id: str, predictor: Predictor, rows: list[Values], outcomes: list[Outcome]) -> None:
        self._counter(predictor.name, predictor.version).inc(len(rows))
        if self._log is not None:
            self._log.add(request_id, predictor, rows, outcomes)
        state = self._store.states.get(predictor.name)
        if state is not None and state.traffic is not None and state.predictor is predictor:
            shadow = state.traffic.shadow_for(request_id)
            if shadow is not None:
                self._shadow.offer(shadow, predictor, rows, outcomes)


class _Endpoint:
    """An ASGI endpoint that sends the JSON bytes its function returns."""

    def __init__(self, path: str, answer: Callable[[Scope, Receive], Awaitable[bytes]]) -> None:
        self.path = path
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = await self._answer(scope, receive)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(reply)).encode("ascii"))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply})
