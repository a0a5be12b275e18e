"""Drift: how far some rows are from those a model was trained on, column by column, with numpy alone.

A column's drift is its population stability index (PSI): ``sum((c - r) * ln(c / r))`` over the bins of its training
rows, r and c being the shares of reference and current rows in a bin. Below 0.1 nothing happened, from 0.25 on the
column has changed. A missing value has a bin of its own; values that the reference does not know share the bin "other".

References
----------
Siddiqi, N. (2006). Credit Risk Scorecards, chapter 11. Wiley.
Yurdakul, B. and Naranjo, J. (2020). Statistical properties of the population stability index. Journal of Risk Model
Validation 14(4).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from pipeline.bundle import Bundle, BundleColumn, Statistics
from pipeline.encoding import number_column, text_column

# Fewer rows say nothing about a change.
MIN_ROWS = 100
# Values of a category or text that have a bin of their own: the most frequent ones, if they are not rare.
MOST_VALUES = 20
RARE = 0.01
OTHER, MISSING = "other", "missing"
# Share of a bin that the reference does not hold: the PSI of an empty bin would be infinite.
SMALLEST_SHARE = 1e-4
# Standard normal quantile of 99.9 %: what chance alone does in one column of a thousand is not drift.
CHANCE = 3.09

Floats = NDArray[np.float64]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bin(_Frozen):
    """Share of the reference's and of the current rows in one bin of a column."""

    label: str
    reference: float
    current: float


class FeatureDrift(_Frozen):
    """Drift of one column.

    Parameters
    ----------
    psi : population stability index; 0 is no change.
    drifted : whether it reaches the limit, on enough rows and by more than chance.
    """

    name: str
    kind: Literal["numeric", "categorical"]
    psi: float
    drifted: bool
    missing_share: float
    reference_missing_share: float
    bins: list[Bin]


class DriftReport(_Frozen):
    """Drift of some rows against a bundle's training rows.

    Parameters
    ----------
    rows : that were compared.
    limit : PSI from which a column counts as drifted.
    features : the columns whose reference is known; a bundle of an earlier release has none.
    drifted : names of those that drifted, most drifted first.
    share_drifted : of `features`.
    enough_rows : false when there are too few rows to call anything drift.
    prediction : drift of the model's answers, where they were given.
    """

    rows: int
    limit: float
    enough_rows: bool
    features: list[FeatureDrift]
    drifted: list[str]
    share_drifted: float
    prediction: FeatureDrift | None = None


def measure_drift(
    columns: Sequence[BundleColumn],
    current: Mapping[str, Sequence[Any] | NDArray[Any]],
    limit: float,
    *,
    prediction: BundleColumn | None = None,
    predicted: Sequence[Any] | NDArray[Any] = (),
) -> DriftReport:
    """Compare rows with the training rows of a bundle.

    Parameters
    ----------
    columns : of the bundle.
    current : raw values of each column, all of one length; a column that is absent is missing in every row. Numbers
        and dates as `pipeline.encoding` takes them, strings otherwise.
    limit : PSI from which a column counts as drifted.
    prediction, predicted : `prediction_column` of the bundle, and answers of its model.

    Raises
    ------
    ValueError
        The columns differ in length, or a number cannot be read.
    """
    lengths = {len(values) for values in current.values()}
    if len(lengths) > 1:
        raise ValueError(f"the columns need one common length, found {sorted(lengths)}")
    rows = lengths.pop() if lengths else 0
    known = [column for column in columns if column.statistics.rows is not None]
    features = [_feature(column, current.get(column.name), rows, limit) for column in known]
    drifted = sorted((f for f in features if f.drifted), key=lambda feature: -feature.psi)
    answers = None
    if prediction is not None:
        # A class may be logged as the number it looks like.
        values = predicted if prediction.is_numeric else [None if value is None else str(value) for value in predicted]
        answers = _feature(prediction, values, len(values), limit)
    return DriftReport(
        rows=rows,
        limit=limit,
        enough_rows=rows >= MIN_ROWS,
        features=features,
        drifted=[feature.name for feature in drifted],
        share_drifted=round(len(drifted) / len(features), 4) if features else 0.0,
        prediction=answers,
    )


def prediction_column(bundle: Bundle) -> BundleColumn | None:
    """The answers of a bundle's model as a column whose drift can be measured; None for one that has no reference."""
    return _column_of_target(bundle, bundle.prediction_statistics)


def target_column(bundle: Bundle) -> BundleColumn | None:
    """The target as a column whose drift can be measured; None for a bundle that has no reference."""
    return _column_of_target(bundle, bundle.target_statistics)


