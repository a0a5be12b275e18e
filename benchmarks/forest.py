"""The forest that the benchmarks serve, and the rows it learns from."""

import json

import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from external_data_api.datasets import open_dataset
from pipeline.preprocessing import build_pipeline
from pipeline.settings import ExternalDataApiSettings
from pipeline.use_case import UseCase

TREES = 80
TRAINING_ROWS = 7000


def training_rows(use_case: UseCase) -> pd.DataFrame:
    """The first rows of the use case's dataset, typed; says on the output where they come from."""
    dataset = open_dataset(use_case, ExternalDataApiSettings(source_rows=TRAINING_ROWS))
    print(f"rows: {dataset.origin}; forests of {TREES} trees on {TRAINING_ROWS} rows", flush=True)
    texts = [json.loads(row) for row in dataset.rows[:TRAINING_ROWS]]
    rows = pd.DataFrame(texts, columns=[column.name for column in use_case.columns])
    for column in use_case.features:
        if column.is_numeric:
            rows[column.name] = rows[column.name].astype(float)
    return rows


def fit_forest(use_case: UseCase, rows: pd.DataFrame, seed: int = 0) -> Pipeline:
    """A forest with its preprocessing, fitted."""
    model = build_pipeline(use_case, RandomForestClassifier(TREES, random_state=seed))
    return model.fit(rows[[column.name for column in use_case.features]], rows[use_case.target.name].to_numpy())
