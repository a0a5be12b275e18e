"""What the service reaches out to, imported and opened no sooner than it is needed.

MLflow's client takes longer to import than a cached model takes to be served, and a warehouse that is down must not
keep the service from starting.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from inference_api.model_routes import NotInHistory, RollBack
from inference_api.model_store import RegistryReader
from inference_api.prediction_log import Writer
from pipeline.errors import WarehouseError
from pipeline.settings import InferenceApiSettings


def open_registry(settings: InferenceApiSettings) -> Callable[[], RegistryReader]:
    """The model registry."""

    def opened() -> RegistryReader:
        from pipeline.registry import Registry

        return Registry(settings.mlflow_tracking_uri)

    return opened


def open_prediction_writer(settings: InferenceApiSettings) -> Callable[[], Writer]:
    """The table of predictions."""

    def opened() -> Writer:
        from pipeline.warehouse import open_warehouse

        return open_warehouse(settings).log_predictions

    return opened


def roll_back_with(settings: InferenceApiSettings) -> RollBack:
    """`pipeline.promotion.rollback` on this registry and warehouse."""

    @cache
    def opened() -> tuple[Any, Any]:
        from pipeline.registry import Registry
        from pipeline.warehouse import open_warehouse

        return Registry(settings.mlflow_tracking_uri), open_warehouse(settings)

    def roll_back(name: str, to: int | None, reason: str) -> dict[str, Any]:
        from pipeline.promotion import rollback

        registry, warehouse = opened()
        try:
            record = rollback(registry, warehouse, name, to=to, actor="inference API", reason=reason)
        except WarehouseError as error:
            # The warehouse is written to last, when the champion has moved.
            raise NotInHistory(str(error)) from error
        return dict(record.model_dump(mode="json"))

    return roll_back
