"""Probes, metrics and the front page."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from inference_api.metrics import ServiceMetrics
from inference_api.model_routes import summary
from inference_api.model_store import RETRY_AFTER_SECONDS, ModelStore
from inference_api.replies import Liveness, Readiness, ServiceReply


def health_routes(store: ModelStore, metrics: ServiceMetrics, default: str) -> APIRouter:
    """Routes that say how the service is; none of them waits for a prediction or the registry."""
    router = APIRouter()

    @router.get("/", tags=["service"])
    async def front_page() -> ServiceReply:
        """What this service is and where to go on."""
        serving = sorted(name for name, state in store.states.items() if state.predictor)
        return ServiceReply(service="inference API", default_model=default, models=serving, docs="/docs")

    @router.get("/livez", tags=["service"])
    async def livez() -> Liveness:
        """The process runs."""
        return Liveness()

    @router.get("/readyz", tags=["service"], responses={503: {"model": Readiness, "description": "No model yet"}})
    async def readyz(response: Response) -> Readiness:
        """A model is loaded. Shows what is wrong with any other, and with the registry."""
        if not store.ready:
            response.status_code = 503
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return Readiness(
            status="ready" if store.ready else "not ready",
            models={name: summary(state) for name, state in sorted(store.states.items())},
            registry=store.registry.report or "ok",
        )

    @router.get(
        "/metrics",
        tags=["service"],
        response_class=Response,
        responses={200: {"description": "Metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def prometheus() -> Response:
        """Metrics in Prometheus' text format."""
        # Between two polls it may have fallen silent.
        metrics.registry_up.set(store.registry.report is None)
        return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)

    return router
