"""The metric over feedback, version by version, with an interval that its small numbers allow."""

import math

import numpy as np
import pytest

from pipeline.live_performance import MOST_OUTCOMES_PER_VERSION, live_metric, measure_versions, wilson_interval
from pipeline.warehouse import JudgedPrediction


def test_accuracy_counts_a_class_as_number_and_as_text_alike() -> None:
    judged = [JudgedPrediction(1, 2, "2"), JudgedPrediction(1, "Adelie", "Adelie"), JudgedPrediction(1, 2, "3")]
    (found,) = measure_versions("accuracy", judged)
    assert (found.version, found.rows, found.value) == (1, 3, 2 / 3)


def test_wilson_interval_is_that_of_the_textbook_and_never_empty() -> None:
    low, high = wilson_interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_error_of_a_regression_is_within_its_interval(metric: str) -> None:
    random = np.random.default_rng(0)
    truth, noise = random.uniform(100, 200, 400), random.normal(0, 5, 400)
    judged = [JudgedPrediction(3, value + error, value) for value, error in zip(truth, noise, strict=True)]
    (found,) = measure_versions(metric, judged)
    expected = math.sqrt(np.mean(noise**2)) if metric == "rmse" else np.mean(np.abs(noise))
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high
    # The standard error of either is about 0.2 here.
    assert found.high - found.low < 1.5


def test_newest_outcomes_of_a_version_count() -> None:
    newest = [JudgedPrediction(2, 1, "1")] * MOST_OUTCOMES_PER_VERSION
    found = measure_versions("accuracy", [*newest, JudgedPrediction(2, 1, "9"), JudgedPrediction(1, 1, "9")])
    assert [(item.version, item.rows, item.value) for item in found] == [
        (2, MOST_OUTCOMES_PER_VERSION, 1.0),
        (1, 1, 0.0),
    ]


def test_metric_is_one_that_feedback_can_measure() -> None:
    assert live_metric("classification", "f1_macro") == "accuracy"
    assert [live_metric("regression", metric) for metric in ("rmse", "mae", "r2", None)] == [
        "rmse",
        "mae",
        "mae",
        "mae",
    ]
