"""Thresholds of boosted trees that ONNX, which compares in float32, compares in the same way.

Converters round a threshold to the nearest float32. Where that is above the threshold, a value between the two changes
sides, and a probability moves by some points. Models here are fitted on float32 values: for those, ``x <= t`` is the
same as ``x <= f`` with f the largest float32 that is not above t, which ONNX holds exactly.
"""

import copy

import numpy as np
from lightgbm import Booster, LGBMModel
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from pipeline.onnx_forest import round_down

THRESHOLDS = "threshold="
# Length in bytes of each tree, by which LightGBM finds them; without it, it reads one tree after the other.
TREE_SIZES = "tree_sizes="


def floor_float32(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest finite float32 that is not above each value, as float64."""
    largest = float(np.finfo(np.float32).max)
    return round_down(np.clip(values, -largest, largest)).astype(np.float64)


def with_float32_thresholds(estimator: BaseEstimator) -> BaseEstimator:
    """A boosted model that answers the same to float32 values, with thresholds that are float32; others as they are."""
    if isinstance(estimator, LGBMModel):
        return _lightgbm(estimator)
    if isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        return _histogram_boosting(estimator)
    return estimator


def _lightgbm(model: LGBMModel) -> LGBMModel:
    lines = model.booster_.model_to_string(num_iteration=-1).splitlines()
    changed = [_floored(line) if line.startswith(THRESHOLDS) else line for line in lines]
    changed = [line for line in changed if not line.startswith(TREE_SIZES)]
    found = copy.copy(model)
    found._Booster = Booster(model_str="\n".join(changed) + "\n")
    return found


def _floored(line: str) -> str:
    values = np.array(line.removeprefix(THRESHOLDS).split(), dtype=np.float64)
    return THRESHOLDS + " ".join(repr(float(value)) for value in floor_float32(values))


def _histogram_boosting(model: BaseEstimator) -> BaseEstimator:
    found = copy.deepcopy(model)
    for trees in found._predictors:
        for tree in trees:
            tree.nodes["num_threshold"] = floor_float32(tree.nodes["num_threshold"])
    return found
