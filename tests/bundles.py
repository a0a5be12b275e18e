"""Tiny real serving bundles of any use case."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from pipeline.export import export_bundle
from pipeline.preprocessing import build_pipeline
from pipeline.use_case import UseCase


def make_rows(use_case: UseCase, count: int = 120, seed: int = 0) -> pd.DataFrame:
    """Random rows of a use case as `pipeline.dataset.load_snapshot` gives them."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for column in [*use_case.features, use_case.target]:
        if column.is_numeric:
            low = 0.0 if column.minimum is None else column.minimum
            high = min(low + 1000 if column.maximum is None else column.maximum, low + 100_000)
            values: Any = random.uniform(low, high, count)
            if column.type != "number":
                values = np.floor(values)
            if column.nullable:
                values[random.random(count) < 0.1] = np.nan
        else:
            names = list(column.categories or {"north": "", "south": "", "west": ""})
            drawn = random.choice(np.array(names, dtype=object), count)
            values = [None if column.nullable and random.random() < 0.1 else str(value) for value in drawn]
            values = pd.Series(values, dtype=object)
        columns[column.name] = values
    return pd.DataFrame(columns)


def make_bundle(use_case: UseCase, folder: Path, *, seed: int = 0, run_id: str = "run") -> Path:
    """Train a tiny forest on random rows and export it."""
    rows = make_rows(use_case, seed=seed)
    forest = RandomForestClassifier if use_case.task == "classification" else RandomForestRegressor
    model = build_pipeline(use_case, forest(5, max_depth=4, random_state=seed))
    model.fit(rows[[column.name for column in use_case.features]], rows[use_case.target.name].to_numpy())
    export_bundle(model, use_case, rows, rows, folder, metrics={"accuracy": 0.5}, dataset_digest="d", run_id=run_id)
    return folder
