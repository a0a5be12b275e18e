"""What the service reaches out to, imported and opened no sooner than it is needed.

MLflow's client takes longer to import than a cached model takes to be served, and a warehouse that is down must not
keep the service from starting.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from inference_api.prediction_log import Writer
from inference_api.registry_reader import RegistryReader
from inference_api.rollback import NotInHistory, RollBack
from pipeline.errors import ConfigurationError, WarehouseError
from pipeline.settings import InferenceApiSettings
from pipeline.use_case import UseCase, load_use_cases

if TYPE_CHECKING:
    from pipeline.version_documents import VersionDocuments
    from pipeline.warehouse import Warehouse

logger = logging.getLogger(__name__)

# What MySQL may take for one statement, of the log and of what people look at: a slow one must not block the others.
STATEMENT_SECONDS = 20


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

        return open_warehouse(settings, STATEMENT_SECONDS).log_predictions

    return opened


@dataclass(frozen=True)
class Records:
    """What is read beside predictions. Each function may be called from any thread.

    Parameters
    ----------
    warehouse : opens it, once.
    use_cases : by name; empty when their files cannot be read, which is logged.
    documents : what a training run wrote about its model, by run id; raises RegistryError.
    """

    warehouse: "Callable[[], Warehouse]"
    use_cases: Callable[[], dict[str, UseCase]]
    documents: "Callable[[str], VersionDocuments]"


def open_records(settings: InferenceApiSettings) -> Records:
    """The records in the warehouse and the registry that the settings name."""

    @cache
    def warehouse() -> "Warehouse":
        from pipeline.warehouse import open_warehouse

        return open_warehouse(settings, STATEMENT_SECONDS)

    @cache
    def use_cases() -> dict[str, UseCase]:
        try:
            return load_use_cases(settings.use_cases_dir)
        except ConfigurationError as error:
            logger.error("the use cases cannot be read, so their data is not shown: %s", error)
            return {}

    def documents(run_id: str) -> "VersionDocuments":
        from pipeline.version_documents import read_documents

        return read_documents(settings.mlflow_tracking_uri, run_id)

    return Records(warehouse, use_cases, documents)


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
