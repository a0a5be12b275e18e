"""Paired bootstrap of a metric, with numpy alone.

Every metric here is a function of sums over rows (rows right, rows per class, squared errors, …). A resample draws
rows with replacement, so it is a vector of counts, and all resamples of all sums are one matrix product.

References
----------
Efron, B. and Tibshirani, R. J. (1993). An Introduction to the Bootstrap, chapters 6 and 13. Chapman & Hall.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1000
# A class or segment of fewer rows says nothing.
MIN_GROUP_ROWS = 20
_CHUNK = 50  # resamples at a time: 50 × 100,000 rows of counts are 40 MB


def metric_value(metric: str, truth: NDArray, predicted: NDArray) -> float:
    """The metric of some predictions, defined as in scikit-learn.

    Parameters
    ----------
    metric : ``accuracy``, ``balanced_accuracy``, ``f1_macro``, ``rmse``, ``mae`` or ``r2``.
    truth, predicted : shape (n,); labels of a classification, numbers of a regression.
    """
    sums = _statistics(metric, truth, predicted).sum(axis=0, keepdims=True)
    return float(_METRICS[metric](sums)[0])


def resampled_metrics(
    metric: str, truth: NDArray, predictions: list[NDArray], *, resamples: int = RESAMPLES, seed: int = 0
) -> Floats:
    """The metric of each model's predictions on the same resampled rows.

    Parameters
    ----------
    truth : shape (n,).
    predictions : one array of shape (n,) per model.

    Returns
    -------
    ndarray, shape (len(predictions), resamples)
        Column j of every model was computed on the same draw of rows, so differences of rows are paired.
    """
    statistics = [_statistics(metric, truth, predicted) for predicted in predictions]
    widths = np.cumsum([matrix.shape[1] for matrix in statistics])[:-1]
    stacked = np.hstack(statistics)
    rows, generator = len(truth), np.random.default_rng(seed)
    sums = np.empty((resamples, stacked.shape[1]))
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        drawn = generator.integers(0, rows, size=(size, rows), dtype=np.int64)
        drawn += np.arange(size)[:, None] * rows
        counts = np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows)
        sums[start : start + size] = counts.astype(np.float64) @ stacked
    return np.stack([_METRICS[metric](part) for part in np.split(sums, widths, axis=1)])


def _statistics(metric: str, truth: NDArray, predicted: NDArray) -> Floats:
    """One row of summable numbers per held-out row, shape (n, k)."""
    if metric in ("rmse", "mae", "r2"):
        truth, predicted = truth.astype(np.float64), predicted.astype(np.float64)
        error = predicted - truth
        if metric == "mae":
            return np.column_stack([np.ones(len(truth)), np.abs(error)])
        if metric == "rmse":
            return np.column_stack([np.ones(len(truth)), error**2])
        centred = truth - truth.mean()  # keeps the difference of sums below from cancelling
        return np.column_stack([np.ones(len(truth)), error**2, centred, centred**2])
    right = truth == predicted
    if metric == "accuracy":
        return np.column_stack([np.ones(len(truth)), right]).astype(np.float64)
    labels = np.unique(np.concatenate([truth, predicted]))
    of_class = truth[:, None] == labels
    columns = [of_class & right[:, None], of_class]
    if metric == "f1_macro":
        columns.append(predicted[:, None] == labels)
    return np.hstack(columns).astype(np.float64)


def _mean(sums: Floats) -> Floats:
    return sums[:, 1] / sums[:, 0]


def _rmse(sums: Floats) -> Floats:
    return np.sqrt(_mean(sums))


def _r2(sums: Floats) -> Floats:
    total = sums[:, 3] - sums[:, 2] ** 2 / sums[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 - sums[:, 1] / total


def _balanced_accuracy(sums: Floats) -> Floats:
    right, of_class = np.split(sums, 2, axis=1)
    return _mean_ratio(right, of_class)


def _f1_macro(sums: Floats) -> Floats:
    right, of_class, predicted = np.split(sums, 3, axis=1)
    return _mean_ratio(2 * right, of_class + predicted)


def _mean_ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Mean over classes of a ratio; a class that a resample does not hold does not count."""
    present = denominator > 0
    ratios = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=present)
    return ratios.sum(axis=1) / present.sum(axis=1)


_METRICS: dict[str, Callable[[Floats], Floats]] = {
    "accuracy": _mean,
    "balanced_accuracy": _balanced_accuracy,
    "f1_macro": _f1_macro,
    "mae": _mean,
    "rmse": _rmse,
    "r2": _r2,
}
