"""One reply with what a person who answers for a model wants to see."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from inference_api.collaborators import Records
from inference_api.known import known_model
from inference_api.latency import prediction_latency
from inference_api.lookups import Lookups, log_failure
from inference_api.metrics import ServiceMetrics
from inference_api.model_state import ModelState
from inference_api.model_store import ModelStore
from inference_api.monitoring import read_answers, read_drift, read_live
from inference_api.operations_replies import Drift, MonitoringReply, TrafficBucket
from inference_api.traffic_history import Buckets, TrafficHistory
from pipeline.errors import PipelineError
from pipeline.use_case import UseCase

MONITORING_SECONDS = 5.0
MOST_HOURS = 14 * 24


def monitoring_routes(store: ModelStore, metrics: ServiceMetrics, records: Records, lookups: Lookups) -> APIRouter:
    """The route of a model's monitoring."""
    router = APIRouter(tags=["monitoring"])
    history = TrafficHistory()

    @router.get(
        "/models/{name}/monitoring",
        response_model=MonitoringReply,
        responses={404: {"description": "No such model"}, 503: {"description": "Slow; see Retry-After"}},
    )
    async def monitoring(name: str, hours: Annotated[int, Query(ge=1, le=MOST_HOURS)] = 24) -> Response:
        """Traffic, latency, answers, drift and live performance over the last hours.

        Traffic is counted; answers and drift are those of the newest logged predictions. While the warehouse is down,
        what is known without it; `problem` says so.
        """

        def look_up() -> MonitoringReply:
            state, use_case = known_model(store, records, name)
            return _monitoring(name, state or ModelState(name), use_case, hours, metrics, history, records)

        return await lookups.reply(("monitoring", name, hours), look_up, MONITORING_SECONDS)

    return router


def _monitoring(
    name: str,
    state: ModelState,
    use_case: UseCase | None,
    hours: int,
    metrics: ServiceMetrics,
    history: TrafficHistory,
    records: Records,
) -> MonitoringReply:
    now = datetime.now(UTC)
    buckets = Buckets(hours, now)
    reply = MonitoringReply(
        model=name,
        version=state.predictor.version if state.predictor else None,
        hours=hours,
        generated_at=now,
        bucket_minutes=buckets.minutes,
        traffic=[],
        latency=prediction_latency(metrics),
        mix=None,
        values=None,
        drift=Drift(served=None, collected=None),
        live=None,
        problem=None,
    )
    try:
        warehouse = records.warehouse()
        traffic = history.read(warehouse, name, buckets)
    except PipelineError as error:
        log_failure(error)
        reply.problem = "the warehouse is unreachable or cannot be read; the log of this service says why"
        return reply
    reply.traffic = [TrafficBucket(at=start, predictions=found.predictions) for start, found in traffic.items()]
    # Each of these may fail alone: rows of a use case that was changed, predictions that were written by hand.
    problems: list[str] = []
    none = (None, None)
    reply.mix, reply.values = _or(none, "what was answered", problems, lambda: read_answers(state, traffic))
    since = buckets.starts[0]
    reply.drift = _or(reply.drift, "drift", problems, lambda: read_drift(warehouse, state, use_case, since))
    reply.live = _or(None, "live performance", problems, lambda: read_live(warehouse, state, use_case, name))
    reply.problem = "; ".join(problems) or None
    return reply


def _or(default: Any, what: str, problems: list[str], read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (PipelineError, ValueError, TypeError) as error:
        log_failure(error)
        problems.append(f"{what} cannot be told now; the log of this service says why")
        return default
