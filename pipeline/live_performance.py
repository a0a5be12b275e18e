"""How good served predictions turned out to be: the metric over feedback, with an interval, version by version.

numpy alone: the inference API shows it, and so does ``mlops status``.

References
----------
Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of the American
Statistical Association 22.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.bootstrap import resampled_metrics
from pipeline.use_case import UseCase

if TYPE_CHECKING:
    from pipeline.model_version import VersionInfo
    from pipeline.warehouse import JudgedPrediction, Warehouse

# Newest outcomes looked at: more would narrow the interval by little and cost the warehouse much.
MOST_OUTCOMES = 20_000
MOST_OUTCOMES_PER_VERSION = 5_000
# Standard normal quantile of a two-sided interval of 95 %.
Z = 1.959964
CONFIDENCE = 0.95


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VersionPerformance(_Frozen):
    """The metric of one version over its feedback, with its interval of 95 %."""

    version: int
    rows: int
    value: float
    low: float
    high: float


class LivePerformance(_Frozen):
    """The metric over feedback, beside the champion's on the held-out rows.

    Parameters
    ----------
    metric : ``accuracy`` of a classification; ``mae`` or ``rmse`` of a regression.
    held_out : of the champion, if there is one and it was judged by that metric.
    versions : the newest first.
    """

    metric: str
    held_out: float | None
    versions: list[VersionPerformance]


def live_metric(task: str, metric: str | None) -> str:
    """The metric to measure live: feedback comes in small numbers, on which other metrics say little.

    Parameters
    ----------
    task : ``classification`` or ``regression``.
    metric : of the use case, where it is known.
    """
    if task == "classification":
        return "accuracy"
    return "rmse" if metric == "rmse" else "mae"


def measure_versions(metric: str, judged: Sequence["JudgedPrediction"]) -> list[VersionPerformance]:
    """Measure each version on its own feedback.

    Parameters
    ----------
    metric : ``accuracy``, ``mae`` or ``rmse``.
    judged : predictions with their outcomes, newest first; of each version the newest 5,000 count.

    Returns
    -------
    the newest version first; the interval is Wilson's for ``accuracy``, else a bootstrap's.
    """
    pairs: dict[int, list[tuple[Any, Any]]] = {}
    for item in judged:
        known = pairs.setdefault(item.version, [])
        if len(known) < MOST_OUTCOMES_PER_VERSION:
            known.append((item.prediction, item.outcome))
    measure = _accuracy if metric == "accuracy" else _error
    return [measure(metric, version, pairs[version]) for version in sorted(pairs, reverse=True)]


def read_live_performance(
    use_case: UseCase, warehouse: "Warehouse", champion: "VersionInfo | None"
) -> LivePerformance | None:
    """The live performance of a use case's versions; None before the first feedback."""
    metric = live_metric(use_case.task, use_case.training.metric)
    versions = measure_versions(metric, warehouse.judged_predictions(use_case.name, MOST_OUTCOMES))
    held_out = champion.metrics.get(metric) if champion else None
    return LivePerformance(metric=metric, held_out=held_out, versions=versions) if versions else None


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Interval of 95 % of a share; unlike the normal one it stays within 0 and 1 and is not empty at either."""
    share, square = successes / trials, Z * Z / trials
    centre = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(share * (1 - share) / trials + square / (4 * trials)) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)


def _accuracy(_: str, version: int, pairs: list[tuple[Any, Any]]) -> VersionPerformance:
    # A class that reads as a whole number is logged as one, and may be sent as a text.
    correct = sum(str(prediction) == str(outcome) for prediction, outcome in pairs)
    low, high = wilson_interval(correct, len(pairs))
    return VersionPerformance(version=version, rows=len(pairs), value=correct / len(pairs), low=low, high=high)


def _error(metric: str, version: int, pairs: list[tuple[Any, Any]]) -> VersionPerformance:
    predicted, truth = np.array(pairs, dtype=np.float64).T
    errors = np.abs(predicted - truth)
    value = float(np.sqrt(np.mean(errors**2)) if metric == "rmse" else np.mean(errors))
    resampled = resampled_metrics(metric, truth, [predicted])[0]
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return VersionPerformance(version=version, rows=len(pairs), value=value, low=float(low), high=float(high))
