"""The hot path: bytes → values → encoded row → model → bytes.

Plain Starlette routes: FastAPI's own argument handling would cost more than the prediction. OpenAPI is told about them
in `inference_api.openapi`.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import msgspec
from starlette.routing import Route
from starlette.types import Receive, Scope

from inference_api.answers import Answers, Columns, Rows, answer_columns
from inference_api.asgi import Body, Endpoint, Payload
from inference_api.body import GZIP_MAGIC, BodyReader
from inference_api.body_forms import ARROW_TYPE, Batch, Forms, forms_of, read_body
from inference_api.errors import Refusal, invalid, mistake
from inference_api.explained_replies import explained, explained_reply
from inference_api.memory import PausedRelease
from inference_api.metrics import ServiceMetrics
from inference_api.model_store import ModelStore
from inference_api.predictor import Outcome, Predictor
from inference_api.quick_lane import PlainReply
from inference_api.recording import Recorder, Ticket
from inference_api.request_schema import LARGE_BYTES, MODEL_KEY, Values, requested_model
from inference_api.selection import Selector

# A body beyond this leaves the event loop to the single inference thread, so that probes stay quick.
INLINE_BYTES = 16 * 1024
# How many times its size a gzip body of records unpacks to.
USUAL_PACKING = 10
# Large requests that may wait for that thread.
WAITING_REQUESTS = 8

PREDICT_PATH = "/predict"
MODEL_PREDICT_PATH = "/models/{name}/predict"

Result = TypeVar("Result")
# Makes the reply to a body: from predictor, body, ticket and what else it was given with.
Answer = Callable[..., Payload]


class Reply(msgspec.Struct, gc=False):
    """Answer to one record."""

    prediction: int | float | str
    label: str | None
    probabilities: dict[str, float] | None
    model_name: str
    model_version: int
    request_id: str


class PredictionService:
    """Answers prediction requests with whatever the store serves at that moment.

    Parameters
    ----------
    default : the model of ``/predict`` when a request names none.
    max_records : most records in one request.
    recorder : told of every answer.
    """

    def __init__(
        self,
        store: ModelStore,
        selector: Selector,
        recorder: Recorder,
        metrics: ServiceMetrics,
        *,
        default: str,
        max_records: int,
        max_body_bytes: int,
    ) -> None:
        self._store = store
        self._selector = selector
        self._record = recorder.record
        self._default = default
        self.max_records = max_records
        self._bodies = BodyReader(max_body_bytes)
        self._plain_bytes = min(INLINE_BYTES, max_body_bytes)
        self._encode = msgspec.json.Encoder().encode
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
        self._waiting = 0
        self._release = PausedRelease(self._thread.submit, lambda: self._waiting > 0)
        self._large_requests = metrics.large_requests

    def routes(self) -> list[Route]:
        return [
            Route(path, Endpoint(path, answer), methods=["POST"], name=name)
            for path, answer, name in (
                (PREDICT_PATH, self._predict, "predict"),
                (MODEL_PREDICT_PATH, self._predict_named, "predict_model"),
            )
        ]

    def close(self) -> None:
        self._release.cancel()
        self._thread.shutdown(wait=True)

    async def _predict(self, scope: Scope, receive: Receive) -> Payload:
        async with self._bodies.read(scope, receive) as body:
            if len(body) <= INLINE_BYTES and not body.startswith(GZIP_MAGIC):
                name = self._named(body)
            else:
                name = await self._in_thread(self._named, body)
            return await self._reply_to(scope, body, name, self._answer_one, explain=self._explain_one)

    async def _predict_named(self, scope: Scope, receive: Receive) -> Payload:
        forms = forms_of(scope["headers"])
        if forms.arrow_reply:
            scope["reply_type"] = ARROW_TYPE
        name = scope["path_params"]["name"]
        return await self.respond(scope, receive, name, self._answer, forms, explain=self._explain)

    async def respond(
        self, scope: Scope, receive: Receive, name: str, answer: Answer, *args: Any, explain: Answer | None = None
    ) -> Payload:
        """Read the body of a request to a model and make the reply.

        Parameters
        ----------
        answer : called as ``answer(predictor, body, ticket, *args)``, maybe in the inference thread.
        explain : called as ``explain(predictor, body, ticket)`` when the request asks for it; None where it may not.

        Raises
        ------
        Refusal
            For the body, for the model, or 429 when too many requests wait for that thread already.
        """
        async with self._bodies.read(scope, receive) as body:
            return await self._reply_to(scope, body, name, answer, *args, explain=explain)

    async def _reply_to(
        self, scope: Scope, body: Body, name: str, answer: Answer, *args: Any, explain: Answer | None
    ) -> Payload:
        packed = body.startswith(GZIP_MAGIC)
        if len(body) > (LARGE_BYTES // USUAL_PACKING if packed else LARGE_BYTES):
            self._release.plan()
        choice = await self._selector.choose(name, scope)
        if choice.explain:
            if explain is None:
                raise Refusal(422, "explain works on /predict and /models/{name}/predict only")
            answer, args = explain, ()
        ticket = Ticket(scope["request_id"], choice.log)
        if packed:
            return await self._in_thread(choice.answer, self._unpacked, body, ticket, answer, *args)
        if len(body) <= INLINE_BYTES and choice.is_quick:
            return choice.answer(answer, body, ticket, *args)
        return await self._in_thread(choice.answer, answer, body, ticket, *args)

    def _unpacked(self, predictor: Predictor, body: Body, ticket: Ticket, answer: Answer, *args: Any) -> Payload:
        # Here, where one request is at work at a time: what many requests unpack to would fill the memory.
        return answer(predictor, self._bodies.inflate(body), ticket, *args)

    async def _in_thread(self, function: Callable[..., Result], *args: Any) -> Result:
        if self._waiting >= WAITING_REQUESTS:
            raise Refusal(429, "the service is saturated; try again in a second", retry_after=1)
        self._waiting += 1
        self._large_requests.inc()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)
        finally:
            self._waiting -= 1
            self._large_requests.dec()

    def answer_plain(self, body: Body, request_id: str) -> PlainReply | None:
        """The quick answer of the default model's champion to a body of ``/predict``.

        Returns
        -------
        The reply, and what records it, which may wait until it is sent; None when the body takes a closer look.

        Raises
        ------
        Exception
            The model has no answer.
        """
        state = self._store.states.get(self._default)
        if state is None or state.predictor is None or state.predictor.path != "onnx":
            return None
        if len(body) > self._plain_bytes:
            return None
        if state.traffic is not None and state.traffic.canary_for(request_id) is not None:
            return None
        values = state.predictor.validator.read_plain(body, self._default)
        if values is None:
            return None
        outcome, ticket = state.predictor.predict_one(values), Ticket(request_id)
        record = partial(self._record, ticket, state.predictor, [values], [outcome])
        return self._encoded(state.predictor, outcome, ticket), record

    def _named(self, body: Body) -> str:
        """The model that a body of ``/predict`` names, or the default one."""
        state = self._store.states.get(self._default)
        if state is not None and state.predictor is not None and not state.predictor.validator.has_model_key:
            return self._default
        # Of a packed one no more than that is kept: it is unpacked again when its turn comes.
        name = requested_model(self._bodies.unpacked(body))
        if name is None:
            return self._default
        if not isinstance(name, str):
            known = ", ".join(sorted(self._store.states)) or self._default
            raise invalid([mistake((MODEL_KEY,), f"model must be the name of a model: {known}", "string_type")])
        return name

    def _answer_one(self, predictor: Predictor, body: Body, ticket: Ticket) -> bytes:
        validator = predictor.validator
        values = validator.read_plain(body, predictor.name) or validator.read_one(body, named=True)
        return self._reply(predictor, values, ticket)

    def _reply(self, predictor: Predictor, values: Values, ticket: Ticket) -> bytes:
        outcome = predictor.predict_one(values)
        self._record(ticket, predictor, [values], [outcome])
        return self._encoded(predictor, outcome, ticket)

    def _encoded(self, predictor: Predictor, outcome: Outcome, ticket: Ticket) -> bytes:
        return self._encode(
            Reply(
                outcome.prediction,
                outcome.label,
                outcome.probabilities,
                predictor.name,
                predictor.version,
                ticket.request_id,
            )
        )

    def _answer(self, predictor: Predictor, body: Body, ticket: Ticket, forms: Forms) -> Payload:
        found = read_body(predictor, body, forms, self.max_records)
        if not isinstance(found, Batch):
            return self._reply(predictor, found, ticket)
        answers = self.answer_batch(predictor, found.columns, found.place, ticket)
        return found.encode(answers, predictor, ticket.request_id)

    def _explain_one(self, predictor: Predictor, body: Body, ticket: Ticket) -> bytes:
        return self._explained(predictor, [predictor.validator.read_one(body, named=True)], ticket, many=False)

    def _explain(self, predictor: Predictor, body: Body, ticket: Ticket) -> bytes:
        rows, many = predictor.validator.read(body, self.max_records)
        return self._explained(predictor, rows, ticket, many=many)

    def _explained(self, predictor: Predictor, rows: list[Values], ticket: Ticket, *, many: bool) -> bytes:
        outcomes = explained(predictor, rows)
        self._record(ticket, predictor, rows, outcomes)
        return self._encode(explained_reply(predictor, outcomes, ticket.request_id, many=many))

    def answer_batch(self, predictor: Predictor, columns: Columns, place: str, ticket: Ticket) -> Answers:
        """Predict columns of valid values, count and log them; `place` is what the body calls the records.

        Raises
        ------
        Refusal
            422: the model has no finite answer to one of them.
        """
        answers = answer_columns(predictor, columns, place)
        self._record(ticket, predictor, Rows(columns), answers)
        return answers
