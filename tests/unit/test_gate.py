from typing import Any

import numpy as np
import pytest

from pipeline.gate import Evidence, PromotionDecision, decide_promotion
from pipeline.gate_parity import Parity
from pipeline.use_case import UseCase

ROWS = 2000
EXACT = Parity(0.0, 0.0)


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
    known: dict[str, Any] = {"baseline": np.full(len(truth), "2", dtype=object), "parity": EXACT}
    cheap = {"model_megabytes": 9.0, "single_row_milliseconds": 0.1}
    return decide_promotion(use_case, Evidence(truth=truth, challenger=challenger, **(known | cheap | others)))


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


def test_a_first_model_must_beat_the_baseline_whatever_loss_is_tolerated_later(
    covertype: UseCase, truth: np.ndarray, majority: np.ndarray
) -> None:
    tolerant = with_promotion(covertype, min_improvement=-0.01)
    decision = decide(tolerant, truth, majority)
    assert failed(decision) == ["beats_baseline"]
    assert "above 0 with probability 0.00" in decision.reasons[0]


def test_too_few_held_out_rows_judge_nothing(covertype: UseCase, truth: np.ndarray) -> None:
    few = truth[:20]
    decision = decide(covertype, few, few)
    assert failed(decision) == ["holdout_rows"]
    assert decision.reasons == ["20 held-out rows (at least 30 are needed to judge a model)"]


def test_no_held_out_row_is_a_rejection_and_not_a_crash(covertype: UseCase) -> None:
    nothing = np.array([], dtype=object)
    assert failed(decide(covertype, nothing, nothing)) == ["holdout_rows"]


@pytest.mark.parametrize(
    ("parity", "check"),
    [(None, "parity"), (Parity(0.002, 0.0), "parity"), (Parity(0.0, 0.06), "parity_difference")],
)
def test_an_export_that_does_not_match_is_rejected(
    covertype: UseCase, truth: np.ndarray, parity: Parity | None, check: str
) -> None:
    assert failed(decide(covertype, truth, truth, parity=parity)) == [check]


def test_an_export_that_differs_as_converters_do_is_accepted(covertype: UseCase, truth: np.ndarray) -> None:
    assert decide(covertype, truth, truth, parity=Parity(0.0005, 0.0096)).accepted


def test_the_metric_of_the_use_case_decides(covertype: UseCase) -> None:
    """Balanced accuracy sees the rare class that accuracy forgets."""
    covertype = with_promotion(covertype, max_class_regression=None)
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
    better = decide(house_prices, truth, near, champion=far, baseline=baseline)
    assert better.accepted
    assert better.gain is not None
    assert better.gain == pytest.approx(8000, rel=0.1)
    assert not decide(house_prices, truth, far, champion=near, baseline=baseline).accepted


def test_a_metric_that_cannot_be_computed_is_a_rejection(house_prices: UseCase) -> None:
    training = house_prices.training.model_copy(update={"metric": "r2"})
    r2 = house_prices.model_copy(update={"training": training})
    equal = np.full(60, 1e5)
    decision = decide(r2, equal, equal + 1, baseline=equal + 2)
    assert failed(decision) == ["beats_baseline"]
    assert "cannot be computed" in decision.reasons[0]
    assert PromotionDecision.model_validate_json(decision.model_dump_json()) == decision


def test_the_same_inputs_give_the_same_decision(covertype: UseCase, truth: np.ndarray) -> None:
    challenger, champion = guesses(truth, 0.81, seed=1), guesses(truth, 0.80, seed=2)
    first = decide(covertype, truth, challenger, champion=champion)
    assert decide(covertype, truth, challenger, champion=champion) == first
    assert PromotionDecision.model_validate_json(first.model_dump_json()) == first


def test_every_check_names_what_was_measured_and_its_limit(covertype: UseCase, truth: np.ndarray) -> None:
    decision = decide(
        covertype,
        truth,
        guesses(truth, 0.85, seed=1),
        champion=guesses(truth, 0.8, seed=2),
        segments={"Wilderness_Area": np.resize(["Rawah", "Cache"], ROWS)},
    )
    assert [check.name for check in decision.checks] == [
        "holdout_rows",
        "parity",
        "parity_difference",
        "beats_champion",
        "class_regression",
        "segment_regression",
        "model_size",
        "single_row",
    ]
    assert all(check.detail and check.value is not None and check.limit is not None for check in decision.checks)
    assert {group.name for group in decision.groups} >= {"7", "Wilderness_Area = Cache"}


