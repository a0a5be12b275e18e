"""How good a model is on rows it never saw: metrics with intervals, by class and segment, and what it relies on."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from pipeline.bootstrap import MIN_GROUP_ROWS, metric_value, resampled_metrics
from pipeline.export import ServedModel
from pipeline.use_case import CLASSIFICATION_METRICS, REGRESSION_METRICS, UseCase

# Two-sided confidence of the intervals.
CONFIDENCE = 0.95
RESIDUAL_ROWS = 500
IMPORTANCE_ROWS = 1000
IMPORTANCE_REPEATS = 3


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassScore(_Frozen):
    """How well one class is found."""

    name: str
    rows: int
    precision: float
    recall: float
    f1: float


class SegmentScore(_Frozen):
    """The use case's metric on the held-out rows with one value of one category."""

    column: str
    value: str
    rows: int
    score: float


class Evaluation(_Frozen):
    """Result of judging predictions on held-out rows.

    Parameters
    ----------
    metric : the metric of the use case, by which models are compared.
    metrics : every metric of the task on the held-out rows.
    intervals : 95 % bootstrap interval of those that are compared.
    baseline : the same metrics for a model that always answers the most frequent class, or the mean or median.
    confusion : rows of true class i that were predicted as class j, in the order of `classes`.
    residuals : true and predicted value of a regression, of at most 500 rows drawn with the seed of the use case.
    """

    rows: int
    metric: str
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    baseline: dict[str, float]
    classes: list[ClassScore] = Field(default_factory=list)
    confusion: list[list[int]] = Field(default_factory=list)
    segments: list[SegmentScore] = Field(default_factory=list)
    residuals: list[tuple[float, float]] = Field(default_factory=list)


def evaluate(use_case: UseCase, train: pd.DataFrame, holdout: pd.DataFrame, predicted: NDArray[Any]) -> Evaluation:
    """Judge predictions for the held-out rows.

    Parameters
    ----------
    train : training rows, of which only the target is used, for the baseline.
    predicted : shape (rows of holdout,), classes as strings or numbers.
    """
    truth = holdout[use_case.target.name].to_numpy()
    names = CLASSIFICATION_METRICS if use_case.task == "classification" else REGRESSION_METRICS
    baseline = baseline_predictions(use_case, train, len(holdout))
    metrics = {name: metric_value(name, truth, predicted) for name in names}
    classes: list[ClassScore] = []
    confusion: list[list[int]] = []
    if use_case.task == "classification":
        classes = _class_scores(use_case, truth, predicted)
        # As scikit-learn does: a class that was answered and never true counts with zero.
        present = [score for score in classes if score.rows or score.name in predicted]
        metrics["precision_macro"] = float(np.mean([score.precision for score in present]))
        metrics["recall_macro"] = float(np.mean([score.recall for score in present]))
        confusion = confusion_matrix(truth, predicted, labels=use_case.classes).tolist()
    return Evaluation(
        rows=len(holdout),
        metric=use_case.training.metric,
        metrics=_finite(metrics),
        intervals=_intervals(names, truth, predicted, use_case.training.seed),
        baseline=_finite({name: metric_value(name, truth, baseline) for name in names}),
        classes=classes,
        confusion=confusion,
        segments=_segments(use_case, holdout, truth, predicted),
        residuals=_residuals(truth, predicted, use_case.training.seed) if use_case.task == "regression" else [],
    )


def baseline_predictions(use_case: UseCase, train: pd.DataFrame, rows: int) -> NDArray[Any]:
    """What a model would answer that knows the training targets and nothing else.

    The most frequent class; of a regression, the constant that is best for its metric: the median for ``mae``, else
    the mean.
    """
    target = train[use_case.target.name]
    if use_case.task == "classification":
        return np.full(rows, target.mode().iloc[0], dtype=object)
    return np.full(rows, target.median() if use_case.training.metric == "mae" else target.mean())


def feature_importances(use_case: UseCase, served: ServedModel, holdout: pd.DataFrame) -> dict[str, float]:
    """How much worse the metric gets when a column's values are shuffled among the rows, most important first.

    References
    ----------
    Breiman, L. (2001). Random Forests. Machine Learning 45, 5-32.
    """
    generator = np.random.default_rng(use_case.training.seed)
    sample = holdout.iloc[np.sort(generator.permutation(len(holdout))[:IMPORTANCE_ROWS])].reset_index(drop=True)
    truth, metric = sample[use_case.target.name].to_numpy(), use_case.training.metric
    sign = 1.0 if use_case.greater_is_better else -1.0
    reference = metric_value(metric, truth, served.predict(sample))
    drops: dict[str, float] = {}
    for column in use_case.features:
        values = sample[column.name].to_numpy()
        scores = []
        for _ in range(IMPORTANCE_REPEATS):
            shuffled = sample.assign(**{column.name: values[generator.permutation(len(values))]})
            scores.append(metric_value(metric, truth, served.predict(shuffled)))
        drops[column.name] = sign * (reference - float(np.mean(scores)))
    return dict(sorted(drops.items(), key=lambda item: -item[1]))


def _class_scores(use_case: UseCase, truth: NDArray[Any], predicted: NDArray[Any]) -> list[ClassScore]:
    columns = precision_recall_fscore_support(truth, predicted, labels=use_case.classes, zero_division=0)
    return [
        ClassScore(name=name, precision=float(precision), recall=float(recall), f1=float(f1), rows=int(rows))
        for name, precision, recall, f1, rows in zip(use_case.classes, *columns, strict=True)
    ]


def _intervals(
    names: tuple[str, ...], truth: NDArray[Any], predicted: NDArray[Any], seed: int
) -> dict[str, tuple[float, float]]:
    tail = (1 - CONFIDENCE) / 2
    intervals = {}
    for name in names:
        resampled = resampled_metrics(name, truth, [predicted], seed=seed)[0]
        defined = resampled[np.isfinite(resampled)]
        if defined.size:
            low, high = np.quantile(defined, [tail, 1 - tail])
            intervals[name] = (float(low), float(high))
    return intervals


def _residuals(truth: NDArray[Any], predicted: NDArray[Any], seed: int) -> list[tuple[float, float]]:
    chosen = np.sort(np.random.default_rng(seed).permutation(len(truth))[:RESIDUAL_ROWS])
    return [(float(true), float(guess)) for true, guess in zip(truth[chosen], predicted[chosen], strict=True)]


def _segments(
    use_case: UseCase, holdout: pd.DataFrame, truth: NDArray[Any], predicted: NDArray[Any]
) -> list[SegmentScore]:
    scores = []
    for column in use_case.features:
        if column.type != "category":
            continue
        values = holdout[column.name].to_numpy()
        for value in column.categories or {}:
            chosen = values == value
            if chosen.sum() >= MIN_GROUP_ROWS:
                score = metric_value(use_case.training.metric, truth[chosen], predicted[chosen])
                scores.append(SegmentScore(column=column.name, value=value, rows=int(chosen.sum()), score=score))
    return scores


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    """Without those that are undefined on these rows (R² of equal targets): JSON has no NaN."""
    return {name: value for name, value in metrics.items() if np.isfinite(value)}
