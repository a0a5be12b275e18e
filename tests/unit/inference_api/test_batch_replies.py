"""Replies to many records, whatever their classes are called."""

import json
from pathlib import Path

import numpy as np
import pytest

from inference_api.answers import Answers
from inference_api.batch_replies import records_reply
from inference_api.onnx_predictor import OnnxPredictor


@pytest.mark.parametrize("name", ["plain", 'a "quoted" one', "back\\slash", "two\nlines", "ä", ""])
def test_a_class_may_have_any_name(bundles: dict[str, Path], name: str) -> None:
    predictor = OnnxPredictor("penguins", 1, bundles["penguins"])
    answers = Answers([name] * 2, [name] * 2, np.array([[0.25, 0.75], [0.5, 0.5]]), ("other", name))
    reply = json.loads(b"".join(records_reply(answers, predictor, "id")))
    assert [each["probabilities"] for each in reply["predictions"]] == [
        {"other": 0.25, name: 0.75},
        {"other": 0.5, name: 0.5},
    ]
