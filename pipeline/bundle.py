"""The serving bundle: what a training run hands to serving, as two files that need no scikit-learn to read.

``bundle.json`` says how a record becomes the float row that ``model.onnx`` takes, and what its answer means.
"""

import hashlib
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from pipeline.errors import PipelineError
from pipeline.slots import BundlePart, LinearSlot, NumericSlot, Slot
from pipeline.use_case import Column, Task

BUNDLE_FILE = "bundle.json"
MODEL_FILE = "model.onnx"

# Share of held-out rows on which the exported model may differ from scikit-learn's: a value that sits on a tree's
# threshold in the last bit of a float32.
MAX_LABEL_FLIPS = 0.001
# Largest difference of a probability on the rows where both give the same class. Float32 sums make 1e-6 of it; a row
# that one of a hundred trees sends the other way, 0.03; a converter that got something wrong is off by more.
MAX_PROBABILITY_DIFFERENCE = 0.05
# What a served model's answer to the bundle's example may differ by from the recorded one, which the same ONNX model
# gave: float32 sums on another machine, and probabilities rounded for the reader.
PROBE_TOLERANCE = 1e-3
# Share of the range of a regression's answers that is nothing: one near zero has no digits to compare.
NEGLIGIBLE = 1e-5


class BundleError(PipelineError):
    """A serving bundle is incomplete, altered, or of a format this version does not know."""


class Histogram(BundlePart):
    """Share of the numbers in each bin: bin i holds those from ``edges[i - 1]`` up to, not including, ``edges[i]``.

    The first and the last bin are open, so every number has one.
    """

    edges: list[float]
    shares: list[float] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.shares) != len(self.edges) + 1:
            raise ValueError(
                f"{len(self.edges)} edges make {len(self.edges) + 1} bins, found {len(self.shares)} shares"
            )
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("the edges of a histogram must rise")
        return self


class Statistics(BundlePart):
    """What some rows hold in one column: limits, median and histogram of numbers, or the share of each value.

    Parameters
    ----------
    rows : how many they are; None in a bundle of an earlier release, which knows no distribution.
    histogram, frequencies : shares of the values that are present, for comparing other rows with these.
    missing_share : share of the rows without a value.
    """

    rows: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    median: float | None = None
    histogram: Histogram | None = None
    frequencies: dict[str, float] | None = None
    missing_share: float = 0.0


class BundleColumn(Column):
    """A feature column of the use case, with the statistics of its training rows."""

    statistics: Statistics = Statistics()


class Expected(BundlePart):
    """What ``model.onnx`` answers to the bundle's input example: the probe that a served model must pass."""

    prediction: str | float
    probabilities: dict[str, float] | None = None


