"""Our model searches against the course's grid search, on the same rows, one after the other.

The course's: ``GridSearchCV`` over 27 random forests × 3 folds, scaling and one-hot encoding inside the pipeline.
Ours: the search of the use case's YAML; the course's own 27 forests by successive halving, over rows and over trees;
and halving over a space of four families. Each with the fit of its winner. Logging to MLflow is left out of all.

    OMP_NUM_THREADS=1 python -m benchmarks.search --csv covertype.csv
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipeline.dataset import ROW_HASH, is_held_out, model_columns, model_frame
from pipeline.search import cross_validate
from pipeline.training import fit
from pipeline.use_case import Search, UseCase, load_use_case

Frames = tuple[pd.DataFrame, pd.DataFrame]

COURSE_GRID = {
    "model__n_estimators": [50, 100, 200],
    "model__max_depth": [10, 20, None],
    "model__min_samples_split": [2, 5, 10],
}
# The same forests by name of our YAML, and a space no grid search would go through.
FORESTS = [
    {
        "estimator": "random_forest",
        "parameters": {name.removeprefix("model__"): values for name, values in COURSE_GRID.items()},
    }
]
WIDE = [
    {
        "estimator": "extra_trees",
        "parameters": {
            "n_estimators": [100],
            "max_features": ["sqrt", 0.3, 0.5, 0.7],
            "max_leaf_nodes": [1000, 4000],
            "min_samples_leaf": [1, 2],
        },
    },
    {"estimator": "random_forest", "parameters": {"n_estimators": [100], "max_features": ["sqrt", 0.3, 0.5]}},
    {"estimator": "lightgbm", "parameters": {"n_estimators": [100], "num_leaves": [15, 31, 63]}},
    {"estimator": "linear", "parameters": {"C": [0.1, 1.0, 10.0]}},
]


def read_frames(use_case: UseCase, path: Path, seed: int) -> Frames:
    """Training and held-out rows of a CSV in the use case's columns; another seed holds out other rows."""
    rows = pl.read_csv(path, infer_schema=False).unique(maintain_order=True)
    salted = (f"{seed}|{'|'.join(row)}".encode() for row in rows.iter_rows())
    hashes = [hashlib.blake2b(row, digest_size=16).hexdigest() for row in salted]
    # In the order of a snapshot: the file's own order is not random, and would mislead folds that do not shuffle.
    rows = rows.with_columns(pl.Series(ROW_HASH, hashes)).sort(ROW_HASH)
    frame = model_frame(rows, model_columns(use_case))
    held_out = is_held_out(rows[ROW_HASH].to_list(), use_case.training.holdout_share)
    return frame[~held_out].reset_index(drop=True), frame[held_out].reset_index(drop=True)


def course_search(use_case: UseCase, train: pd.DataFrame, jobs: int) -> Any:
    """The grid search as the course's notebooks write it."""
    numeric = [column.name for column in use_case.features if column.is_numeric]
    category = [column.name for column in use_case.features if not column.is_numeric]
    # Dense: the sparse matrix that is OneHotEncoder's default would make its forests 2.5 times slower.
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("numeric", StandardScaler(), numeric), ("category", one_hot, category)])
    pipeline = Pipeline([("columns", columns), ("model", RandomForestClassifier(random_state=0))])
    grid = GridSearchCV(pipeline, COURSE_GRID, cv=3, n_jobs=jobs, scoring="accuracy")
    return grid.fit(train[numeric + category], train[use_case.target.name])


def our_search(strategy: Search | None, use_case: UseCase, train: pd.DataFrame, jobs: int) -> Any:
    """The search of the use case, or another one, and the fit of its winner."""
    if strategy is not None:
        training = use_case.training.model_copy(update={"search": strategy})
        use_case = use_case.model_copy(update={"training": training})
    return fit(use_case, cross_validate(use_case, train, jobs)[0].candidate, train, jobs)


def halving(use_case: UseCase, candidates: list[dict[str, Any]], **options: Any) -> Search:
    """A halving search over other candidates, on as many rows as the use case's own search compares them on."""
    document = {"strategy": "halving", "max_rows": use_case.training.search.max_rows, "folds": 3, **options}
    return Search.model_validate({**document, "candidates": candidates})


def timed(search: Callable[..., Any], use_case: UseCase, frames: Frames, jobs: int) -> tuple[float, float]:
    """Seconds of a search, and the held-out accuracy of what it found."""
    train, holdout = frames
    start = time.perf_counter()
    model = search(use_case, train, jobs)
    seconds = time.perf_counter() - start
    features = holdout[[column.name for column in use_case.features]]
    return seconds, float((model.predict(features) == holdout[use_case.target.name]).mean())


def searches(use_case: UseCase) -> dict[str, Callable[..., Any]]:
    """What is compared, by name, the course's first."""
    return {
        "course: grid of 27 forests": course_search,
        "ours: covertype.yaml": partial(our_search, None),
        "ours: the 27 forests, halving rows": partial(our_search, halving(use_case, FORESTS)),
        "ours: the 27 forests, halving trees": partial(our_search, halving(use_case, FORESTS, resource="trees")),
        "ours: 25 of four families, halving rows": partial(our_search, halving(use_case, WIDE)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, required=True, help="rows of covertype, with a header")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3, help="splits into training and held-out rows to try")
    parser.add_argument("--use-case", type=Path, default=Path("use_cases/covertype.yaml"))
    arguments = parser.parse_args()
    if not arguments.csv.is_file():
        sys.exit(f"--csv {arguments.csv}: no such file")
    use_case = load_use_case(arguments.use_case)
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in searches(use_case)}
    for seed in range(arguments.repeats):
        frames = read_frames(use_case, arguments.csv, seed)
        for name, search in searches(use_case).items():
            seconds, accuracy = timed(search, use_case, frames, arguments.jobs)
            measured[name].append((seconds, accuracy))
            rows = f"{len(frames[0])} + {len(frames[1])} rows"
            print(f"split {seed} ({rows}) {name:40} {seconds:6.1f} s  accuracy {accuracy:.4f}", flush=True)
    print_table(measured)


def print_table(measured: dict[str, list[tuple[float, float]]]) -> None:
    """Means over the splits, and ratio and gain against the first search, split by split."""
    found = {name: np.array(pairs) for name, pairs in measured.items()}
    course = next(iter(found.values()))
    print("\n| search | time, s | times as fast | accuracy | gain |\n|---|---|---|---|---|")
    for name, pairs in found.items():
        ratios, gains = course[:, 0] / pairs[:, 0], pairs[:, 1] - course[:, 1]
        seconds, accuracy = pairs.mean(axis=0)
        print(
            f"| {name} | {seconds:.1f} | {ratios.mean():.1f} ({ratios.min():.1f} to {ratios.max():.1f}) "
            f"| {accuracy:.4f} | {gains.mean():+.4f} ({gains.min():+.4f} to {gains.max():+.4f}) |"
        )


if __name__ == "__main__":
    main()
