"""Our model search against the course's grid search, on the same rows, one after the other.

The course's: ``GridSearchCV`` over 27 random forests × 3 folds, scaling and one-hot encoding inside the pipeline.
Ours: the search of the use case's YAML, and the fit of its winner. Logging to MLflow is left out of both.

    OMP_NUM_THREADS=1 python benchmarks/search.py --csv covertype.csv
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from pipeline.use_case import UseCase, load_use_case

COURSE_GRID = {
    "model__n_estimators": [50, 100, 200],
    "model__max_depth": [10, 20, None],
    "model__min_samples_split": [2, 5, 10],
}


def read_frames(use_case: UseCase, path: Path, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
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


def our_search(use_case: UseCase, train: pd.DataFrame, jobs: int) -> Any:
    """The search of the use case."""
    return fit(use_case, cross_validate(use_case, train, jobs)[0].candidate, train, jobs)


def timed(
    search: Callable[..., Any], use_case: UseCase, frames: tuple[pd.DataFrame, pd.DataFrame], jobs: int
) -> tuple[float, float]:
    """Seconds of a search, and the held-out accuracy of what it found."""
    train, holdout = frames
    start = time.perf_counter()
    model = search(use_case, train, jobs)
    seconds = time.perf_counter() - start
    features = holdout[[column.name for column in use_case.features]]
    return seconds, float((model.predict(features) == holdout[use_case.target.name]).mean())


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
    totals = {"course": [0.0, 0.0], "ours": [0.0, 0.0]}
    for seed in range(arguments.repeats):
        frames = read_frames(use_case, arguments.csv, seed)
        for name, search in (("course", course_search), ("ours", our_search)):
            seconds, accuracy = timed(search, use_case, frames, arguments.jobs)
            totals[name][0] += seconds / arguments.repeats
            totals[name][1] += accuracy / arguments.repeats
            rows = f"{len(frames[0])} + {len(frames[1])} rows"
            print(f"split {seed} ({rows}) {name:6} {seconds:6.1f} s  accuracy {accuracy:.4f}", flush=True)
    (course_seconds, course_accuracy), (seconds, accuracy) = totals["course"], totals["ours"]
    print(f"ours is {course_seconds / seconds:.1f} times as fast ({seconds:.1f} s against {course_seconds:.1f} s)")
    print(f"accuracy {accuracy:.4f} against {course_accuracy:.4f}: {accuracy - course_accuracy:+.4f}")


if __name__ == "__main__":
    main()
