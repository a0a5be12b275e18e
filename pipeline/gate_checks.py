"""The conditions that hold for a promotion as a whole: enough rows, a better score, size and time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from pipeline.bootstrap import metric_value, resampled_metrics
from pipeline.use_case import UseCase


class Frozen(BaseModel):
    """Immutable, and strict about what it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(Frozen):
    """One condition of a promotion: what was measured, the limit, and a sentence for people."""

    name: str
    passed: bool
    detail: str
    value: float | None = None
    limit: float | None = None


class Scores(NamedTuple):
    """Challenger against opponent in the use case's metric; None where it is undefined on the rows.

    Parameters
    ----------
    minimum : that the gain must exceed.
    probability : that it does.
    """

    challenger: float | None = None
    opponent: float | None = None
    gain: float | None = None
    gain_interval: tuple[float, float] | None = None
    minimum: float = 0.0
    probability: float = 0.0


def enough_rows(rows: int, limit: int) -> Check:
    """Whether there are enough held-out rows to judge anything."""
    return Check(
        name="holdout_rows",
        passed=rows >= limit,
        detail=f"{rows} held-out rows (at least {limit} are needed to judge a model)",
        value=rows,
        limit=limit,
    )


def within(name: str, what: str, value: float | None, limit: float | None, unit: str) -> Check:
    """Whether a cost stays within its limit; no limit passes, a limit and no measurement does not."""
    if value is None:
        return Check(name=name, passed=limit is None, detail=f"what {what} takes was not measured", limit=limit)
    allowed = "no limit is set" if limit is None else f"limit {limit:g} {unit}"
    return Check(
        name=name,
        passed=limit is None or value <= limit,
        detail=f"{what} takes {value:.3g} {unit} ({allowed})",
        value=round(value, 6),
        limit=limit,
    )


def compare(use_case: UseCase, truth: NDArray, challenger: NDArray, opponent: NDArray, minimum: float) -> Scores:
    """Scores of both on the same rows, by a paired bootstrap.

    Parameters
    ----------
    minimum : that the gain must exceed, in the unit of the metric.
    """
    promotion, metric = use_case.promotion, use_case.training.metric
    sign = 1.0 if use_case.greater_is_better else -1.0
    ours, theirs = metric_value(metric, truth, challenger), metric_value(metric, truth, opponent)
    resampled = resampled_metrics(metric, truth, [challenger, opponent], seed=use_case.training.seed)
    # A resample in which the metric is undefined (r2 of equal targets) counts against the challenger.
    with np.errstate(invalid="ignore"):
        gains = sign * (resampled[0] - resampled[1])
    probability = float(np.mean(np.nan_to_num(gains, nan=-np.inf) > minimum))
    defined = gains[np.isfinite(gains)]
    tail = (1 - promotion.confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]) if defined.size else (np.nan, np.nan)
    return Scores(
        challenger=_finite(ours),
        opponent=_finite(theirs),
        gain=_finite(sign * (ours - theirs)),
        gain_interval=(float(low), float(high)) if defined.size else None,
        minimum=minimum,
        probability=probability,
    )


def beats(use_case: UseCase, opponent: str, scores: Scores) -> Check:
    """Whether the gain exceeds the minimum with enough probability."""
    promotion = use_case.promotion
    measured = (
        f"{use_case.training.metric} {scores.challenger:.5g} against {scores.opponent:.5g} of the {opponent}: "
        f"gain {scores.gain:+.3g}"
        if scores.gain is not None
        else f"{use_case.training.metric} cannot be computed on these rows"
    )
    detail = (
        f"{measured}, above {scores.minimum:g} with probability {scores.probability:.2f} "
        f"(at least {promotion.confidence:g} is needed)"
    )
    return Check(
        name=f"beats_{opponent}",
        passed=scores.probability >= promotion.confidence,
        detail=detail,
        value=scores.probability,
        limit=promotion.confidence,
    )


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if np.isfinite(value) else None
