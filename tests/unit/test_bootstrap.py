import numpy as np
import pytest
from sklearn import metrics

from pipeline.bootstrap import metric_value, resampled_metrics

LABELS = np.array(["Adelie", "Chinstrap", "Gentoo"], dtype=object)


def labels(rows: int, right: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = LABELS[generator.choice(3, rows, p=[0.6, 0.3, 0.1])]
    guessed = LABELS[generator.choice(3, rows)]
    return truth, np.where(generator.random(rows) < right, truth, guessed)


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("accuracy", metrics.accuracy_score),
        ("balanced_accuracy", metrics.balanced_accuracy_score),
        ("f1_macro", lambda truth, predicted: metrics.f1_score(truth, predicted, average="macro")),
    ],
)
def test_metrics_of_labels_agree_with_scikit_learn(metric: str, reference: object) -> None:
    assert callable(reference)
    truth, predicted = labels(500, 0.5)
    assert metric_value(metric, truth, predicted) == pytest.approx(reference(truth, predicted))


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("rmse", metrics.root_mean_squared_error),
        ("mae", metrics.mean_absolute_error),
        ("r2", metrics.r2_score),
    ],
)
def test_metrics_of_numbers_agree_with_scikit_learn(metric: str, reference: object) -> None:
    assert callable(reference)
    generator = np.random.default_rng(2)
    truth = 3e5 + 1e4 * generator.standard_normal(500)
    predicted = truth + 1e3 * generator.standard_normal(500)
    assert metric_value(metric, truth, predicted) == pytest.approx(reference(truth, predicted))


def test_spread_of_the_resamples_is_the_standard_error() -> None:
    truth, predicted = labels(2000, 0.7)
    share = metric_value("accuracy", truth, predicted)
    resampled = resampled_metrics("accuracy", truth, [predicted], resamples=4000)[0]
    assert resampled.mean() == pytest.approx(share, abs=0.002)
    assert resampled.std() == pytest.approx(np.sqrt(share * (1 - share) / 2000), rel=0.1)


def test_models_are_compared_on_the_same_draws() -> None:
    truth, predicted = labels(300, 0.7)
    first, second = resampled_metrics("f1_macro", truth, [predicted, predicted.copy()])
    assert (first == second).all()


def test_the_same_seed_gives_the_same_resamples() -> None:
    truth, predicted = labels(300, 0.7)
    once = resampled_metrics("accuracy", truth, [predicted], seed=3)
    assert (resampled_metrics("accuracy", truth, [predicted], seed=3) == once).all()
    assert (resampled_metrics("accuracy", truth, [predicted], seed=4) != once).any()