def test_a_better_model_that_forgets_a_class_is_rejected(covertype: UseCase, truth: np.ndarray) -> None:
    champion, challenger = guesses(truth, 0.7, seed=2), guesses(truth, 0.95, seed=1)
    challenger[truth == "4"] = "3"
    decision = decide(covertype, truth, challenger, champion=champion)
    assert failed(decision) == ["class_regression"]
    assert decision.gain is not None
    assert decision.gain > 0
    assert "class 4: recall 0 against 0.7" in decision.reasons[0]
    assert decide(with_promotion(covertype, max_class_regression=None), truth, challenger, champion=champion).accepted
    assert decide(with_promotion(covertype, max_class_regression=0.9), truth, challenger, champion=champion).accepted


def test_a_class_of_a_few_rows_and_a_loss_that_may_be_chance_say_nothing(covertype: UseCase) -> None:
    truth = np.array(["1"] * 900 + ["4"] * 19 + ["5"] * 30, dtype=object)
    challenger, champion = truth.copy(), truth.copy()
    champion[:200] = "2"
    challenger[900:919] = "2"  # every row of class 4, which are too few
    challenger[[919, 920]] = "2"  # two of thirty are 6.7 points, and might be none
    decision = decide(covertype, truth, challenger, champion=champion)
    assert decision.accepted
    assert [group.name for group in decision.groups] == ["1", "5"]
    assert decision.groups[1].loss == pytest.approx(2 / 30, abs=1e-5)


def test_a_better_model_that_fails_a_segment_is_rejected(covertype: UseCase, truth: np.ndarray) -> None:
    area = np.resize(np.array(["Rawah", "Cache", "Neota", "Commanche"], dtype=object), ROWS)
    champion, challenger = guesses(truth, 0.8, seed=2), truth.copy()
    challenger[area == "Cache"] = guesses(truth, 0.6, seed=3)[area == "Cache"]
    relaxed = with_promotion(covertype, max_class_regression=None)
    decision = decide(relaxed, truth, challenger, champion=champion, segments={"Wilderness_Area": area})
    assert failed(decision) == ["segment_regression"]
    assert "segment Wilderness_Area = Cache: accuracy 0.6" in decision.reasons[0]
    assert "on 500 rows" in decision.reasons[0]


def test_chance_alone_fails_no_segment_however_many_there_are(covertype: UseCase, truth: np.ndarray) -> None:
    """Each of forty small segments may lose a few rows by chance, and one of them nearly always does."""
    [soils] = [list(column.categories or {}) for column in covertype.columns if column.name == "Soil_Type"]
    soil = np.resize(np.array(soils, dtype=object), ROWS)
    refused = [
        "segment_regression"
        in failed(
            decide(
                covertype,
                truth,
                guesses(truth, 0.82, seed=seed),
                champion=guesses(truth, 0.80, seed=seed + 100),
                segments={"Soil_Type": soil},
            )
        )
        for seed in range(8)
    ]
    assert sum(refused) <= 1


def test_an_error_may_grow_by_a_share_in_a_segment(house_prices: UseCase) -> None:
    generator = np.random.default_rng(1)
    truth = generator.uniform(1e5, 1e6, ROWS)
    status = np.resize(np.array(["for_sale", "sold"], dtype=object), ROWS)
    noise = generator.normal(0, 1e4, ROWS)
    champion = truth + noise
    challenger = truth + noise * np.where(status == "sold", 1.2, 0.3)
    baseline = np.full(ROWS, 5e5)
    given = {"champion": champion, "baseline": baseline, "segments": {"status": status}}
    decision = decide(house_prices, truth, challenger, **given)
    assert failed(decision) == ["segment_regression"]
    assert decision.groups[-1].loss == pytest.approx(0.2, abs=0.001)
    assert decide(with_promotion(house_prices, max_segment_regression=0.25), truth, challenger, **given).accepted


@pytest.mark.parametrize(
    ("cost", "check"),
    [({"model_megabytes": 201.0}, "model_size"), ({"single_row_milliseconds": 20.5}, "single_row")],
)
def test_a_model_that_is_too_big_or_too_slow_is_rejected(
    covertype: UseCase, truth: np.ndarray, cost: dict[str, float], check: str
) -> None:
    assert failed(decide(covertype, truth, truth, **cost)) == [check]
    unlimited = with_promotion(covertype, max_model_megabytes=None, max_single_row_milliseconds=None)
    assert decide(unlimited, truth, truth, **cost).accepted
    assert failed(decide(covertype, truth, truth, **dict.fromkeys(cost))) == [check]


def test_a_champion_that_cannot_be_judged_is_not_replaced(covertype: UseCase, truth: np.ndarray) -> None:
    decision = decide(covertype, truth, truth, champion_version=2, champion_problem="its artifacts are gone")
    assert failed(decision) == ["champion_is_judged"]
    assert (decision.reasons, decision.opponent, decision.opponent_version) == (
        ["its artifacts are gone"],
        "baseline",
        2,
    )
