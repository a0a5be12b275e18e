"""The serving bundle of a model: ONNX, the description of its input row, and proof that both agree with the model."""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict
from sklearn.base import BaseEstimator, is_classifier

from pipeline.bundle import (
    MAX_LABEL_FLIPS,
    MAX_PROBABILITY_DIFFERENCE,
    MODEL_FILE,
    Bundle,
    BundleColumn,
    Expected,
    load_bundle,
    save_bundle,
)
from pipeline.column_statistics import column_statistics
from pipeline.encoding import FeatureEncoder
from pipeline.onnx_model import INPUT_NAME, most_tested_feature, to_onnx_model
from pipeline.onnx_runtime import ort
from pipeline.preprocessing import encoding_slots, unwrap
from pipeline.slots import Slot
from pipeline.use_case import Column, UseCase

# Two probabilities closer than this are a tie, which float32 and float64 may break either way.
TIE = 1e-5
# A regression's row differs when it is off by more than this share of its value; one near zero, of a hundredth of
# the spread of all values: float32 cannot tell 1e-13 from 1e-8 in a sum of thousands.
RELATIVE_LIMIT = 1e-3
NEAR_ZERO = 0.01
COST_TRIES = 51


class ParityReport(BaseModel):
    """How far the exported model is from the one that was judged, over the held-out rows.

    Parameters
    ----------
    label_flips : rows with another class (ties left out); of a regression, rows off by more than 0.1 % of their value,
        or of a hundredth of the standard deviation of all values where that is more.
    ties : rows with another class where the model gives both classes the same probability.
    max_difference : largest difference of a probability; of a regression, relative to the prediction.
    probability_difference : largest difference of a probability on rows that are no label flip; 0 for a regression.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    label_flips: int
    ties: int = 0
    max_difference: float
    probability_difference: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the exported model may stand for the judged one; a failure blocks promotion."""
        return (
            self.label_flips <= MAX_LABEL_FLIPS * self.rows
            and self.probability_difference <= MAX_PROBABILITY_DIFFERENCE
            and math.isfinite(self.max_difference)
        )


