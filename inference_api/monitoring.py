"""How a model is doing: traffic, answers, drift and live performance, from the newest rows of the warehouse."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from inference_api.model_state import ModelState
from inference_api.operations_replies import Drift, Mix, MixBucket, TrafficBucket, ValueBucket, Values
from pipeline.collected_drift import LAST_LEDGER_TAG
from pipeline.drift import DriftReport, measure_drift, prediction_column, target_column
from pipeline.live_performance import MOST_OUTCOMES, LivePerformance, live_metric, measure_versions
from pipeline.use_case import UseCase

if TYPE_CHECKING:
    from pipeline.bundle import Bundle
    from pipeline.warehouse import Warehouse

# At most so many buckets of time, each of one of these lengths.
MOST_BUCKETS = 48
BUCKET_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 480)
# Newest answers of a bucket that are looked at: a share of 300 is known to about 6 percentage points.
ANSWERS_PER_BUCKET = 300
# Newest rows whose drift is measured.
DRIFT_ROWS = 5_000
# Of a model whose use case says nothing about it.
DRIFT_LIMIT = 0.25


class Buckets:
    """Equal spans of time that end now and begin on the minute.

    Parameters
    ----------
    hours : that they cover at least.
    """

    def __init__(self, hours: int, now: datetime) -> None:
        self.minutes = next(minutes for minutes in BUCKET_MINUTES if minutes * MOST_BUCKETS >= hours * 60)
        self.span = timedelta(minutes=self.minutes)
        count = -(-hours * 60 // self.minutes)
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        # Counted from midnight, so that a bucket is the same one whenever it is asked for.
        current = midnight + (now - midnight) // self.span * self.span
        self.starts = [current - self.span * before for before in range(count - 1, -1, -1)]


def read_traffic(warehouse: "Warehouse", name: str, buckets: Buckets) -> list[TrafficBucket]:
    """Logged predictions of each bucket, also of the empty ones."""
    counts = warehouse.prediction_counts(name, buckets.starts[0], buckets.span)
    return [TrafficBucket(at=start, predictions=counts.get(start, 0)) for start in buckets.starts]


def read_answers(
    warehouse: "Warehouse", state: ModelState, traffic: list[TrafficBucket], buckets: Buckets
) -> tuple[Mix | None, Values | None]:
    """What was answered over time: the mix of classes, or quantiles of the values; neither without a loaded model."""
    if state.predictor is None:
        return None, None
    bundle = state.predictor.bundle
    busy = [bucket.at for bucket in traffic if bucket.predictions]
    answers = warehouse.newest_answers(state.name, busy, buckets.span, ANSWERS_PER_BUCKET)
    answers = {start: found for start, found in answers.items() if found}
    if bundle.task == "regression":
        quantiles = {
            start: np.quantile([float(value) for value in found], [0.1, 0.5, 0.9]) for start, found in answers.items()
        }
        series = [ValueBucket(at=start, p10=p10, median=p50, p90=p90) for start, (p10, p50, p90) in quantiles.items()]
        return None, Values(series=series, sampled_per_bucket=ANSWERS_PER_BUCKET)
    mixes = [MixBucket(at=start, shares=_shares(bundle.classes, found)) for start, found in answers.items()]
    statistics = bundle.target_statistics
    reference = dict(statistics.frequencies or {}) if statistics else {}
    return Mix(reference=reference, series=mixes, sampled_per_bucket=ANSWERS_PER_BUCKET), None


def read_drift(warehouse: "Warehouse", state: ModelState, use_case: UseCase | None, since: datetime) -> Drift:
    """Drift of what was served and of what was collected, against the training rows of the served version."""
    if state.predictor is None or state.served is None:
        return Drift(served=None, collected=None)
    limit = use_case.training.drift_limit if use_case else DRIFT_LIMIT
    bundle, version = state.predictor.bundle, state.predictor.version
    if all(column.statistics.rows is None for column in bundle.columns):
        # A bundle of an earlier release, which knows no distribution.
        return Drift(served=None, collected=None)
    served = _served_drift(bundle, warehouse.newest_served(state.name, version, since, DRIFT_ROWS), limit)
    collected = None
    last = state.served.tags.get(LAST_LEDGER_TAG, "")
    if use_case is not None and last.isdecimal():
        rows = warehouse.newest_rows(use_case, DRIFT_ROWS, int(last))
        target = target_column(bundle)
        collected = measure_drift([*bundle.columns, *([target] if target else [])], rows, limit)
    return Drift(served=served, collected=collected)


def read_live(
    warehouse: "Warehouse", state: ModelState | None, use_case: UseCase | None, name: str
) -> LivePerformance | None:
    """The metric over feedback beside the champion's held-out one; None before any feedback."""
    bundle = state.predictor.bundle if state and state.predictor else None
    task = use_case.task if use_case else bundle.task if bundle else None
    if task is None:
        return None
    metric = live_metric(task, use_case.training.metric if use_case else None)
    versions = measure_versions(metric, warehouse.judged_predictions(name, MOST_OUTCOMES))
    champion = state.champion if state else None
    held_out = champion.metrics.get(metric) if champion else None
    return LivePerformance(metric=metric, held_out=held_out, versions=versions) if versions else None


def _shares(classes: list[str], answers: list[Any]) -> dict[str, float]:
    texts = [str(answer) for answer in answers]
    names = [*classes, *sorted(set(texts) - set(classes))]
    return {name: round(texts.count(name) / len(texts), 6) for name in names}


def _served_drift(bundle: "Bundle", served: list[tuple[Any, Any]], limit: float) -> DriftReport:
    current = {column.name: [features.get(column.name) for features, _ in served] for column in bundle.columns}
    answers = [answer for _, answer in served]
    return measure_drift(bundle.columns, current, limit, prediction=prediction_column(bundle), predicted=answers)
