"""Whether a challenger may replace the champion: a pure decision on what both answer to the same held-out rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from numpy.typing import NDArray
from pydantic import Field

from pipeline.gate_checks import Check, Frozen, Scores, beats, compare, enough_rows, within
from pipeline.gate_groups import GroupComparison, check_groups, compare_classes, compare_segments
from pipeline.gate_parity import Parity, check_parity
from pipeline.use_case import UseCase


@dataclass(frozen=True)
class Evidence:
    """What a promotion is decided on.

    Parameters
    ----------
    truth : shape (n,), the target of the held-out rows.
    challenger, champion : shape (n,), the predictions for them; no champion means a first model.
    baseline : shape (n,), the predictions of a dummy model, which a first model must beat.
    parity : of the challenger's export with scikit-learn; None when it was not compared.
    segments : column → shape (n,), the values by which the held-out rows fall into segments.
    model_megabytes : size of the challenger's ``model.onnx``.
    single_row_milliseconds : what one row costs it.
    champion_version : of the opponent.
    champion_problem : why there is a champion that cannot be judged.
    """

    truth: NDArray
    challenger: NDArray
    baseline: NDArray
    champion: NDArray | None = None
    parity: Parity | None = None
    segments: Mapping[str, NDArray] = field(default_factory=dict)
    model_megabytes: float | None = None
    single_row_milliseconds: float | None = None
    champion_version: int | None = None
    champion_problem: str | None = None


class PromotionDecision(Frozen):
    """Result of `decide_promotion`: accepted when every check passed.

    Parameters
    ----------
    reasons : details of the failed checks; of all checks when the challenger is accepted.
    opponent : what the challenger was compared with, ``champion`` or, for a first model, ``baseline``.
    opponent_version : of that champion.
    gain : improvement of the metric over the opponent; positive is better, whatever the metric.
    gain_interval : two-sided bootstrap interval of the gain, at the confidence of the use case.
    groups : challenger against champion for each class and segment with enough rows.
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
    groups: list[GroupComparison] = Field(default_factory=list)


def decide_promotion(use_case: UseCase, evidence: Evidence) -> PromotionDecision:
    """Judge a challenger on the rows that were held out of every training.

    The challenger must improve the metric by more than ``promotion.min_improvement`` with a probability of at least
    ``promotion.confidence``, taken from a paired bootstrap on the same rows. With the default of 0 the gain must be
    real, however small; a positive minimum asks for a gain worth a change of model; a negative one accepts a
    challenger trained on newer rows when it is surely not worse by more than that; a first model must beat the
    baseline by more than 0 in any case. No class and no segment may surely lose more than its limit, the export must
    answer as the model that was judged, and size and time must fit.

    A champion that exists and cannot be judged is not replaced: that nothing is known of it is no evidence against it.
    """
    promotion = use_case.promotion
    predictions = evidence.baseline if evidence.champion is None else evidence.champion
    opponent = "baseline" if evidence.champion is None else "champion"
    checks = [enough_rows(len(evidence.truth), promotion.min_holdout_rows), *check_parity(evidence.parity)]
    scores, groups = Scores(), []
    if evidence.champion_problem:
        checks.append(Check(name="champion_is_judged", passed=False, detail=evidence.champion_problem))
    if len(evidence.truth):
        # A constant that is not beaten is no model, whatever loss of a champion's score the use case accepts.
        minimum = max(promotion.min_improvement, 0.0) if evidence.champion is None else promotion.min_improvement
        scores = compare(use_case, evidence.truth, evidence.challenger, predictions, minimum)
        checks.append(beats(use_case, opponent, scores))
        if evidence.champion is not None:
            groups = _compare_groups(use_case, evidence, evidence.champion)
            checks += check_groups(use_case, groups)
    checks += [
        within("model_size", "the exported model", evidence.model_megabytes, promotion.max_model_megabytes, "MB"),
        within("single_row", "one row", evidence.single_row_milliseconds, promotion.max_single_row_milliseconds, "ms"),
    ]
    accepted = all(check.passed for check in checks)
    return PromotionDecision(
        accepted=accepted,
        checks=checks,
        reasons=[check.detail for check in checks if accepted or not check.passed],
        metric=use_case.training.metric,
        rows=len(evidence.truth),
        opponent=opponent,
        opponent_version=evidence.champion_version,
        challenger_score=scores.challenger,
        opponent_score=scores.opponent,
        gain=scores.gain,
        gain_interval=scores.gain_interval,
        confidence=promotion.confidence,
        groups=groups,
    )


def _compare_groups(use_case: UseCase, evidence: Evidence, champion: NDArray) -> list[GroupComparison]:
    truth, challenger = evidence.truth, evidence.challenger
    return [
        *compare_classes(use_case, truth, challenger, champion),
        *compare_segments(use_case, truth, challenger, champion, evidence.segments),
    ]