def _column_of_target(bundle: Bundle, statistics: Statistics | None) -> BundleColumn | None:
    if statistics is None:
        return None
    if bundle.task == "regression":
        return BundleColumn(name=bundle.target, type="number", unit=bundle.target_unit, statistics=statistics)
    return BundleColumn(name=bundle.target, type="category", categories=bundle.labels, statistics=statistics)


def _feature(
    column: BundleColumn, values: Sequence[Any] | NDArray[Any] | None, rows: int, limit: float
) -> FeatureDrift:
    statistics = column.statistics
    if column.is_numeric:
        labels, reference, counts = _numeric_bins(column, number_column(values, rows))
    else:
        labels, reference, counts = _value_bins(statistics, text_column(values, rows))
    reference = reference * (1 - statistics.missing_share)
    missing = rows - int(counts.sum())
    if missing or statistics.missing_share:
        labels = [*labels, MISSING]
        reference, counts = np.append(reference, statistics.missing_share), np.append(counts, missing)
    psi = _psi(reference, counts)
    return FeatureDrift(
        name=column.name,
        kind="numeric" if column.is_numeric else "categorical",
        psi=round(psi, 6),
        drifted=rows >= MIN_ROWS and psi >= max(limit, _psi_of_chance(len(labels), rows, statistics.rows or rows)),
        missing_share=round(missing / rows, 6) if rows else 0.0,
        reference_missing_share=statistics.missing_share,
        bins=[
            Bin(label=label, reference=round(float(share), 6), current=round(float(count) / rows, 6) if rows else 0.0)
            for label, share, count in zip(labels, reference, counts, strict=True)
        ],
    )


def _numeric_bins(column: BundleColumn, values: Floats) -> tuple[list[str], Floats, Floats]:
    """Labels, reference shares among the present values, and current counts."""
    histogram = column.statistics.histogram
    present = values[~np.isnan(values)]
    if histogram is None:
        return ["any"], np.ones(1), np.array([float(len(present))])
    counts = np.bincount(np.searchsorted(histogram.edges, present, side="right"), minlength=len(histogram.shares))
    return _numeric_labels(column, histogram.edges), np.array(histogram.shares), counts.astype(np.float64)


def _numeric_labels(column: BundleColumn, edges: list[float]) -> list[str]:
    shown = [_show(column, edge) for edge in edges]
    if len(edges) == 2 and np.nextafter(edges[0], np.inf) == edges[1]:  # a constant: one value and what is around it
        return [f"< {shown[0]}", shown[0], f"> {shown[0]}"]
    between = [f"{low} to {high}" for low, high in pairwise(shown)]
    return [f"< {shown[0]}", *between, f"≥ {shown[-1]}"]


def _show(column: BundleColumn, edge: float) -> str:
    if column.type == "date":
        return str(date(1970, 1, 1) + timedelta(days=int(edge)))
    return str(int(edge)) if edge.is_integer() and abs(edge) < 1e15 else f"{edge:.6g}"


def _value_bins(statistics: Statistics, values: Sequence[str | None]) -> tuple[list[str], Floats, Floats]:
    """Labels, reference shares among the present values, and current counts; the last bin holds all other values."""
    frequencies = statistics.frequencies or {}
    names = sorted(frequencies, key=lambda name: -frequencies[name])[:MOST_VALUES]
    names = [name for name in names if frequencies[name] >= RARE]
    counter = Counter(value for value in values if value is not None)
    total = sum(counter.values())
    counts = [float(counter[name]) for name in names]
    shares = [frequencies[name] for name in names]
    rest = max(1 - sum(shares), 0.0)
    return [*names, OTHER], np.array([*shares, rest]), np.array([*counts, total - sum(counts)])


def _psi(reference: Floats, counts: Floats) -> float:
    rows = counts.sum()
    if not rows:
        return 0.0
    # Half a row more in each bin: an empty bin of few rows is no proof that nothing falls there.
    current = (counts + 0.5) / (rows + 0.5 * len(counts))
    expected = np.maximum(reference, SMALLEST_SHARE)
    expected = expected / expected.sum()
    return float(((current - expected) * np.log(current / expected)).sum())


def _psi_of_chance(bins: int, rows: int, reference_rows: int) -> float:
    """PSI that rows of the same distribution exceed once in a thousand times.

    It is distributed as chi-squared of bins - 1 degrees of freedom times ``1 / rows + 1 / reference_rows`` (Yurdakul
    and Naranjo); the quantile is Wilson and Hilferty's.
    """
    freedom = max(bins - 1, 1)
    if not rows:
        return float("inf")
    quantile = freedom * (1 - 2 / (9 * freedom) + CHANCE * np.sqrt(2 / (9 * freedom))) ** 3
    return float(quantile * (1 / rows + 1 / max(reference_rows, 1)))
