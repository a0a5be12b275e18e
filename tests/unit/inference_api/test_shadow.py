"""What waits for a shadow takes little memory."""

import weakref
from pathlib import Path

import numpy as np

from inference_api.answers import Answers, Rows
from inference_api.metrics import ServiceMetrics
from inference_api.onnx_predictor import OnnxPredictor
from inference_api.predictor import Outcome
from inference_api.shadow import MOST_RECORDS, ShadowRunner


def test_what_waits_of_a_large_batch_is_a_sample(bundles: dict[str, Path]) -> None:
    runner = ShadowRunner(ServiceMetrics())  # not started: nothing leaves the queue
    predictor = OnnxPredictor("house_prices", 1, bundles["house_prices"])
    column, probabilities = np.zeros(10_000), np.zeros((10_000, 2))
    whole = weakref.ref(column), weakref.ref(probabilities)
    answers = Answers([0] * 10_000, [""] * 10_000, probabilities, ("a", "b"))
    runner.offer(predictor, predictor, Rows({"x": column}), answers)
    del column, probabilities, answers
    assert [kept() for kept in whole] == [None, None]
    (kept,) = runner._queue
    assert (len(kept.rows), len(kept.outcomes)) == (MOST_RECORDS, MOST_RECORDS)
    assert kept.outcomes[-1] == Outcome(0, "", {"a": 0.0, "b": 0.0})
