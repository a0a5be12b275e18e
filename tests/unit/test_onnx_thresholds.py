"""A value between a threshold and the float32 next to it stays on its side."""

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from pipeline.onnx_model import to_onnx_model
from pipeline.onnx_thresholds import floor_float32, with_float32_thresholds

MODELS = [
    LGBMClassifier(n_estimators=20, verbose=-1, min_child_samples=2),
    LGBMRegressor(n_estimators=20, verbose=-1, min_child_samples=2),
    HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=2),
    HistGradientBoostingRegressor(max_iter=20, min_samples_leaf=2),
]


def test_the_float32_below_is_taken_unless_the_value_is_one() -> None:
    values = np.array([2803.599975585938, 0.1, -0.1, 1.5, 0.0, 1e308])
    floored = floor_float32(values)
    assert (floored <= values).all()
    assert (floored.astype(np.float32).astype(np.float64) == floored).all()
    assert floored[3] == 1.5
    assert (np.nextafter(floored.astype(np.float32), np.float32(np.inf)).astype(np.float64) > values)[:5].all()
    assert floored[5] == np.finfo(np.float32).max
    assert floor_float32(np.array([-1e308]))[0] == np.finfo(np.float32).min


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_neighbouring_float32_values_get_the_answer_of_the_model(model: Any) -> None:
    """Each value and the next one that float32 knows, of opposite classes: every threshold lies between such a pair."""
    base = np.linspace(2800, 2801, 40, dtype=np.float32)
    rows = np.sort(np.concatenate([base, np.nextafter(base, np.float32(np.inf))])).reshape(-1, 1)
    truth = np.tile([0, 1], 40)
    model.fit(rows, truth)
    [scores] = ort.InferenceSession(to_onnx_model(model, 1)).run(
        ["probabilities" if is_classifier(model) else "prediction"], {"features": rows}
    )
    expected = model.predict_proba(rows) if is_classifier(model) else model.predict(rows).reshape(-1, 1)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert len(np.unique(np.round(expected, 3))) > 2


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_the_model_itself_is_left_alone(model: Any) -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(300, 3)).astype(np.float32)
    model.fit(rows, (rows[:, 0] + rows[:, 1] > 0).astype(int))
    before = model.predict(rows)
    changed = with_float32_thresholds(model)
    np.testing.assert_array_equal(changed.predict(rows), before)
    np.testing.assert_array_equal(model.predict(rows), before)
    assert changed is not model
