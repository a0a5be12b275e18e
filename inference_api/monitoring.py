"""How a model is doing: traffic, answers, drift and live performance, from the newest rows of the warehouse."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from inference_api.model_state import ModelState
from inference_api.operations_replies import Drift, Mix, MixBucket, ValueBucket, Values
from inference_api.traffic_history import ANSWERS_PER_BUCKET, BucketTraffic
from pipeline.collected_drift import LAST_LEDGER_TAG
from pipeline.drift import DriftReport, measure_drift, prediction_column, target_column
from pipeline.live_performance import MOST_OUTCOMES, LivePerformance, live_metric, measure_versions
from pipeline.use_case import UseCase

if TYPE_CHECKING:
    from pipeline.bundle import Bundle
    from pipeline.warehouse import Warehouse

# Newest rows whose drift is measured.
DRIFT_ROWS = 5_000
# Of a model whose use case says nothing about it.
DRIFT_LIMIT = 0.25
QUANTILES = (0.1, 0.5, 0.9)


def read_answers(state: ModelState, traffic: Mapping[datetime, BucketTraffic]) -> tuple[Mix | None, Values | None]:
    """What was answered over time: the mix of classes, or quantiles of the values; neither without a loaded model."""
    if state.predictor is None:
        return None, None
    bundle = state.predictor.bundle
    answers = {start: found.answers for start, found in traffic.items() if found.answers}
    if bundle.task == "regression":
        quantiles = {start: np.quantile(np.array(found, dtype=float), QUANTILES) for start, found in answers.items()}
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
