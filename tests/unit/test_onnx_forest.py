import numpy as np
import onnx
import onnxruntime as ort
import pytest
from lightgbm import LGBMClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression

from pipeline.onnx_forest import round_down
from pipeline.onnx_model import most_tested_feature, to_onnx_model


def test_rounded_thresholds_split_every_float32_as_before() -> None:
    values = np.sort(np.random.default_rng(0).normal(2500, 800, 20_000).astype(np.float32))
    neighbours = np.nextafter(values, np.float32(np.inf))
    # Half-way between two adjacent float32, and just beside: where rounding to the nearest goes wrong.
    for thresholds in (
        (values.astype(np.float64) + neighbours) / 2,
        values.astype(np.float64),
        np.nextafter(values.astype(np.float64), -np.inf),
        np.nextafter(neighbours.astype(np.float64), -np.inf),
    ):
        rounded = round_down(thresholds)
        np.testing.assert_array_equal(values <= rounded, values.astype(np.float64) <= thresholds)
        np.testing.assert_array_equal(neighbours <= rounded, neighbours.astype(np.float64) <= thresholds)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_classes_that_a_leaf_never_saw_have_probability_zero(classes: int) -> None:
    generator = np.random.default_rng(classes)
    rows = generator.normal(size=(400, 5)).astype(np.float32)
    forest = ExtraTreesClassifier(15, random_state=0).fit(rows, generator.integers(0, classes, 400))
    session = ort.InferenceSession(to_onnx_model(forest, 5))
    others = generator.normal(size=(300, 5)).astype(np.float32)
    labels, probabilities = session.run(None, {"features": others})
    expected = forest.predict_proba(others)
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    best, second = np.sort(expected)[:, -1], np.sort(expected)[:, -2]
    clear = best - second > 1e-6
    np.testing.assert_array_equal(labels[clear], forest.predict(others)[clear])


def test_feature_that_most_branches_test() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(300, 4)).astype(np.float32)
    target = (rows[:, 2] * 3).round()
    for model in (
        RandomForestClassifier(5, max_features=None, random_state=0),
        HistGradientBoostingClassifier(max_iter=5),
        LGBMClassifier(n_estimators=5, verbose=-1),
        RandomForestRegressor(5, random_state=0),
    ):
        assert most_tested_feature(to_onnx_model(model.fit(rows, target), 4)) == 2
    assert most_tested_feature(to_onnx_model(LogisticRegression().fit(rows, target), 4)) is None


def test_left_branches_share_their_equal_leaves() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(500, 5)).astype(np.float32)
    forest = RandomForestClassifier(10, random_state=0).fit(rows, generator.integers(0, 3, 500))
    model = onnx.load_from_string(to_onnx_model(forest, 5))
    attributes = {attribute.name: attribute for attribute in model.graph.node[0].attribute}
    trees = np.array(attributes["nodes_treeids"].ints)
    for index, estimator in enumerate(forest.estimators_):
        tree = estimator.tree_
        inner = tree.children_left >= 0
        right_leaves = np.count_nonzero(tree.children_left[tree.children_right[inner]] < 0)
        # Grown to the end: a leaf of each class is all that is left of the left ones.
        assert np.count_nonzero(trees == index) <= np.count_nonzero(inner) + right_leaves + 3
    session = ort.InferenceSession(model.SerializeToString())
    others = generator.normal(size=(300, 5)).astype(np.float32)
    [probabilities] = session.run(["probabilities"], {"features": others})
    np.testing.assert_allclose(probabilities, forest.predict_proba(others), atol=1e-6)


def test_forest_of_single_leaves() -> None:
    rows, target = np.zeros((10, 2), dtype=np.float32), np.arange(10) % 2
    forest = ExtraTreesClassifier(3, bootstrap=False, random_state=0).fit(rows, target)
    [probabilities] = ort.InferenceSession(to_onnx_model(forest, 2)).run(["probabilities"], {"features": rows})
    np.testing.assert_allclose(probabilities, 0.5)


def test_regression_forest_averages_its_trees() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(300, 4)).astype(np.float32)
    forest = RandomForestRegressor(30, random_state=0).fit(rows, rows[:, 0] * 1000 + rows[:, 1])
    [prediction] = ort.InferenceSession(to_onnx_model(forest, 4)).run(["prediction"], {"features": rows})
    np.testing.assert_allclose(prediction.ravel(), forest.predict(rows), rtol=1e-4, atol=1e-2)
