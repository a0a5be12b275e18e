import dataclasses

import numpy as np
import pytest

from pipeline.halving import Rung, first_rows, plan_rungs
from pipeline.search import CandidateResult, cross_validate
from pipeline.training import fit
from pipeline.use_case import UseCase
from tests.synthetic_rows import house_rows, penguin_rows, split_frames, with_search

# Nine candidates, of which stumps of one tree are plainly worse.
FOREST = {
    "estimator": "random_forest",
    "parameters": {"n_estimators": [15], "max_depth": [1, 3, None], "min_samples_leaf": [1, 5, 40]},
}
LINEAR = {"estimator": "linear", "parameters": {}}


def without_time(results: list[CandidateResult]) -> list[CandidateResult]:
    return [dataclasses.replace(result, seconds=0) for result in results]


def test_each_rung_keeps_one_in_three_and_gives_it_three_times_as_much() -> None:
    rungs = plan_rungs(27, largest=900, smallest=10, factor=3)
    assert [(rung.number, rung.candidates) for rung in rungs] == [(1, 27), (2, 9), (3, 3)]
    assert [rung.share for rung in rungs] == pytest.approx([1 / 9, 1 / 3, 1])


def test_few_candidates_are_compared_on_everything_at_once() -> None:
    assert plan_rungs(3, largest=900, smallest=10, factor=3) == [Rung(1, 3, 1.0)]


def test_no_rung_gets_less_than_a_comparison_needs() -> None:
    assert [rung.candidates for rung in plan_rungs(27, largest=90, smallest=30, factor=3)] == [27, 9]
    assert plan_rungs(27, largest=20, smallest=30, factor=3) == [Rung(1, 27, 1.0)]


def test_rows_of_a_rung_are_among_those_of_the_next_and_hold_every_class() -> None:
    target = np.array(["common"] * 95 + ["rare"] * 4 + ["single"], dtype=object)
    small, large = (first_rows(target, share, by_class=True, seed=0) for share in (0.1, 0.5))
    assert len(small) == 10
    assert set(small) < set(large)
    assert set(target[small]) == {"common", "rare", "single"}
    assert np.mean(target[large] == "common") == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("resource", ["rows", "trees"])
def test_the_winner_was_compared_on_everything_and_the_others_say_how_far_they_came(
    penguins: UseCase, resource: str
) -> None:
    train, _ = split_frames(penguins, penguin_rows())
    use_case = with_search(penguins, FOREST, LINEAR, strategy="halving", resource=resource)
    lines: list[str] = []
    results = cross_validate(use_case, train, 1, lines.append)
    assert [len(result.rungs) for result in results] == [2] * 4 + [1] * 6
    assert [step.share for step in results[0].rungs] == [pytest.approx(1 / 3), 1.0]
    assert results[0].mean == results[0].rungs[-1].mean == max(result.mean for result in results[:4])
    assert results[0].mean > 0.9
    assert lines[0] == f"rung 1/2: 10 candidates on 33% of the {resource}"
    assert lines[11] == f"rung 2/2: 4 candidates on 100% of the {resource}"


def test_the_last_rung_scores_as_a_grid_search_does(penguins: UseCase) -> None:
    train, _ = split_frames(penguins, penguin_rows())
    halving = cross_validate(with_search(penguins, FOREST, LINEAR, strategy="halving"), train, 1)
    grid = {
        str(result.candidate): result.scores for result in cross_validate(with_search(penguins, FOREST, LINEAR), train)
    }
    for result in halving[:4]:
        assert grid[str(result.candidate)] == result.scores


@pytest.mark.parametrize("resource", ["rows", "trees"])
@pytest.mark.parametrize("name", ["penguins", "house_prices"])
def test_the_same_seed_gives_the_same_model_whatever_the_jobs(
    name: str, resource: str, request: pytest.FixtureRequest
) -> None:
    use_case = request.getfixturevalue(name)
    use_case = with_search(use_case, FOREST, strategy="halving", resource=resource, max_candidates=6)
    train, holdout = split_frames(use_case, penguin_rows() if name == "penguins" else house_rows())
    searches = [cross_validate(use_case, train, jobs) for jobs in (1, 2)]
    assert without_time(searches[0]) == without_time(searches[1])
    assert len(searches[0]) == 6
    rows = holdout.drop(columns=use_case.target.name)
    predictions = [
        fit(use_case, found[0].candidate, train, jobs).predict(rows) for jobs, found in enumerate(searches, 1)
    ]
    np.testing.assert_array_equal(*predictions)


def test_losses_keep_the_smallest(house_prices: UseCase) -> None:
    train, _ = split_frames(house_prices, house_rows())
    results = cross_validate(with_search(house_prices, FOREST, strategy="halving"), train, 1)
    last = [result.mean for result in results if len(result.rungs) == len(results[0].rungs)]
    assert len(results[0].rungs) > 1
    assert last == sorted(last)


def test_progress_goes_to_the_log_when_nobody_asks_for_it(penguins: UseCase, caplog: pytest.LogCaptureFixture) -> None:
    train, _ = split_frames(penguins, penguin_rows())
    with caplog.at_level("INFO", "pipeline.search"):
        cross_validate(with_search(penguins, LINEAR), train, 1)
    assert caplog.messages[0].startswith("candidate 1/1 linear : accuracy 0.9")
