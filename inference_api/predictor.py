"""One loaded model version: immutable, ready to predict, safe to share between threads."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime as ort

from inference_api.errors import Refusal, invalid, mistake
from inference_api.request_schema import RECORDS_KEY, RecordValidator, Values
from pipeline.bundle import MODEL_FILE, BundleError, load_bundle
from pipeline.encoding import FeatureEncoder, FloatRows

# Rows per run of the model: bounds the memory of a large request.
CHUNK_ROWS = 4096
# What the answer to the stored example may differ by, between machines.
PROBE_TOLERANCE = 1e-4
PROBABILITY_DIGITS = 6


class _NotFinite(Exception):
    """The model answered NaN or infinity, which JSON cannot hold and no client could use."""


class Outcome(msgspec.Struct, gc=False, frozen=True):
    """The answer to one record."""

    prediction: int | float | str
    label: str | None
    probabilities: dict[str, float] | None


class Predictor:
    """A model version, read from the folder of its serving bundle.

    Parameters
    ----------
    name, version : as registered.
    folder : holds ``bundle.json`` and ``model.onnx``.

    Raises
    ------
    BundleError
        The bundle is damaged, its parts do not fit, or it does not answer its own example as recorded.
    """

    def __init__(self, name: str, version: int, folder: Path) -> None:
        self.name = name
        self.version = version
        self.bundle = load_bundle(folder)
        self.validator = RecordValidator(self.bundle)
        self.encoder = FeatureEncoder(self.bundle.encoding, self.validator.columns)
        self._classes = tuple(self.bundle.classes)
        integers = all(value.lstrip("-").isdecimal() and str(int(value)) == value for value in self._classes)
        self._predictions: list[int | str] = [int(c) if integers else c for c in self._classes]
        self._labels = [self.bundle.labels.get(value, value) for value in self._classes]
        self._session = _open_session(folder / MODEL_FILE)
        self._outputs = ["probabilities" if self._classes else "prediction"]
        self._expm1 = self.bundle.target_transform == "expm1"
        self._check_signature()
        self._check_example()

    def predict_one(self, values: Values) -> Outcome:
        """Predict one record, given as values in column order.

        Raises
        ------
        Refusal
            422: the model has no finite answer to these values.
        """
        answer = self._run(self.encoder.encode_values(values))[0].tolist()
        try:
            return self._classification(answer) if self._classes else self._regression(answer)
        except _NotFinite:
            raise self._refused(()) from None

    def predict_many(self, rows: Sequence[Values]) -> list[Outcome]:
        """Predict many records, in order; raises as `predict_one` does."""
        finish = self._classification if self._classes else self._regression
        outcomes: list[Outcome] = []
        for start in range(0, len(rows), CHUNK_ROWS):
            columns = dict(zip(self.encoder.columns, zip(*rows[start : start + CHUNK_ROWS], strict=True), strict=True))
            for answer in self._run(self.encoder.encode_columns(columns)).tolist():
                try:
                    outcomes.append(finish(answer))
                except _NotFinite:
                    raise self._refused((RECORDS_KEY, len(outcomes))) from None
        return outcomes

    def _run(self, rows: FloatRows) -> Any:
        return self._session.run(self._outputs, {"features": rows})[0]

    def _classification(self, scores: list[float]) -> Outcome:
        if not math.isfinite(sum(scores)):
            raise _NotFinite
        best = scores.index(max(scores))
        probabilities = {name: round(p, PROBABILITY_DIGITS) for name, p in zip(self._classes, scores, strict=True)}
        return Outcome(self._predictions[best], self._labels[best], probabilities)

    def _regression(self, answer: list[float] | float) -> Outcome:
        value = answer[0] if isinstance(answer, list) else answer
        try:
            prediction = math.expm1(value) if self._expm1 else value
        except OverflowError:
            raise _NotFinite from None
        if not math.isfinite(prediction):
            raise _NotFinite
        return Outcome(prediction, None, None)

    def _refused(self, loc: tuple[str | int, ...]) -> Refusal:
        message = (
            f"{self} has no finite prediction for this record: "
            "its values are allowed, but too far from those that the model was trained on"
        )
        return invalid([mistake(loc, message, "prediction_not_finite")])

    def _check_signature(self) -> None:
        inputs = self._session.get_inputs()
        outputs = [output.name for output in self._session.get_outputs()]
        width = inputs[0].shape[-1] if inputs else None
        if [i.name for i in inputs] != ["features"] or self._outputs[0] not in outputs:
            raise BundleError(
                f"{self} must take 'features' and give {self._outputs[0]!r}; "
                f"it takes {[i.name for i in inputs]} and gives {outputs}"
            )
        if isinstance(width, int) and width != self.encoder.width:
            raise BundleError(f"{self} takes rows of {width} floats, its encoding makes {self.encoder.width}")
        scores = self._run(np.zeros((1, self.encoder.width), dtype=np.float32))
        if self._classes and scores.shape != (1, len(self._classes)):
            raise BundleError(
                f"{self} gives {scores.shape[-1]} probabilities, its bundle names {len(self._classes)} classes"
            )

    def _check_example(self) -> None:
        """Probe with the stored example, which also warms the session up."""
        body = msgspec.json.encode(self.bundle.input_example)
        try:
            values = self.validator.read_one(body, named=False)
            outcomes = (self.predict_one(values), *self.predict_many([values, values]))
        except Refusal as refusal:
            raise BundleError(f"{self} does not answer its example: {refusal.detail}") from None
        for outcome in outcomes:
            if not self.bundle.expects(outcome.prediction, outcome.probabilities, PROBE_TOLERANCE):
                expected = str(self.bundle.expected.prediction)
                raise BundleError(f"{self} answers its example {outcome.prediction!r}, expected {expected!r}")

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


def _open_session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    # One row is too little to share between threads, and spinning threads would take the core from the event loop.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a dozen exception types of its own, without a common base
        raise BundleError(f"{path} is not a model that ONNX Runtime can load: {error}") from error
