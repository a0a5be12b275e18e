"""Whether a challenger may replace the champion: a pure decision on their predictions for the same held-out rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.bootstrap import metric_value, resampled_metrics
from pipeline.bundle import MAX_LABEL_FLIPS
from pipeline.use_case import UseCase


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(_Frozen):
    """One condition of a promotion: what was measured, the limit, and a sentence for people."""

    name: str
    passed: bool
    detail: str
    value: float | None = None
    limit: float | None = None


class PromotionDecision(_Frozen):
    """Result of `decide_promotion`: accepted when every check passed.

    Parameters
    ----------
    reasons : details of the failed checks; of all checks when the challenger is accepted.
    opponent : what the challenger was compared with, ``champion`` or, for a first model, ``baseline``.
    opponent_version : of that champion.
    gain : improvement of the metric over the opponent; positive is better, whatever the metric.
    gain_interval : two-sided bootstrap interval of the gain, at the confidence of the use case.
    """

    accepted: bool
    checks: list[Check]
    reasons: list[str]
    metric: str
    rows: int
    opponent: str
    opponent_version: int | None = None
    challenger_score: float | None = None
    opponent_score: float | None = None
    gain: float | None = None
    gain_interval: tuple[float, float] | None = None
    confidence: float = Field(gt=0, lt=1)


def decide_promotion(
    use_case: UseCase,
    truth: NDArray,
    challenger: NDArray,
    champion: NDArray | None,
    baseline: NDArray,
    label_flip_share: float | None,
    champion_version: int | None = None,
) -> PromotionDecision:
    """Judge a challenger on the rows that were held out of every training.

    The challenger must improve the metric by more than ``promotion.min_improvement`` with a probability of at least
    ``promotion.confidence``, taken from a paired bootstrap on the same rows. With the default of 0 the gain must be
    real, however small; a positive minimum asks for a gain worth a change of model; a negative one accepts a
    challenger trained on newer rows when it is surely not worse by more than that.

    Parameters
    ----------
    truth : shape (n,), the target of the held-out rows.
    challenger, champion : shape (n,), the predictions for them; no champion means a first model.
    baseline : shape (n,), the predictions of a dummy model, which a first model must beat.
    label_flip_share : share of held-out rows on which the exported model and scikit-learn disagree; None if unknown.
    """
    promotion, metric = use_case.promotion, use_case.training.metric
    opponent = "baseline" if champion is None else "champion"
    predictions = baseline if champion is None else champion
    checks = [_enough_rows(len(truth), promotion.min_holdout_rows), _parity(label_flip_share)]
    scores: dict[str, Any] = {}
    if len(truth):
        scores = _compare(use_case, truth, challenger, predictions)
        checks.append(_beats(use_case, opponent, scores))
    accepted = all(check.passed for check in checks)
    return PromotionDecision(
        accepted=accepted,
        checks=checks,
        reasons=[check.detail for check in checks if accepted or not check.passed],
        metric=metric,
        rows=len(truth),
        opponent=opponent,
        opponent_version=champion_version,
        confidence=promotion.confidence,
        **{name: value for name, value in scores.items() if name != "probability"},
    )


def _enough_rows(rows: int, limit: int) -> Check:
    return Check(
        name="holdout_rows",
        passed=rows >= limit,
        detail=f"{rows} held-out rows (at least {limit} are needed to judge a model)",
        value=rows,
        limit=limit,
    )


def _parity(share: float | None) -> Check:
    detail = (
        "the exported model was not compared with scikit-learn"
        if share is None
        else f"exported model and scikit-learn disagree on {share:.3%} of held-out rows (limit {MAX_LABEL_FLIPS:.1%})"
    )
    passed = share is not None and share <= MAX_LABEL_FLIPS
    return Check(name="parity", passed=passed, detail=detail, value=share, limit=MAX_LABEL_FLIPS)


def _compare(use_case: UseCase, truth: NDArray, challenger: NDArray, opponent: NDArray) -> dict[str, Any]:
    """Scores of both, the gain, its interval, and the probability that it exceeds the minimum."""
    promotion, metric = use_case.promotion, use_case.training.metric
    sign = 1.0 if use_case.greater_is_better else -1.0
    ours, theirs = metric_value(metric, truth, challenger), metric_value(metric, truth, opponent)
    resampled = resampled_metrics(metric, truth, [challenger, opponent], seed=use_case.training.seed)
    # A resample in which the metric is undefined (r2 of equal targets) counts against the challenger.
    with np.errstate(invalid="ignore"):
        gains = sign * (resampled[0] - resampled[1])
    probability = float(np.mean(np.nan_to_num(gains, nan=-np.inf) > promotion.min_improvement))
    defined = gains[np.isfinite(gains)]
    tail = (1 - promotion.confidence) / 2
    interval = tuple(float(bound) for bound in np.quantile(defined, [tail, 1 - tail])) if defined.size else None
    return {
        "challenger_score": _finite(ours),
        "opponent_score": _finite(theirs),
        "gain": _finite(sign * (ours - theirs)),
        "gain_interval": interval,
        "probability": probability,
    }


def _beats(use_case: UseCase, opponent: str, scores: dict[str, Any]) -> Check:
    promotion = use_case.promotion
    ours, theirs, gain = scores["challenger_score"], scores["opponent_score"], scores["gain"]
    measured = (
        f"{use_case.training.metric} {ours:.5g} against {theirs:.5g} of the {opponent}: gain {gain:+.3g}"
        if gain is not None
        else f"{use_case.training.metric} cannot be computed on these rows"
    )
    detail = (
        f"{measured}, above {promotion.min_improvement:g} with probability {scores['probability']:.2f} "
        f"(at least {promotion.confidence:g} is needed)"
    )
    return Check(
        name=f"beats_{opponent}",
        passed=scores["probability"] >= promotion.confidence,
        detail=detail,
        value=scores["probability"],
        limit=promotion.confidence,
    )


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if np.isfinite(value) else None