class Bundle(BundlePart):
    """Content of ``bundle.json``.

    Parameters
    ----------
    classes : values of a classification in the order of the model's probabilities; empty for a regression.
    labels : full name of each class.
    target_unit : of the target, as in the use case.
    target_statistics : of the target in the training rows.
    prediction_statistics : of the exported model's answers to the held-out rows.
    columns : the features, in the order of the use case.
    encoding : what the model's input row is made of, in order.
    target_transform : ``"expm1"`` when the model predicts ``log1p`` of the target.
    sort_feature : place in the input row of the number by which a batch is sorted before trees answer it, since rows
        that are alike take the same branches, which the processor then foresees; None for a model without trees.
    onnx_sha256 : hex digest of ``model.onnx``; filled in by `save_bundle`.
    """

    format: Literal[1] = 1
    use_case: str
    task: Task
    title: str
    target: str
    target_unit: str | None = None
    target_statistics: Statistics | None = None
    prediction_statistics: Statistics | None = None
    classes: list[str] = Field(default_factory=list)
    labels: dict[str, str] = Field(default_factory=dict)
    columns: list[BundleColumn] = Field(min_length=1)
    encoding: list[Slot] = Field(min_length=1)
    target_transform: Literal["expm1"] | None = None
    sort_feature: int | None = Field(default=None, ge=0)
    input_example: dict[str, Any]
    expected: Expected
    metrics: dict[str, float] = Field(default_factory=dict)
    dataset_digest: str
    run_id: str
    created_at: str
    onnx_sha256: str = ""

    @property
    def width(self) -> int:
        """Number of floats in the model's input row."""
        return sum(slot.width for slot in self.encoding)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.task == "classification") != bool(self.classes):
            raise ValueError("'classes' must be listed for a classification, and only there")
        if self.sort_feature is not None and self.sort_feature >= self.width:
            raise ValueError(f"'sort_feature' is {self.sort_feature}, the input row has {self.width} numbers")
        types = {column.name: column.is_numeric for column in self.columns}
        for slot in self.encoding:
            numeric = isinstance(slot, NumericSlot | LinearSlot)
            for name in slot.terms if isinstance(slot, LinearSlot) else [slot.column]:
                if name not in types:
                    raise ValueError(f"encoding uses column {name!r}, which is not one of 'columns'")
                if numeric and not types[name]:
                    raise ValueError(f"encoding takes column {name!r} as a number, which it is not")
        return self

    def expects(self, prediction: Any, probabilities: Mapping[str, float] | None, tolerance: float) -> bool:
        """Whether an answer to the input example is the recorded one.

        Parameters
        ----------
        prediction, probabilities : the answer, as the model or the inference API gives it.
        tolerance : of a regression's value, relative to it (but see `NEGLIGIBLE`); of a probability, absolute.
        """
        recorded = self.expected
        if self.task == "regression":
            is_number = isinstance(prediction, int | float)
            expected, nothing = float(recorded.prediction), NEGLIGIBLE * self._range_of_answers()
            return is_number and math.isclose(prediction, expected, rel_tol=tolerance, abs_tol=nothing)
        found = probabilities or {}
        return str(prediction) == str(recorded.prediction) and all(
            math.isclose(found.get(name, math.nan), value, abs_tol=tolerance)
            for name, value in (recorded.probabilities or {}).items()
        )

    def _range_of_answers(self) -> float:
        """Of a regression's answers to the held-out rows; 0 in a bundle of an earlier release."""
        known = self.prediction_statistics
        return known.maximum - known.minimum if known and known.maximum is not None and known.minimum is not None else 0


def save_bundle(bundle: Bundle, folder: Path, model: bytes) -> Bundle:
    """Write ``model.onnx``, then ``bundle.json`` with the digest of the former.

    Returns
    -------
    The bundle as written, its `onnx_sha256` filled in.
    """
    complete = bundle.model_copy(update={"onnx_sha256": hashlib.sha256(model).hexdigest()})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(model)
    (folder / BUNDLE_FILE).write_text(complete.model_dump_json(indent=1, exclude_none=True), encoding="utf-8")
    return complete


def load_bundle(folder: Path) -> Bundle:
    """Read ``bundle.json`` and check that ``model.onnx`` is the one it was written for.

    Raises
    ------
    BundleError
        A file is missing or unreadable, breaks the format, or the model differs from its recorded digest.
    """
    path = folder / BUNDLE_FILE
    try:
        bundle = Bundle.model_validate_json(_read(path))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        places = "; ".join(f"{'.'.join(map(str, d['loc'])) or 'content'}: {d['msg']}" for d in details[:5])
        raise BundleError(f"{path} is not a serving bundle this version can read: {places}") from None
    found = hashlib.sha256(_read(folder / MODEL_FILE)).hexdigest()
    if found != bundle.onnx_sha256:
        recorded = bundle.onnx_sha256[:12] or "(none)"
        raise BundleError(f"{folder / MODEL_FILE} is damaged or altered: sha256 {found[:12]}…, recorded {recorded}…")
    return bundle


def bundle_digest(folder: Path) -> str:
    """Hex sha256 over both files of a bundle: equal digests mean the same encoding, model and texts."""
    digest = hashlib.sha256()
    for name in (BUNDLE_FILE, MODEL_FILE):
        digest.update(hashlib.sha256(_read(folder / name)).digest())
    return digest.hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}") from None
