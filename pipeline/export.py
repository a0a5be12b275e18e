"""The serving bundle of a model: ONNX, the description of its input row, and proof that both agree with the model."""

import math
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd
from pydantic import BaseModel, ConfigDict
from sklearn.base import BaseEstimator, is_classifier

from pipeline.bundle import (
    MAX_LABEL_FLIPS,
    MODEL_FILE,
    Bundle,
    BundleColumn,
    Expected,
    Statistics,
    load_bundle,
    save_bundle,
)
from pipeline.encoding import FeatureEncoder
from pipeline.onnx_model import INPUT_NAME, to_onnx_model
from pipeline.preprocessing import encoding_slots, unwrap
from pipeline.use_case import Column, UseCase

# Two probabilities closer than this are a tie, which float32 and float64 may break either way.
TIE = 1e-5
# A regression's row differs when it is off by more than this share of its value.
RELATIVE_LIMIT = 1e-3


class ParityReport(BaseModel):
    """How far the exported model is from the one that was judged, over the held-out rows.

    Parameters
    ----------
    label_flips : rows with another class (ties left out); of a regression, rows off by more than 0.1 %.
    ties : rows with another class where the model gives both classes the same probability.
    max_difference : largest difference of a probability; of a regression, relative to the prediction.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    label_flips: int
    ties: int = 0
    max_difference: float

    @property
    def passed(self) -> bool:
        """Whether the exported model may stand for the judged one; a failure blocks promotion."""
        return self.label_flips <= MAX_LABEL_FLIPS * self.rows and math.isfinite(self.max_difference)


class ServedModel:
    """A bundle as serving runs it: encode, then ONNX. Used to check it and to compare versions.

    Parameters
    ----------
    folder : the bundle's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.bundle = load_bundle(folder)
        self._encoder = FeatureEncoder(self.bundle.encoding)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(folder / MODEL_FILE, options, providers=["CPUExecutionProvider"])
        self._output = "probabilities" if self.bundle.classes else "prediction"

    def scores(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities [N, classes] of a classification, else predictions [N] in the target's own unit."""
        rows = self._encoder.encode_columns({name: frame[name].to_numpy() for name in self._encoder.columns})
        scores: np.ndarray = self._session.run([self._output], {INPUT_NAME: rows})[0]
        if self.bundle.classes:
            return scores
        values = scores.ravel().astype(np.float64)
        return np.expm1(values) if self.bundle.target_transform == "expm1" else values

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Predicted classes (strings) or values, one per row of a frame of model-facing columns."""
        scores = self.scores(frame)
        return np.array(self.bundle.classes, dtype=object)[scores.argmax(axis=1)] if self.bundle.classes else scores


def export_bundle(
    model: BaseEstimator,
    use_case: UseCase,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    folder: Path,
    *,
    metrics: Mapping[str, float] | None = None,
    dataset_digest: str = "",
    run_id: str = "",
    created_at: str = "",
) -> ParityReport:
    """Write ``model.onnx`` and ``bundle.json``, then compare them with the model on the held-out rows.

    The same arguments give the same bytes: a registered version carries their digest.

    Parameters
    ----------
    model : a fitted model of `pipeline.preprocessing.build_pipeline`.
    train : rows of which the bundle states limits, medians and frequencies, and its input example.
    folder : made if absent.
    metrics, dataset_digest, run_id, created_at : what the bundle says about its origin.
    """
    pipeline = unwrap(model)
    slots = encoding_slots(use_case, pipeline[:-1])
    classes = [str(value) for value in pipeline.classes_] if is_classifier(pipeline) else []
    example = _typical_row(use_case, train)
    bundle = Bundle(
        use_case=use_case.name,
        task=use_case.task,
        title=use_case.title,
        target=use_case.target.name,
        classes=classes,
        labels={value: (use_case.target.categories or {}).get(value, value) for value in classes},
        columns=[_bundle_column(column, train[column.name]) for column in use_case.features],
        encoding=slots,
        target_transform="expm1" if use_case.training.log_target else None,
        input_example=_raw_record(use_case, example.iloc[0]),
        expected=_expected(model, classes, example),
        metrics=dict(metrics or {}),
        dataset_digest=dataset_digest,
        run_id=run_id,
        created_at=created_at,
    )
    save_bundle(bundle, folder, to_onnx_model(pipeline[-1], bundle.width))
    return compare(model, ServedModel(folder), use_case, holdout)


def compare(model: BaseEstimator, served: ServedModel, use_case: UseCase, holdout: pd.DataFrame) -> ParityReport:
    """Count the held-out rows on which the served form of a model answers something else."""
    frame = holdout[[column.name for column in use_case.features]]
    scores = served.scores(frame)
    if not served.bundle.classes:
        expected = model.predict(frame)
        relative = np.abs(scores - expected) / np.maximum(np.abs(expected), 1e-9)
        flips = int((relative > RELATIVE_LIMIT).sum())
        return ParityReport(rows=len(frame), label_flips=flips, max_difference=float(relative.max(initial=0)))
    expected = model.predict_proba(frame)
    every, ours, theirs = np.arange(len(frame)), scores.argmax(axis=1), expected.argmax(axis=1)
    differs = ours != theirs
    tied = differs & (expected[every, theirs] - expected[every, ours] < TIE)
    return ParityReport(
        rows=len(frame),
        label_flips=int((differs & ~tied).sum()),
        ties=int(tied.sum()),
        max_difference=float(np.abs(scores - expected).max(initial=0)),
    )


def _bundle_column(column: Column, values: pd.Series) -> BundleColumn:
    return BundleColumn(**column.model_dump(), statistics=_statistics(column, values))


def _statistics(column: Column, values: pd.Series) -> Statistics:
    present = values.dropna()
    if column.is_numeric:
        if present.empty:
            return Statistics()
        return Statistics(minimum=present.min(), maximum=present.max(), median=present.median())
    # The form offers the most frequent values of an open list; all of a big one would bloat every answer.
    shares = present.value_counts(normalize=True).head(200)
    return Statistics(frequencies={str(value): round(float(share), 6) for value, share in shares.items()})


def _typical_row(use_case: UseCase, train: pd.DataFrame) -> pd.DataFrame:
    """The first training row with as few missing values as any has, as a frame of one row."""
    frame = train[[column.name for column in use_case.features]]
    first = int(frame.isna().sum(axis=1).to_numpy().argmin())
    return frame.iloc[[first]]


def _raw_record(use_case: UseCase, row: pd.Series) -> dict[str, Any]:
    """A row of model-facing values as a client sends it."""
    return {column.name: _raw_value(column, row[column.name]) for column in use_case.features}


def _raw_value(column: Column, value: Any) -> Any:
    if value is None or value != value:
        return None
    if column.type == "date":
        return (date(1970, 1, 1) + timedelta(days=int(value))).isoformat()
    if column.type == "integer":
        return int(value)
    return float(value) if column.type == "number" else str(value)


def _expected(model: BaseEstimator, classes: list[str], example: pd.DataFrame) -> Expected:
    prediction = model.predict(example)[0]
    if not classes:
        return Expected(prediction=float(prediction))
    probabilities = zip(classes, model.predict_proba(example)[0].tolist(), strict=True)
    return Expected(prediction=str(prediction), probabilities=dict(probabilities))
