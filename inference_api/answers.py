"""The answers to many records as arrays: what every form of reply to a batch is made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from inference_api.predictor import CHUNK_ROWS, PROBABILITY_DIGITS, Outcome, Predictor

Columns = Mapping[str, Sequence[Any] | NDArray[Any]]


@dataclass(frozen=True)
class Answers(Sequence[Outcome]):
    """Answers to N records, in their order; as a sequence, one `Outcome` a record. A slice of it is a copy.

    Attributes
    ----------
    predictions : one a record.
    labels : full name of each predicted class; None for a regression.
    probabilities : [N, number of classes], rounded as replies show them; None where the model has none.
    classes : names of the columns of `probabilities`.
    """

    predictions: list[Any]
    labels: list[str] | None = None
    probabilities: NDArray[np.float64] | None = None
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.predictions)

    @overload
    def __getitem__(self, place: int) -> Outcome: ...
    @overload
    def __getitem__(self, place: slice) -> "Answers": ...
    def __getitem__(self, place: int | slice) -> "Outcome | Answers":
        if isinstance(place, int):
            # Through the sequence of one, so that there is one way to make an outcome.
            index = range(len(self))[place]
            return next(iter(self[index : index + 1]))
        return Answers(
            self.predictions[place],
            None if self.labels is None else self.labels[place],
            None if self.probabilities is None else self.probabilities[place].copy(),
            self.classes,
        )

    def __iter__(self) -> Iterator[Outcome]:
        if self.probabilities is None:
            labels = self.labels or repeat(None, len(self))
            for prediction, label in zip(self.predictions, labels, strict=True):
                yield Outcome(prediction, label, None)
            return
        assert self.labels is not None
        for start in range(0, len(self), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            rows = self.probabilities[part].tolist()
            for prediction, label, row in zip(self.predictions[part], self.labels[part], rows, strict=True):
                yield Outcome(prediction, label, dict(zip(self.classes, row, strict=True)))


def answer_columns(predictor: Predictor, columns: Columns, place: str) -> Answers:
    """Predict N records given as columns of valid values.

    In steps of `CHUNK_ROWS`, between which other threads get their turn.

    Parameters
    ----------
    place : what a refusal calls the list of records.

    Raises
    ------
    Refusal
        422: the model has no finite answer to one of the records.
    """
    count = len(next(iter(columns.values())))
    parts = []
    for start in range(0, count, CHUNK_ROWS):
        part = {name: values[start : start + CHUNK_ROWS] for name, values in columns.items()}
        scores, places = predictor.decisions(part)
        finite = np.isfinite(scores).all(axis=1)
        if not finite.all():
            raise predictor.refused((place, start + int(np.argmin(finite))))
        parts.append(_classes(predictor, scores, places) if predictor.classes else Answers(scores[:, 0].tolist()))
    return _join(parts)


def _classes(predictor: Predictor, scores: NDArray[np.float64], places: NDArray[np.intp]) -> Answers:
    answered = places.tolist()
    rounded = np.round(scores, PROBABILITY_DIGITS)
    predictions, labels = predictor.predictions, predictor.labels
    answers = Answers([predictions[i] for i in answered], [labels[i] for i in answered])
    return (
        replace(answers, probabilities=rounded, classes=predictor.classes) if predictor.has_probabilities else answers
    )


def _join(parts: list[Answers]) -> Answers:
    if len(parts) == 1:
        return parts[0]
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return Answers(
        [prediction for part in parts for prediction in part.predictions],
        None if parts[0].labels is None else [label for part in parts for label in part.labels or ()],
        np.concatenate(probabilities) if probabilities else None,
        parts[0].classes,
    )


class Rows(Sequence[tuple[Any, ...]]):
    """Columns as a sequence of rows, each made when it is asked for: the prediction log takes a few of many.

    A slice is a copy: who keeps a few rows must not keep all the others in memory with them.

    Parameters
    ----------
    columns : of one length, in the order of a row's values; a missing number may be NaN.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._count = len(next(iter(columns.values())))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> tuple[Any, ...]: ...
    @overload
    def __getitem__(self, place: slice) -> "Rows": ...
    def __getitem__(self, place: int | slice) -> "tuple[Any, ...] | Rows":
        if isinstance(place, slice):
            return Rows({name: _copied(values[place]) for name, values in self._columns.items()})
        index = range(self._count)[place]
        return next(iter(self[index : index + 1]))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for start in range(0, self._count, CHUNK_ROWS):
            yield from zip(
                *(_plain(values[start : start + CHUNK_ROWS]) for values in self._columns.values()), strict=True
            )


def _copied(part: Sequence[Any] | NDArray[Any]) -> Sequence[Any] | NDArray[Any]:
    """A slice of a column that is no view of the whole column."""
    return part.copy() if isinstance(part, np.ndarray) else part


def _plain(values: Sequence[Any] | NDArray[Any]) -> Sequence[Any]:
    """Values as Python's own, missing ones as None."""
    if not isinstance(values, np.ndarray):
        return values
    listed: list[Any] = values.tolist()
    if values.dtype.kind == "f" and np.isnan(values).any():
        return [None if value != value else value for value in listed]
    return listed
