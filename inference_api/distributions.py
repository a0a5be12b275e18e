"""Distributions of sampled rows, column by column, as a person can look at them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_api.operations_replies import Bin, FeatureDistribution
from pipeline.encoding import number_column, text_column
from pipeline.use_case import Column, UseCase

MOST_BINS = 20
OTHER = "other"
# A range this many times that of the middle 98 % is cut to it: or a few large values leave one bin for all others.
LONG_TAIL = 2.0
_EPOCH = date(1970, 1, 1)

Floats = NDArray[np.float64]


def describe_columns(use_case: UseCase, rows: Mapping[str, Sequence[Any]]) -> list[FeatureDistribution]:
    """Distributions of the features and the target.

    Parameters
    ----------
    rows : values of each column, all of one length, missing as None.
    """
    return [
        _describe_numbers(column, rows[column.name])
        if column.is_numeric
        else _describe_texts(column, rows[column.name])
        for column in use_case.columns
        if column.role != "ignored"
    ]


def _describe_texts(column: Column, values: Sequence[Any]) -> FeatureDistribution:
    present = [value for value in text_column(values, len(values)) if value is not None]
    counts = Counter(present)
    # Only a list of values that has too many for as many bins needs a bin for the others.
    shown = counts.most_common(MOST_BINS if len(counts) <= MOST_BINS else MOST_BINS - 1)
    rest = len(present) - sum(count for _, count in shown)
    bins = [Bin(label=str(value), share=round(count / len(present), 6)) for value, count in shown]
    if rest:
        bins.append(Bin(label=OTHER, share=round(rest / len(present), 6)))
    return _distribution(column, values, len(present), bins)


def _describe_numbers(column: Column, values: Sequence[Any]) -> FeatureDistribution:
    numbers = number_column(list(values), len(values))
    present = numbers[np.isfinite(numbers)]
    if not present.size:
        return _distribution(column, values, 0, [])
    edges, labels = _bins(column, present)
    counts = np.bincount(np.searchsorted(edges, present, side="right"), minlength=len(labels))
    bins = [
        Bin(label=label, share=round(float(count) / present.size, 6))
        for label, count in zip(labels, counts, strict=True)
    ]
    found = _distribution(column, values, present.size, bins)
    limits = {"minimum": present.min(), "maximum": present.max(), "median": np.median(present)}
    return found.model_copy(update={name: _value(column, float(value)) for name, value in limits.items()})


def _bins(column: Column, values: Floats) -> tuple[Floats, list[str]]:
    """Inner edges of bins of one width, and the labels of the bins, one more than edges."""
    distinct = np.unique(values)
    if len(distinct) == 1 or (len(distinct) <= MOST_BINS and bool((distinct == np.round(distinct)).all())):
        return distinct[1:], [str(_value(column, float(value))) for value in distinct]
    low, high = float(values.min()), float(values.max())
    middle_low, middle_high = (float(value) for value in np.quantile(values, [0.01, 0.99]))
    cut = high - low > LONG_TAIL * (middle_high - middle_low) and middle_high > middle_low
    if cut:
        low, high = middle_low, middle_high
    edges = np.linspace(low, high, MOST_BINS + 1)
    if column.type != "number":
        edges = np.unique(np.round(edges))
    # A tail that was cut falls into the first and the last bin.
    inner = edges[1:-1]
    shown = [_label(column, float(edge), (high - low) / MOST_BINS) for edge in edges]
    labels = [f"{start} to {end}" for start, end in pairwise(shown)]
    if cut:
        labels[0], labels[-1] = f"< {shown[1]}", f"≥ {shown[-2]}"
    return inner, labels


def _distribution(column: Column, values: Sequence[Any], present: int, bins: list[Bin]) -> FeatureDistribution:
    return FeatureDistribution(
        name=column.name,
        title=column.name.replace("_", " "),
        unit=column.unit,
        role="target" if column.role == "target" else "feature",
        kind="numeric" if column.is_numeric else "categorical",
        missing_share=round(1 - present / len(values), 6) if values else 0.0,
        bins=bins,
        minimum=None,
        maximum=None,
        median=None,
    )


def _label(column: Column, edge: float, width: float) -> str:
    """An edge with as many digits as tell bins of this width apart."""
    if column.type == "date" or not 1e-12 < width < 1e12:
        return str(_value(column, edge)) if column.type == "date" else f"{edge:.4g}"
    text = f"{edge:.{max(0, 1 - math.floor(math.log10(width)))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _value(column: Column, value: float) -> float | int | str:
    """A number as people read it, a date as YYYY-MM-DD."""
    if column.type == "date":
        return (_EPOCH + timedelta(days=round(value))).isoformat()
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
