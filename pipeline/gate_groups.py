"""Whether a challenger that is better on the whole is worse for some: class by class, and segment by segment."""

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.bootstrap import MIN_GROUP_ROWS, metric_value, resampled_metrics
from pipeline.gate_checks import Check, Frozen
from pipeline.use_case import LOSS_METRICS, UseCase

SHOWN = 5  # groups named in a sentence

Kind = Literal["class", "segment"]


class GroupComparison(Frozen):
    """Challenger against champion on the held-out rows of one class or segment.

    Parameters
    ----------
    name : the class, or ``column = value``.
    metric : recall of a class; of a segment the metric of the use case.
    loss : what the challenger loses: points of a score, or the share by which an error grows; negative is a gain.
    probability : that the loss exceeds its limit, by a paired bootstrap; None when there is no limit.
    """

    kind: Kind
    name: str
    metric: str
    rows: int
    challenger: float
    champion: float
    loss: float
    probability: float | None = None


def compare_classes(
    use_case: UseCase, truth: NDArray, challenger: NDArray, champion: NDArray
) -> Iterator[GroupComparison]:
    """Recall of each class with enough rows; nothing for a regression."""
    limit = use_case.promotion.max_class_regression
    for name in use_case.classes:
        chosen = truth == name
        if chosen.sum() >= MIN_GROUP_ROWS:
            # The share of a class's rows that are right is its recall.
            yield _compare("class", name, "accuracy", truth[chosen], challenger[chosen], champion[chosen], limit)


def compare_segments(
    use_case: UseCase, truth: NDArray, challenger: NDArray, champion: NDArray, segments: Mapping[str, NDArray]
) -> Iterator[GroupComparison]:
    """The metric of each value of each category with enough rows, where the metric is defined."""
    limit, metric = use_case.promotion.max_segment_regression, use_case.training.metric
    for column in use_case.features:
        values = segments.get(column.name)
        if values is None:
            continue
        for value in column.categories or {}:
            chosen = values == value
            if chosen.sum() >= MIN_GROUP_ROWS:
                rows = truth[chosen], challenger[chosen], champion[chosen]
                found = _compare("segment", f"{column.name} = {value}", metric, *rows, limit)
                if np.isfinite([found.challenger, found.champion, found.loss]).all():
                    yield found


def check_groups(use_case: UseCase, groups: list[GroupComparison]) -> list[Check]:
    """A check for the classes (of a classification) and one for the segments (when there are any)."""
    promotion = use_case.promotion
    checks = []
    limits: list[tuple[Kind, float | None]] = [
        ("class", promotion.max_class_regression),
        ("segment", promotion.max_segment_regression),
    ]
    for kind, limit in limits:
        found = [group for group in groups if group.kind == kind]
        if limit is not None and found:
            checks.append(_check(kind, found, limit, promotion.confidence))
    return checks


def _check(kind: Kind, groups: list[GroupComparison], limit: float, confidence: float) -> Check:
    worst = max(groups, key=lambda group: group.loss)
    # Bonferroni: of forty groups four would "surely" lose by chance alone, and no challenger ever pass.
    sure = 1 - (1 - confidence) / len(groups)
    lost = [group for group in groups if (group.probability or 0) >= sure]
    if lost:
        shown = "; ".join(_sentence(group) for group in sorted(lost, key=lambda group: -group.loss)[:SHOWN])
        more = f"; and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        detail = f"worse than the champion for {shown}{more} (limit of a sure loss: {limit:g})"
    else:
        detail = f"no {kind} of {len(groups)} loses more than {limit:g} for sure; the worst is {_sentence(worst)}"
    value = max(lost or [worst], key=lambda group: group.loss).loss
    return Check(name=f"{kind}_regression", passed=not lost, detail=detail, value=value, limit=limit)


def _sentence(group: GroupComparison) -> str:
    return (
        f"{group.kind} {group.name}: {group.metric} {group.challenger:.4g} against {group.champion:.4g} "
        f"on {group.rows} rows"
    )


def _compare(
    kind: Kind,
    name: str,
    metric: str,
    truth: NDArray,
    challenger: NDArray,
    champion: NDArray,
    limit: float | None,
) -> GroupComparison:
    ours, theirs = metric_value(metric, truth, challenger), metric_value(metric, truth, champion)
    probability = None
    if limit is not None:
        losses = _loss(metric, *resampled_metrics(metric, truth, [challenger, champion]))
        # A resample without a value (r2 of equal targets) is no evidence of a loss.
        probability = float(np.mean(np.nan_to_num(losses, nan=-np.inf) > limit))
    return GroupComparison(
        kind=kind,
        name=name,
        metric="recall" if kind == "class" else metric,
        rows=len(truth),
        challenger=ours,
        champion=theirs,
        loss=round(float(_loss(metric, np.array([ours]), np.array([theirs]))[0]), 6),
        probability=probability,
    )


def _loss(metric: str, ours: NDArray, theirs: NDArray) -> NDArray:
    """Points of a score; an error's growth as a share of the champion's, since its unit is the target's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (ours - theirs) / theirs if metric in LOSS_METRICS else theirs - ours
