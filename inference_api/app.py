"""The FastAPI application: settings in, routes out."""

import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from inference_api.collaborators import Records, open_prediction_writer, open_records, open_registry, roll_back_with
from inference_api.errors import Refusal, disconnected_response, refusal_response, unexpected_response
from inference_api.health_routes import health_routes
from inference_api.invocations import invocation_routes
from inference_api.metrics import ServiceMetrics
from inference_api.middleware import RequestContext
from inference_api.model_cache import ModelCache, writable_folder
from inference_api.model_routes import model_routes
from inference_api.model_store import ModelStore
from inference_api.openapi import live_openapi
from inference_api.operations import Operations
from inference_api.prediction_log import PredictionLog, Writer
from inference_api.prediction_routes import PREDICT_PATH, PredictionService
from inference_api.quick_lane import QuickLane
from inference_api.recording import Recorder
from inference_api.registry_reader import RegistryReader
from inference_api.rollback import RollBack
from inference_api.selection import Selector
from inference_api.shadow import ShadowRunner
from inference_api.v2_routes import v2_routes
from inference_api.version_pool import VersionPool
from pipeline.errors import PipelineError
from pipeline.settings import InferenceApiSettings, load_settings


class InferenceApp(FastAPI):
    """FastAPI whose requests meet `RequestContext` first; plain predictions meet nothing else (`QuickLane`)."""

    def __init__(self, service: PredictionService, metrics: ServiceMetrics, **options: Any) -> None:
        super().__init__(**options)
        self._service = service
        self._metrics = metrics

    def build_middleware_stack(self) -> ASGIApp:
        lane = QuickLane(PREDICT_PATH, self._service.answer_plain)
        return RequestContext(super().build_middleware_stack(), self._metrics, lane)


def create_app(
    settings: InferenceApiSettings,
    *,
    registry: Callable[[], RegistryReader] | None = None,
    prediction_writer: Callable[[], Writer] | None = None,
    roll_back: RollBack | None = None,
    records: Records | None = None,
) -> FastAPI:
    """Build the application.

    Parameters
    ----------
    registry, prediction_writer, roll_back, records : what reaches out of the process; by default MLflow and the
        warehouse that the settings name.
    """
    metrics = ServiceMetrics()
    store = ModelStore(
        registry or open_registry(settings),
        ModelCache(writable_folder(settings.model_cache_dir), keep=1 + settings.model_lru_size),
        metrics,
        poll_seconds=settings.model_poll_seconds,
        default=settings.default_use_case,
        allow_pickle=settings.allow_pickle_models,
    )
    pool = VersionPool(store.load, settings.model_lru_size)
    selector = Selector(store, pool)
    log = (
        PredictionLog(prediction_writer or open_prediction_writer(settings), metrics)
        if settings.prediction_log
        else None
    )
    shadow = ShadowRunner(metrics)
    service = PredictionService(
        store,
        selector,
        Recorder(store, shadow, metrics, log),
        metrics,
        default=settings.default_use_case,
        max_records=settings.max_records,
        max_body_bytes=settings.max_body_bytes,
    )

    operations = Operations(store, log, metrics, records or open_records(settings), settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        store.start()
        shadow.start()
        if log is not None:
            log.start()
        yield
        store.stop()
        shadow.stop()
        service.close()
        selector.close()
        operations.close()
        if log is not None:
            log.stop()

    # The service counts for itself; FastAPI's telemetry would look for OpenTelemetry anew at every request.
    telemetry: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
    app = InferenceApp(service, metrics, title="Inference API", version="1", lifespan=lifespan, telemetry=telemetry)
    # First, as every request is compared with the routes in turn.
    app.router.routes[:0] = [
        *service.routes(),
        *v2_routes(service, store, selector, app.version),
        *invocation_routes(service, store, settings.default_use_case),
    ]
    api_key = settings.api_key.get_secret_value()
    app.include_router(model_routes(store, selector, api_key, roll_back or roll_back_with(settings)))
    for router in operations.routers:
        app.include_router(router)
    app.include_router(health_routes(store, metrics, settings.default_use_case))
    app.add_exception_handler(Refusal, refusal_response)
    app.add_exception_handler(ClientDisconnect, disconnected_response)
    app.add_exception_handler(PipelineError, _unavailable_response)
    app.add_exception_handler(RequestValidationError, _invalid_response)
    app.add_exception_handler(Exception, unexpected_response)
    app.openapi = live_openapi(app, store)  # type: ignore[method-assign]
    app.state.store, app.state.pool = store, pool
    return app


def create_default_app() -> FastAPI:
    """Factory for uvicorn: everything from the environment."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # How long a background thread may keep a request waiting for the interpreter: Python's 5 ms are 50 predictions.
    sys.setswitchinterval(0.0002)
    # A batch makes thousands of objects and no cycle: looking for one every 700 takes 2 % of its time.
    gc.set_threshold(10_000)
    # A registry that is down is reported once; urllib3 would do so for every retry of every poll.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    return create_app(load_settings(InferenceApiSettings))


async def _unavailable_response(_: Request, error: Exception) -> Response:
    """A registry or warehouse that cannot do what an operation needs; its message says what to check."""
    return JSONResponse({"detail": str(error)}, 503, headers={"Retry-After": "5"})


async def _invalid_response(_: Request, error: Exception) -> Response:
    """FastAPI's own 422, without the input: it may be large, or hold what JSON cannot (NaN)."""
    assert isinstance(error, RequestValidationError)
    detail = [{key: entry[key] for key in ("loc", "msg", "type")} for entry in error.errors()]
    return JSONResponse({"detail": detail}, 422)
