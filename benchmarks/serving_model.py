"""The model of `benchmarks.serving`: one forest, in the form that each server reads."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import mlflow

from benchmarks.forest import fit_forest, training_rows
from inference_api.model_cache import ModelCache, ServedRecord
from pipeline.bundle import bundle_digest
from pipeline.export import export_bundle
from pipeline.model_version import VersionInfo
from pipeline.tracking import signature
from pipeline.trusted_types import TRUSTED_TYPES
from pipeline.use_case import UseCase


def make_model(use_case: UseCase, scratch: Path) -> tuple[Path, list[dict[str, Any]]]:
    """Train and export a forest.

    Returns
    -------
    The folder with the serving bundle, ``model.joblib`` and ``mlflow/``, which is also where the API finds it in its
    cache; and the training rows as records.
    """
    rows = training_rows(use_case)
    names = [column.name for column in use_case.features]
    records = [_typed(use_case, row) for row in rows[names].to_dict("records")]
    model = fit_forest(use_case, rows)
    version = VersionInfo(
        name=use_case.name, version=1, run_id="benchmark", aliases=["champion"], created_at=datetime.now(UTC)
    )
    cache = ModelCache(scratch / "cache")
    folder = cache.folder(version)
    export_bundle(model, use_case, rows, rows.head(500), folder, run_id=version.run_id)
    cache.remember(ServedRecord(champion=version, digest=bundle_digest(folder), versions=[version]))
    others = scratch / "others"
    others.mkdir()
    joblib.dump(model, others / "model.joblib")
    for path in folder.iterdir():
        (others / path.name).write_bytes(path.read_bytes())
    mlflow.sklearn.save_model(
        model,
        others / "mlflow",
        signature=signature(use_case),
        pip_requirements=[],
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
    )
    return others, records


def _typed(use_case: UseCase, record: dict[Any, Any]) -> dict[str, Any]:
    return {
        column.name: int(record[column.name]) if column.is_numeric else str(record[column.name])
        for column in use_case.features
    }
