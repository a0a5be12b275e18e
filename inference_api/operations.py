"""The routes beside predictions and models: feedback, history, monitoring and data, with the threads they work in."""

from fastapi import APIRouter

from inference_api.collaborators import Records
from inference_api.data_routes import data_routes
from inference_api.feedback_routes import feedback_routes
from inference_api.history_routes import DocumentCache, history_routes
from inference_api.lookups import Lookups
from inference_api.metrics import ServiceMetrics
from inference_api.model_store import ModelStore
from inference_api.monitoring_routes import monitoring_routes
from inference_api.prediction_log import PredictionLog
from pipeline.settings import InferenceApiSettings


class Operations:
    """Routes that read and write records.

    Parameters
    ----------
    log : of this process; None when the setting PREDICTION_LOG turns it off.
    records : the warehouse, the use cases, and what training runs wrote.
    """

    def __init__(
        self,
        store: ModelStore,
        log: PredictionLog | None,
        metrics: ServiceMetrics,
        records: Records,
        settings: InferenceApiSettings,
    ) -> None:
        # Apart from each other: what people look at must not keep outcomes from being stored, nor a registry that
        # hangs keep the warehouse from being read.
        feedback, warehouse, registry = Lookups("feedback"), Lookups("warehouse"), Lookups("registry", 2)
        documents = DocumentCache(records)
        self._closing = (feedback, warehouse, registry, documents)
        limits = {"max_records": settings.max_records, "max_body_bytes": settings.max_body_bytes}
        self.routers: list[APIRouter] = [
            feedback_routes(store, log, records, feedback, **limits),
            history_routes(store, records, documents, warehouse, registry),
            monitoring_routes(store, metrics, records, warehouse),
            data_routes(records, warehouse, settings.collect_interval_seconds),
        ]

    def close(self) -> None:
        """Give up what has not begun."""
        for part in self._closing:
            part.close()
