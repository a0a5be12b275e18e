"""A warehouse file with tables, and services that log to it and read from it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.settings import PipelineSettings
from pipeline.use_case import UseCase
from pipeline.warehouse import Warehouse, open_warehouse


def make_warehouse(folder: Path, use_cases: Iterable[UseCase]) -> tuple[Warehouse, dict[str, Any]]:
    """A migrated SQLite warehouse, and the overrides of `make_service` that make a service use it."""
    url = f"sqlite:///{folder}/warehouse.db"
    warehouse = open_warehouse(PipelineSettings(warehouse_url=url))
    warehouse.migrate(use_cases)
    return warehouse, {"warehouse_url": url, "prediction_writer": None}


def log_predictions(warehouse: Warehouse, name: str, predictions: Iterable[Any], **values: Any) -> None:
    """Log answers of version 1, a request each."""
    row = {"use_case": name, "model_version": 1, "features": {}}
    rows = [row | {"request_id": f"r{index}", "prediction": answer} for index, answer in enumerate(predictions)]
    warehouse.log_predictions([item | values for item in rows])
