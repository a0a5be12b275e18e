"""Figures of a judged model, drawn without pyplot: no display, no global state, any thread."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.evaluation import Evaluation
from pipeline.use_case import UseCase


def draw_plots(
    use_case: UseCase,
    evaluation: Evaluation,
    importances: dict[str, float],
    truth: NDArray[Any],
    predicted: NDArray[Any],
) -> dict[str, Figure]:
    """The figures that fit the task, by file name."""
    figures = {"feature_importances.png": draw_importances(use_case, importances)}
    if use_case.task == "classification":
        figures["confusion_matrix.png"] = draw_confusion(use_case, evaluation)
    else:
        figures["residuals.png"] = draw_residuals(use_case, truth, predicted)
    return figures


def draw_confusion(use_case: UseCase, evaluation: Evaluation) -> Figure:
    """Counts per true and predicted class, coloured by the share of the true class."""
    counts = np.array(evaluation.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [(use_case.target.categories or {})[name] for name in use_case.classes]
    figure = Figure(figsize=(2.5 + 0.8 * len(names), 2 + 0.7 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true", title=f"{use_case.title}: {evaluation.rows} held-out rows")
    for (row, column), count in np.ndenumerate(counts):
        axes.text(
            column, row, str(count), ha="center", va="center", color="white" if shares[row, column] > 0.5 else "black"
        )
    return figure


def draw_importances(use_case: UseCase, importances: dict[str, float]) -> Figure:
    """What shuffling each column costs, the largest on top."""
    names = list(importances)[:20][::-1]
    figure = Figure(figsize=(8, 1.2 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, [importances[name] for name in names])
    axes.set(xlabel=f"loss of {use_case.training.metric} when the column is shuffled", title=use_case.title)
    return figure


def draw_residuals(use_case: UseCase, truth: NDArray[Any], predicted: NDArray[Any]) -> Figure:
    """Prediction against truth, and the distribution of the relative error."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    unit = f" ({use_case.target.unit})" if use_case.target.unit else ""
    left.scatter(truth, predicted, s=6, alpha=0.4)
    limits = [float(np.min([truth, predicted])), float(np.max([truth, predicted]))]
    left.plot(limits, limits, color="black", linewidth=1)
    if use_case.training.log_target and limits[0] > 0:
        left.set(xscale="log", yscale="log")
    left.set(xlabel=f"true {use_case.target.name}{unit}", ylabel=f"predicted{unit}", title=use_case.title)
    relative = (predicted - truth) / np.maximum(np.abs(truth), 1e-9)
    right.hist(np.clip(relative, -1.5, 1.5), bins=60)
    right.set(xlabel="(predicted - true) / true, cut at ±1.5", ylabel="held-out rows", title="Relative error")
    return figure