class Scorer:
    """Encoding and ONNX model as serving runs them, on frames of model-facing columns.

    Parameters
    ----------
    onnx : path of ``model.onnx``, or its content.
    classes : values in the order of the model's probabilities; empty for a regression.
    target_transform : as in the bundle.
    """

    def __init__(
        self, slots: Sequence[Slot], onnx: Path | bytes, classes: Sequence[str], target_transform: str | None
    ) -> None:
        self._encoder = FeatureEncoder(slots)
        self._classes = np.array(classes, dtype=object)
        self._expm1 = target_transform == "expm1"
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        self._output = "probabilities" if len(classes) else "prediction"

    def scores(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities [N, classes] of a classification, else predictions [N] in the target's own unit."""
        rows = self._encoder.encode_columns({name: frame[name].to_numpy() for name in self._encoder.columns})
        scores: np.ndarray = self._session.run([self._output], {INPUT_NAME: rows})[0]
        if self._classes.size:
            return scores
        values = scores.ravel().astype(np.float64)
        return np.expm1(values) if self._expm1 else values

    def score_record(self, record: Mapping[str, Any]) -> np.ndarray:
        """What the model itself answers to one record of raw values, on the path of a request."""
        scores: np.ndarray = self._session.run([self._output], {INPUT_NAME: self._encoder.encode_record(record)})[0]
        return scores

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Predicted classes (strings) or values, one per row."""
        scores = self.scores(frame)
        return self._classes[scores.argmax(axis=1)] if self._classes.size else scores


class ServedModel(Scorer):
    """A bundle as serving runs it: encode, then ONNX. Used to check it and to compare versions.

    Parameters
    ----------
    folder : the bundle's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.bundle = load_bundle(folder)
        transform = self.bundle.target_transform
        super().__init__(self.bundle.encoding, folder / MODEL_FILE, self.bundle.classes, transform)
        self.megabytes = (folder / MODEL_FILE).stat().st_size / 1e6

    def single_row_milliseconds(self) -> float:
        """What one record costs here: the fastest of some tries, as whatever else runs can only add to it."""
        times = []
        for _ in range(COST_TRIES):
            start = time.perf_counter()
            self.score_record(self.bundle.input_example)
            times.append(time.perf_counter() - start)
        return min(times) * 1000


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
    train : rows of which the bundle states limits, medians and distributions, and its input example.
    holdout : rows on which the exported model is compared with `model`; the bundle states what it answers to them.
    folder : made if absent.
    metrics, dataset_digest, run_id, created_at : what the bundle says about its origin.
    """
    pipeline = unwrap(model)
    slots = encoding_slots(use_case, pipeline[:-1])
    classes = [str(value) for value in pipeline.classes_] if is_classifier(pipeline) else []
    transform: Literal["expm1"] | None = "expm1" if use_case.training.log_target else None
    onnx = to_onnx_model(pipeline[-1], sum(slot.width for slot in slots))
    scorer = Scorer(slots, onnx, classes, transform)
    example, numeric = _typical_row(use_case, train), use_case.target.is_numeric
    bundle = Bundle(
        use_case=use_case.name,
        task=use_case.task,
        title=use_case.title,
        target=use_case.target.name,
        target_unit=use_case.target.unit,
        target_statistics=column_statistics(train[use_case.target.name], numeric),
        prediction_statistics=column_statistics(pd.Series(scorer.predict(holdout)), numeric),
        classes=classes,
        labels={value: (use_case.target.categories or {}).get(value, value) for value in classes},
        columns=[_bundle_column(column, train[column.name]) for column in use_case.features],
        encoding=slots,
        target_transform=transform,
        sort_feature=most_tested_feature(onnx),
        input_example=_raw_record(use_case, example.iloc[0]),
        expected=_expected(scorer, classes, example),
        metrics=dict(metrics or {}),
        dataset_digest=dataset_digest,
        run_id=run_id,
        created_at=created_at,
    )
    save_bundle(bundle, folder, onnx)
    return compare(model, ServedModel(folder), use_case, holdout)


def compare(model: BaseEstimator, served: ServedModel, use_case: UseCase, holdout: pd.DataFrame) -> ParityReport:
    """Count the held-out rows on which the served form of a model answers something else."""
    frame = holdout[[column.name for column in use_case.features]]
    scores = served.scores(frame)
    if not served.bundle.classes:
        expected = model.predict(frame)
        smallest = max(NEAR_ZERO * float(np.std(expected)) if len(expected) else 0.0, 1e-9)
        relative = np.abs(scores - expected) / np.maximum(np.abs(expected), smallest)
        flips = int((relative > RELATIVE_LIMIT).sum())
        return ParityReport(rows=len(frame), label_flips=flips, max_difference=float(relative.max(initial=0)))
    expected = model.predict_proba(frame)
    every, ours, theirs = np.arange(len(frame)), scores.argmax(axis=1), expected.argmax(axis=1)
    differs = ours != theirs
    tied = differs & (expected[every, theirs] - expected[every, ours] < TIE)
    flips = differs & ~tied
    difference = np.abs(scores - expected).max(axis=1, initial=0)
    return ParityReport(
        rows=len(frame),
        label_flips=int(flips.sum()),
        ties=int(tied.sum()),
        max_difference=float(difference.max(initial=0)),
        probability_difference=float(difference[~flips].max(initial=0)),
    )


def _bundle_column(column: Column, values: pd.Series) -> BundleColumn:
    return BundleColumn(**column.model_dump(), statistics=column_statistics(values, column.is_numeric))


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


def _expected(scorer: Scorer, classes: list[str], example: pd.DataFrame) -> Expected:
    """What the exported model answers, not scikit-learn: the probe checks serving, the parity report the export."""
    scores, [prediction] = scorer.scores(example)[0], scorer.predict(example)
    if not classes:
        return Expected(prediction=float(prediction))
    return Expected(prediction=prediction, probabilities=dict(zip(classes, scores.tolist(), strict=True)))
