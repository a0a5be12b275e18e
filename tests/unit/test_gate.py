import time
from typing import Any

import numpy as np
import pytest

from pipeline.gate import PromotionDecision, decide_promotion
from pipeline.use_case import UseCase

ROWS = 2000


def with_promotion(use_case: UseCase, **limits: Any) -> UseCase:
    return use_case.model_copy(update={"promotion": use_case.promotion.model_copy(update=limits)})


def guesses(truth: np.ndarray, right: float, seed: int) -> np.ndarray:
    """Predictions of which a share is right; the rest name the next class."""
    is_right = np.random.default_rng(seed).random(len(truth)) < right
    return np.where(is_right, truth, np.roll(truth, 1))


@pytest.fixture
def truth(covertype: UseCase) -> np.ndarray:
    labels = np.array(covertype.classes, dtype=object)
    return labels[np.random.default_rng(0).integers(0, len(labels), ROWS)]


@pytest.fixture
def majority(truth: np.ndarray) -> np.ndarray:
    return np.full(len(truth), "2", dtype=object)


def decide(use_case: UseCase, truth: np.ndarray, challenger: np.ndarray, **others: Any) -> PromotionDecision:
    arguments = {"champion": None, "baseline": np.full(len(truth), "2", dtype=object), "label_flip_share": 0.0}
    return decide_promotion(use_case, truth, challenger, **{**arguments, **others})


def failed(decision: PromotionDecision) -> list[str]:
    return [check.name for check in decision.checks if not check.passed]


def test_a_first_model_that_beats_the_baseline_is_accepted(covertype: UseCase, truth: np.ndarray) -> None:
    decision = decide(covertype, truth, guesses(truth, 0.5, seed=1))
    assert decision.accepted
    assert decision.opponent == "baseline"
    assert decision.gain is not None
    assert decision.gain > 0.2
    assert len(decision.reasons) == len(decision.checks)


def test_a_first_model_no_better_than_the_baseline_is_rejected(
    covertype: UseCase, truth: np.ndarray, majority: np.ndarray
) -> None:
    decision = decide(covertype, truth, majority)
    assert not decision.accepted
    assert failed(decision) == ["beats_baseline"]
    assert "of the baseline: gain +0" in decision.reasons[0]


def test_a_clearly_better_challenger_replaces_the_champion(covertype: UseCase, truth: np.ndarray) -> None:
    decision = decide(covertype, truth, guesses(truth, 0.85, seed=1), champion=guesses(truth, 0.80, seed=2))
    assert decision.accepted
    assert decision.opponent == "champion"
    assert decision.gain_interval is not None
    low, high = decision.gain_interval
    assert decision.gain is not None
    assert 0 < low < decision.gain < high


def test_a_worse_challenger_is_rejected(covertype: UseCase, truth: np.ndarray) -> None:
    decision = decide(covertype, truth, guesses(truth, 0.80, seed=1), champion=guesses(truth, 0.85, seed=2))
    assert failed(decision) == ["beats_champion"]


def test_the_same_model_again_is_rejected(covertype: UseCase, truth: np.ndarray) -> None:
    champion = guesses(truth, 0.85, seed=1)
    assert failed(decide(covertype, truth, champion, champion=champion.copy())) == ["beats_champion"]


def test_one_more_row_right_is_not_evidence(covertype: UseCase, truth: np.ndarray) -> None:
    champion = guesses(truth, 0.85, seed=1)
    challenger = champion.copy()
    wrong = np.flatnonzero(champion != truth)[0]
    challenger[wrong] = truth[wrong]
    assert failed(decide(covertype, truth, challenger, champion=champion)) == ["beats_champion"]


def test_a_gain_below_the_minimum_is_rejected(covertype: UseCase, truth: np.ndarray) -> None:
    strict = with_promotion(covertype, min_improvement=0.1)
    challenger, champion = guesses(truth, 0.85, seed=1), guesses(truth, 0.80, seed=2)
    assert failed(decide(strict, truth, challenger, champion=champion)) == ["beats_champion"]


