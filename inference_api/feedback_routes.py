"""True outcomes of predictions, as clients learn them."""

import time
from functools import partial
from threading import Semaphore
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from inference_api.asgi import Body
from inference_api.body import BodyReader
from inference_api.collaborators import Records
from inference_api.errors import Refusal
from inference_api.feedback import check_known, feedback_bytes, outcome_field, read_feedback
from inference_api.known import known_model
from inference_api.lookups import Lookups
from inference_api.model_store import ModelStore
from inference_api.operations_replies import FeedbackReply
from inference_api.prediction_log import PredictionLog

if TYPE_CHECKING:
    from pipeline.warehouse import Feedback, Warehouse

# Outcomes in one request, where MAX_RECORDS allows as many: they are checked and stored in one transaction.
MOST_OUTCOMES = 10_000
# Of the largest size, waiting for a thread or at work: a warehouse that is slow must not fill the memory with them.
BODIES_AT_ONCE = 16
# What a client waits for its own prediction to be written.
FLUSH_SECONDS = 2.0
# Then another worker or replica may hold it: they write several times a second.
OTHER_WORKERS_SECONDS = 0.6
RETRY_AFTER_SECONDS = 3
# Requests that may wait like that at a time; with more, unknown ids would take the threads from known ones.
MOST_WAITING = 2

_ONE = {
    "type": "object",
    "required": ["request_id", "outcome"],
    "additionalProperties": False,
    "properties": {
        "request_id": {"type": "string", "maxLength": 64, "description": "of the prediction's reply"},
        "outcome": {
            "anyOf": [{"type": "string"}, {"type": "number"}],
            "description": "what turned out to be true: a class as text or number, or the number of a regression",
        },
        "record": {
            "type": "integer",
            "minimum": 0,
            "default": 0,
            "description": "place of the record in its request, from 0",
        },
    },
}
_LIST = {
    "type": "object",
    "required": ["feedback"],
    "additionalProperties": False,
    "properties": {"feedback": {"type": "array", "minItems": 1, "maxItems": MOST_OUTCOMES, "items": _ONE}},
}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"anyOf": [_ONE, _LIST]},
            "examples": {
                "one": {"value": {"request_id": "7dce8a872def78fe000001e0", "outcome": "2"}},
                "many": {"value": {"feedback": [{"request_id": "batch-2026-11-20", "record": 1, "outcome": 2}]}},
            },
        }
    },
}


def feedback_routes(
    store: ModelStore,
    log: PredictionLog | None,
    records: Records,
    lookups: Lookups,
    *,
    max_records: int,
    max_body_bytes: int,
) -> APIRouter:
    """The route that takes feedback.

    Parameters
    ----------
    log : of this process; None when the setting PREDICTION_LOG turns it off.
    lookups : the threads to work in.
    """
    router = APIRouter()
    most = min(max_records, MOST_OUTCOMES)
    most_bytes = min(max_body_bytes, feedback_bytes(most))
    bodies = BodyReader(most_bytes, "; send the outcomes in several requests", BODIES_AT_ONCE)
    waiting = Semaphore(MOST_WAITING)

    @router.post(
        "/models/{name}/feedback",
        tags=["feedback"],
        openapi_extra={"requestBody": _BODY},
        response_model=FeedbackReply,
        responses={
            404: {"description": "No such model, or the prediction log holds no such request (yet): see Retry-After"},
            409: {"description": "The prediction log is turned off"},
            413: {"description": "Too many outcomes or bytes"},
            422: {"description": "Each mistake is named with its field and what it accepts"},
            503: {"description": "The warehouse cannot be used; see Retry-After"},
        },
    )
    async def feedback(name: str, request: Request) -> Response:
        """Store what turned out to be true of served predictions; repeating it replaces the outcome.

        All outcomes of a request are stored, or none.
        """
        if log is None:
            raise Refusal(409, "predictions are not logged here (PREDICTION_LOG=false): so there is nothing to judge")

        def work(body: Body) -> FeedbackReply:
            state, use_case = known_model(store, records, name)
            field = outcome_field(use_case, state.predictor.bundle if state and state.predictor else None)
            found = read_feedback(bodies.unpacked(body), field, most)
            warehouse = records.warehouse()
            _check_logged(name, found, warehouse, log, waiting)
            replaced = warehouse.store_feedback(name, found)
            unique = len({(item.request_id, item.record_index) for item in found})
            return FeedbackReply(stored=unique, replaced=replaced)

        async with bodies.read(request.scope, request.receive) as body:
            reply = await lookups.run(partial(work, body))
        return Response(reply.model_dump_json(), media_type="application/json")

    return router


def _check_logged(
    name: str, found: "list[Feedback]", warehouse: "Warehouse", log: PredictionLog, waiting: Semaphore
) -> None:
    """Raise Refusal unless every record is in the log, once those that are on their way have arrived."""
    keys = {(item.request_id, item.record_index) for item in found}
    request_ids = {item.request_id for item in found}
    logged = warehouse.logged_records(name, request_ids)
    if not keys <= logged and waiting.acquire(blocking=False):
        try:
            for wait in (lambda: log.flush(FLUSH_SECONDS), lambda: time.sleep(OTHER_WORKERS_SECONDS)):
                wait()
                logged = warehouse.logged_records(name, request_ids)
                if keys <= logged:
                    break
        finally:
            waiting.release()
    check_known(found, logged, RETRY_AFTER_SECONDS)
