"""The model of `benchmarks.serving`: one forest, in the form that each server reads."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import mlflow
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from external_data_api.datasets import open_dataset
from inference_api.model_cache import ModelCache, ServedRecord
from pipeline.bundle import bundle_digest
from pipeline.export import export_bundle
from pipeline.model_version import VersionInfo
from pipeline.preprocessing import build_pipeline
from pipeline.settings import ExternalDataApiSettings
from pipeline.tracking import signature
from pipeline.trusted_types import TRUSTED_TYPES
from pipeline.use_case import UseCase

TREES = 80
TRAINING_ROWS = 7000


def make_model(use_case: UseCase, scratch: Path) -> tuple[Path, list[dict[str, Any]]]:
    """Train and export a forest.

    Returns
    -------
    The folder with the serving bundle, ``model.joblib`` and ``mlflow/``, which is also where the API finds it in its
    cache; and the training rows as records.
    """
    dataset = open_dataset(use_case, ExternalDataApiSettings(source_rows=TRAINING_ROWS))
    print(f"rows: {dataset.origin}; forest of {TREES} trees on {TRAINING_ROWS} rows", flush=True)
    texts = [json.loads(row) for row in dataset.rows[:TRAINING_ROWS]]
    rows = pd.DataFrame(texts, columns=[column.name for column in use_case.columns])
    names = [column.name for column in use_case.features]
    records = [_typed(use_case, row) for row in rows[names].to_dict("records")]
    for column in use_case.features:
        if column.is_numeric:
            rows[column.name] = rows[column.name].astype(float)
    model = build_pipeline(use_case, RandomForestClassifier(TREES, random_state=0))
    model.fit(rows[names], rows[use_case.target.name].to_numpy())
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
