from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, root_mean_squared_error

from pipeline.evaluation import baseline_predictions, evaluate, feature_importances
from pipeline.export import ServedModel, export_bundle
from pipeline.search import Candidate
from pipeline.training import fit
from pipeline.use_case import UseCase
from tests.synthetic_rows import house_rows, penguin_rows, split_frames


def test_classification_scores_are_those_of_scikit_learn(penguins: UseCase) -> None:
    train, holdout = split_frames(penguins, penguin_rows(400))
    truth = holdout["species"].to_numpy()
    predicted = truth.copy()
    predicted[::4] = "Gentoo"
    evaluation = evaluate(penguins, train, holdout, predicted)
    assert evaluation.metrics["accuracy"] == pytest.approx((truth == predicted).mean())
    for name, score in (("precision_macro", precision_score), ("recall_macro", recall_score), ("f1_macro", f1_score)):
        assert evaluation.metrics[name] == pytest.approx(score(truth, predicted, average="macro"))
    gentoo = next(score for score in evaluation.classes if score.name == "Gentoo")
    assert gentoo.recall == 1
    assert gentoo.precision < 1
    assert np.sum(evaluation.confusion) == len(holdout)


def test_a_class_that_is_answered_but_never_true_counts_as_zero(penguins: UseCase) -> None:
    train, holdout = split_frames(penguins, penguin_rows(400))
    holdout = holdout[holdout["species"] != "Gentoo"].reset_index(drop=True)
    truth = holdout["species"].to_numpy()
    predicted = truth.copy()
    predicted[::4] = "Gentoo"
    metrics = evaluate(penguins, train, holdout, predicted).metrics
    for name, score in (("precision_macro", precision_score), ("recall_macro", recall_score)):
        assert metrics[name] == pytest.approx(score(truth, predicted, average="macro", zero_division=0))


def test_interval_holds_the_value_and_narrows_with_rows(penguins: UseCase) -> None:
    widths = []
    for count in (200, 3000):
        train, holdout = split_frames(penguins, penguin_rows(count))
        predicted = holdout["species"].to_numpy().copy()
        predicted[::5] = "Gentoo"
        evaluation = evaluate(penguins, train, holdout, predicted)
        low, high = evaluation.intervals["accuracy"]
        assert low < evaluation.metrics["accuracy"] < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_regression_scores_and_baseline_are_in_the_target_unit(house_prices: UseCase) -> None:
    train, holdout = split_frames(house_prices, house_rows())
    truth = holdout["price"].to_numpy()
    evaluation = evaluate(house_prices, train, holdout, truth * 1.1)
    assert evaluation.metrics["rmse"] == pytest.approx(root_mean_squared_error(truth, truth * 1.1))
    assert evaluation.metrics["mae"] < evaluation.baseline["mae"]
    assert set(evaluation.metrics) == {"rmse", "mae", "r2"}
    assert {segment.column for segment in evaluation.segments} == {"status"}


def test_a_regression_keeps_a_bounded_sample_of_its_residuals(house_prices: UseCase, penguins: UseCase) -> None:
    train, holdout = split_frames(house_prices, house_rows(4000))
    predicted = holdout["price"].to_numpy() * 1.1
    found = evaluate(house_prices, train, holdout, predicted)
    assert len(holdout) > len(found.residuals) == 500
    assert all(guess == pytest.approx(1.1 * true) for true, guess in found.residuals)
    assert evaluate(house_prices, train, holdout, predicted) == found
    train, holdout = split_frames(penguins, penguin_rows())
    assert evaluate(penguins, train, holdout, holdout["species"].to_numpy()).residuals == []


def test_baseline_is_the_best_constant_of_the_metric(penguins: UseCase, house_prices: UseCase) -> None:
    train, _ = split_frames(penguins, penguin_rows())
    train["species"] = ["Gentoo"] * (len(train) - 5) + ["Adelie"] * 5
    assert set(baseline_predictions(penguins, train, 3)) == {"Gentoo"}
    prices, _ = split_frames(house_prices, house_rows())
    assert baseline_predictions(house_prices, prices, 2).tolist() == [prices["price"].median()] * 2


def test_one_held_out_row_is_judged(penguins: UseCase, house_prices: UseCase) -> None:
    for use_case, rows, target in ((penguins, penguin_rows(), "species"), (house_prices, house_rows(), "price")):
        train, holdout = split_frames(use_case, rows)
        one = holdout.head(1)
        evaluation = evaluate(use_case, train, one, one[target].to_numpy())
        assert evaluation.rows == 1
        assert all(np.isfinite(value) for value in evaluation.metrics.values())


def test_a_column_that_decides_is_the_most_important(house_prices: UseCase, tmp_path: Path) -> None:
    train, holdout = split_frames(house_prices, house_rows())
    model = fit(house_prices, Candidate("extra_trees", {"n_estimators": 20}), train)
    export_bundle(model, house_prices, train, holdout, tmp_path)
    importances = feature_importances(house_prices, ServedModel(tmp_path), holdout)
    assert next(iter(importances)) == "house_size"
    assert importances["house_size"] > 0
    assert importances["state"] == 0
