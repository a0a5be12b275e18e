"""One loaded model version: immutable, ready to predict, safe to share between threads."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference_api.errors import Refusal, invalid, mistake
from inference_api.request_schema import RECORDS_KEY, RecordValidator, Values
from pipeline.bundle import Bundle

# Rows per run of the model: bounds the memory of a large request.
CHUNK_ROWS = 4096
PROBABILITY_DIGITS = 6
_PROBABILITY_SCALE = 10**PROBABILITY_DIGITS

PredictorPath = Literal["onnx", "pyfunc"]


class NotFinite(Exception):
    """The model answered NaN or infinity, which JSON cannot hold and no client could use."""


class Outcome(msgspec.Struct, gc=False, frozen=True):
    """The answer to one record."""

    prediction: int | float | str
    label: str | None
    probabilities: dict[str, float] | None


class Predictor(ABC):
    """A model version that can predict.

    Attributes
    ----------
    path : how it predicts; what is not ``"onnx"`` takes milliseconds a record and is kept off the event loop.
    classes : of a classification, in the order of `scores`; empty for a regression.
    class_values : the same, as the model itself answers them: texts of the training data, or what another's model has.
    has_probabilities : whether `scores` of a classification are more than a 1 for the class that is predicted.
    predictions, labels : how each class is answered, and its full name.
    form : what a record holds; values that were checked for one predictor fit another one of the same form.
    """

    path: ClassVar[PredictorPath]
    has_probabilities = True

    def __init__(self, name: str, version: int, bundle: Bundle) -> None:
        self.name = name
        self.version = version
        self.bundle = bundle
        self.validator = RecordValidator(bundle)
        self.form = tuple((field.name, field.allowed, field.required) for field in self.validator.fields)
        self.classes = tuple(bundle.classes)
        self.class_values: list[Any] = list(self.classes)
        integers = all(value.lstrip("-").isdecimal() and str(int(value)) == value for value in self.classes)
        self.predictions: list[int | str] = [int(c) if integers else c for c in self.classes]
        self.labels = [bundle.labels.get(value, value) for value in self.classes]

    @abstractmethod
    def scores(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        """Answers to N records given as columns of valid values, one for each feature.

        Returns
        -------
        Probabilities [N, classes], or the predictions of a regression [N, 1]; not checked for NaN and infinity.
        """

    def decisions(
        self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """`scores` of a classification, and the place of the class that is answered to each record.

        That is the most probable class, unless the model decides otherwise.
        """
        scores = self.scores(columns)
        return scores, scores.argmax(axis=1)

    def predict_one(self, values: Values) -> Outcome:
        """Predict one record, given as values in column order.

        Raises
        ------
        Refusal
            422: the model has no finite answer to these values.
        """
        return self._outcomes([values], indexed=False)[0]

    def predict_many(self, rows: Sequence[Values]) -> list[Outcome]:
        """Predict many records, in order; raises as `predict_one` does."""
        return self._outcomes(rows, indexed=True)

    def columns_of(self, rows: Sequence[Values]) -> dict[str, Sequence[Any]]:
        """Rows of values in column order as `scores` takes them."""
        return dict(zip(self.validator.columns, zip(*rows, strict=True), strict=True))

    def _outcomes(self, rows: Sequence[Values], *, indexed: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for start in range(0, len(rows), CHUNK_ROWS):
            scores, places = self.decisions(self.columns_of(rows[start : start + CHUNK_ROWS]))
            for answer, place in zip(scores.tolist(), places.tolist(), strict=True):
                try:
                    outcomes.append(self._classification(answer, place) if self.classes else self._regression(answer))
                except NotFinite:
                    raise self.refused((RECORDS_KEY, len(outcomes)) if indexed else ()) from None
        return outcomes

    def _classification(self, scores: list[float], place: int) -> Outcome:
        if not math.isfinite(sum(scores)):
            raise NotFinite
        probabilities = None
        if self.has_probabilities:
            # As numpy does, at a fifth of the cost of `round(p, digits)`; 10^6 times a float32 is exact in a double.
            rounded = [round(p * _PROBABILITY_SCALE) / _PROBABILITY_SCALE for p in scores]
            probabilities = dict(zip(self.classes, rounded, strict=True))
        return Outcome(self.predictions[place], self.labels[place], probabilities)

    def _regression(self, answer: list[float]) -> Outcome:
        if not math.isfinite(answer[0]):
            raise NotFinite
        return Outcome(answer[0], None, None)

    def refused(self, loc: tuple[str | int, ...]) -> Refusal:
        """The refusal of a record, at a place in the body, that has no finite prediction."""
        message = (
            f"{self} has no finite prediction for this record: "
            "its values are allowed, but too far from those that the model was trained on"
        )
        return invalid([mistake(loc, message, "prediction_not_finite")])

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"