def test_a_negative_minimum_accepts_a_challenger_that_is_surely_not_worse(
    covertype: UseCase, truth: np.ndarray
) -> None:
    tolerant = with_promotion(covertype, min_improvement=-0.01)
    champion = guesses(truth, 0.85, seed=1)
    assert decide(tolerant, truth, champion, champion=champion.copy()).accepted


def test_too_few_held_out_rows_judge_nothing(covertype: UseCase, truth: np.ndarray) -> None:
    few = truth[:20]
    decision = decide(covertype, few, few)
    assert failed(decision) == ["holdout_rows"]
    assert decision.reasons == ["20 held-out rows (at least 30 are needed to judge a model)"]


def test_no_held_out_row_is_a_rejection_and_not_a_crash(covertype: UseCase) -> None:
    nothing = np.array([], dtype=object)
    assert failed(decide(covertype, nothing, nothing)) == ["holdout_rows"]


@pytest.mark.parametrize("share", [0.002, None])
def test_an_export_that_does_not_match_is_rejected(covertype: UseCase, truth: np.ndarray, share: float | None) -> None:
    assert failed(decide(covertype, truth, truth, label_flip_share=share)) == ["parity"]


def test_the_metric_of_the_use_case_decides(covertype: UseCase) -> None:
    """Balanced accuracy sees the rare class that accuracy forgets."""
    truth = np.array(["1"] * 950 + ["4"] * 50, dtype=object)
    champion = np.full(1000, "1", dtype=object)
    challenger = truth.copy()
    challenger[:80] = "4"
    assert failed(decide(covertype, truth, challenger, champion=champion)) == ["beats_champion"]
    training = covertype.training.model_copy(update={"metric": "balanced_accuracy"})
    balanced = covertype.model_copy(update={"training": training})
    assert decide(balanced, truth, challenger, champion=champion).accepted


def test_a_smaller_error_is_the_better_one(house_prices: UseCase) -> None:
    generator = np.random.default_rng(1)
    truth = generator.uniform(1e5, 1e6, ROWS)
    near, far = (truth + generator.normal(0, spread, ROWS) for spread in (1e4, 2e4))
    baseline = np.full(ROWS, np.median(truth))
    better = decide_promotion(house_prices, truth, near, far, baseline, 0.0)
    assert better.accepted
    assert better.gain is not None
    assert better.gain == pytest.approx(8000, rel=0.1)
    assert not decide_promotion(house_prices, truth, far, near, baseline, 0.0).accepted


def test_a_metric_that_cannot_be_computed_is_a_rejection(house_prices: UseCase) -> None:
    training = house_prices.training.model_copy(update={"metric": "r2"})
    r2 = house_prices.model_copy(update={"training": training})
    equal = np.full(60, 1e5)
    decision = decide_promotion(r2, equal, equal + 1, None, equal + 2, 0.0)
    assert failed(decision) == ["beats_baseline"]
    assert "cannot be computed" in decision.reasons[0]
    assert PromotionDecision.model_validate_json(decision.model_dump_json()) == decision


def test_the_same_inputs_give_the_same_decision(covertype: UseCase, truth: np.ndarray) -> None:
    challenger, champion = guesses(truth, 0.81, seed=1), guesses(truth, 0.80, seed=2)
    first = decide(covertype, truth, challenger, champion=champion)
    assert decide(covertype, truth, challenger, champion=champion) == first
    assert PromotionDecision.model_validate_json(first.model_dump_json()) == first


def test_twelve_thousand_rows_are_judged_within_a_second(covertype: UseCase, truth: np.ndarray) -> None:
    many = np.tile(truth, 6)
    started = time.process_time()
    decide(covertype, many, guesses(many, 0.85, seed=1), champion=guesses(many, 0.80, seed=2))
    assert time.process_time() - started < 1
