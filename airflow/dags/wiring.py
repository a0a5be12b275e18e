"""What the DAGs of every use case share: their asset, their policies, and how an error becomes a task's state."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from pipeline.errors import (
    ArtifactsGone,
    CollectionBusy,
    ConfigurationError,
    ServingError,
    SourceExhausted,
    SourceRejected,
    TrainingError,
)
from pipeline.settings import PipelineSettings, load_settings
from pipeline.use_case import UseCase, load_use_cases

if TYPE_CHECKING:
    from pipeline.lake import Lake
    from pipeline.registry import Registry
    from pipeline.source import SourceClient
    from pipeline.warehouse import Warehouse

START = datetime(2026, 1, 1, tzinfo=UTC)

# Nothing to do, and nothing wrong.
SKIPPED = (SourceExhausted, CollectionBusy)
# Trying again would end the same way.
HOPELESS = (SourceRejected, ConfigurationError, TrainingError, ArtifactsGone, ServingError)


def use_cases() -> Mapping[str, UseCase]:
    """Every use case of USE_CASES_DIR."""
    return load_use_cases(load_settings(PipelineSettings).use_cases_dir)


def rows_asset(use_case: UseCase) -> Asset:
    """The warehouse table of a use case: collection updates it, training waits for it."""
    return Asset(name=f"rows_{use_case.name}", uri=f"warehouse://rows_{use_case.name}")


def default_arguments(use_case: UseCase | None, priority: int) -> dict[str, Any]:
    """Owner, retries and priority of the tasks of a DAG, of one use case or (None) of all.

    A retry waits 10 s, then twice as long each time. The tasks of the default use case go first: in the queue by
    their weight, and on a machine that tasks share by leaving the processor to them.
    """
    is_default = use_case is not None and use_case.name == load_settings(PipelineSettings).default_use_case
    return {
        "owner": "mlops",
        "retries": 3,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=5),
        "priority_weight": priority + (10 if is_default else 0),
        "weight_rule": "absolute",
        "pre_execute": None if is_default else _yield_processor,
    }


def _yield_processor(_context: Any) -> None:
    os.nice(5)


@contextmanager
def task_outcome() -> Iterator[None]:
    """Turn an expected error into the state of the task: skipped, failed for good, or (any other) retried."""
    try:
        yield
    except SKIPPED as reason:
        raise AirflowSkipException(str(reason)) from None
    except HOPELESS as error:
        raise AirflowFailException(str(error)) from error


def open_source() -> "SourceClient":
    """Client of the external batch API, from the settings."""
    from pipeline.source import SourceClient

    settings = load_settings(PipelineSettings)
    return SourceClient(
        settings.source_url, settings.source_group_number, settings.source_day, settings.source_timeout_seconds
    )


def open_data_lake() -> "Lake":
    """Object storage, from the settings."""
    from pipeline.lake import open_lake

    return open_lake(load_settings(PipelineSettings))


def open_data_warehouse() -> "Warehouse":
    """The data warehouse, from the settings."""
    from pipeline.warehouse import open_warehouse

    return open_warehouse(load_settings(PipelineSettings))


def open_registry() -> "Registry":
    """The model registry, from the settings."""
    from pipeline.registry import Registry

    return Registry(load_settings(PipelineSettings).mlflow_tracking_uri)
