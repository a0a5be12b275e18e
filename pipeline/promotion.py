"""Whether a challenger replaces the champion: decided by a pure function, carried out and recorded around it."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.bootstrap import metric_value, resampled_metrics
from pipeline.errors import RegistryError, WarehouseError
from pipeline.registry import PROMOTION_TAG, Registry
from pipeline.use_case import UseCase

if TYPE_CHECKING:
    from pipeline.warehouse import PromotionRecord, Warehouse
    from pipeline.warehouse.records import PromotionAction

# Of the held-out rows, the largest share whose label may differ between scikit-learn and the exported model.
MAX_LABEL_FLIPS = 0.001


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


def apply_decision(
    registry: Registry,
    warehouse: "Warehouse",
    use_case: UseCase,
    version: int,
    decision: PromotionDecision,
    actor: str,
) -> "PromotionRecord":
    """Carry out a decision in the mode of the use case, and record it in MLflow and in the warehouse.

    In mode ``dry_run`` an accepted challenger is recorded and not promoted; in mode ``disabled`` it is rejected. So is
    one whose comparison is out of date, because the champion is another version by now.

    Returns
    -------
    PromotionRecord
        Its action is ``promote``, ``reject`` or ``dry_run``.
    """
    mode, reason = use_case.promotion.mode, "; ".join(decision.reasons)
    action: PromotionAction = "reject"
    challenger = registry.resolve(use_case.name, version)
    champion = registry.champion(use_case.name)
    before = champion.version if champion else None
    registry.log_document(challenger, decision.model_dump(mode="json"), "promotion_decision.json")
    if before not in (decision.opponent_version, version):
        reason = f"the champion is version {before} by now, compared was version {decision.opponent_version}: {reason}"
    elif decision.accepted and mode == "enabled":
        action = "promote"
    elif decision.accepted and mode == "dry_run":
        action, reason = "dry_run", f"promotion.mode is dry_run: {reason}"
    elif decision.accepted:
        reason = f"promotion.mode is disabled (`mlops promote` does it by hand): {reason}"
    if action == "promote":
        record = promote(registry, warehouse, use_case.name, version, actor=actor, reason=reason, decision=decision)
    else:
        record = _record(warehouse, use_case.name, action, before, version, actor, reason, decision)
    registry.tag(challenger, {PROMOTION_TAG: action})
    return record


def promote(
    registry: Registry,
    warehouse: "Warehouse",
    name: str,
    version: int | str,
    *,
    actor: str,
    reason: str,
    decision: PromotionDecision | None = None,
) -> "PromotionRecord":
    """Make a version the champion, whatever was decided about it, and record who did it and why.

    Repeating it after a crash completes what is missing and records it once.

    Parameters
    ----------
    version : number or alias.

    Raises
    ------
    RegistryError
        There is no such version, or it cannot be served; the champion stays.
    WarehouseError
        The version is champion now, but the history could not be written.
    """
    target, champion = registry.resolve(name, version), registry.champion(name)
    if champion is not None and champion.version == target.version:
        registry.promote(name, target.version)
        last = next(iter(warehouse.promotion_history(name)), None)
        if last is not None and last.to_version == target.version and last.action in ("promote", "rollback"):
            return last
        before = target.previous_champion
    else:
        registry.promote(name, target.version)
        before = champion.version if champion else None
    return _record(warehouse, name, "promote", before, target.version, actor, reason, decision)


def rollback(
    registry: Registry, warehouse: "Warehouse", name: str, to: int | None = None, *, actor: str, reason: str
) -> "PromotionRecord":
    """Return to an earlier champion.

    Parameters
    ----------
    to : version to return to; by default the one that the champion replaced, so repeating it goes further back.

    Raises
    ------
    RegistryError
        There is nothing to return to, or that version cannot be served; the champion stays.
    WarehouseError
        The version is champion again, but the history could not be written.
    """
    champion = registry.champion(name)
    if champion is None:
        raise RegistryError(f"model {name!r} has no champion to roll back from")
    target = registry.previous_champion(name) if to is None else registry.resolve(name, to)
    if target is None:
        raise RegistryError(
            f"version {champion.version} of {name} is its first champion: there is none to roll back to; "
            "name a version to go to another one"
        )
    if target.version == champion.version:
        raise RegistryError(f"version {target.version} of {name} is the champion already")
    registry.promote(name, target.version, remember=target.version not in registry.earlier_champions(name))
    return _record(warehouse, name, "rollback", champion.version, target.version, actor, reason)


def _record(
    warehouse: "Warehouse",
    name: str,
    action: "PromotionAction",
    before: int | None,
    after: int,
    actor: str,
    reason: str,
    decision: PromotionDecision | None = None,
) -> "PromotionRecord":
    from pipeline.warehouse import PromotionRecord

    record = PromotionRecord(
        use_case=name,
        action=action,
        from_version=before,
        to_version=after,
        actor=actor,
        reason=reason,
        decision=decision.model_dump(mode="json") if decision else None,
    )
    try:
        return warehouse.record_promotion(record)
    except WarehouseError as error:
        raise WarehouseError(
            f"{action} of version {after} of {name} is done, but not in the history: {error}"
        ) from error
