import dataclasses

import numpy as np
import pytest

from pipeline.errors import ConfigurationError, TrainingError
from pipeline.search import CandidateResult, cross_validate, make_folds, rank
from pipeline.search_space import Candidate, candidates
from pipeline.use_case import UseCase
from tests.synthetic_rows import house_rows, penguin_rows, split_frames, with_search

FOREST = {"estimator": "random_forest", "parameters": {"n_estimators": [10], "max_depth": [1, None]}}
LINEAR = {"estimator": "linear", "parameters": {}}


def test_grid_holds_every_combination(penguins: UseCase) -> None:
    found = candidates(with_search(penguins, FOREST, LINEAR))
    assert [str(candidate) for candidate in found] == [
        "random_forest max_depth=1 n_estimators=10",
        "random_forest max_depth=None n_estimators=10",
        "linear ",
    ]


def test_random_search_draws_the_same_distinct_candidates_each_time(penguins: UseCase) -> None:
    wide = {"estimator": "random_forest", "parameters": {"max_depth": list(range(1, 30))}}
    use_case = with_search(penguins, wide, strategy="random", max_candidates=7)
    drawn = candidates(use_case)
    assert drawn == candidates(use_case)
    assert len({str(candidate) for candidate in drawn}) == 7


def test_unknown_parameter_is_a_configuration_error_that_lists_the_known(penguins: UseCase) -> None:
    with pytest.raises(ConfigurationError, match=r"has no parameter trees; it has .*n_estimators"):
        candidates(with_search(penguins, {"estimator": "random_forest", "parameters": {"trees": [5]}}))


def test_refused_parameter_value_is_a_configuration_error(penguins: UseCase) -> None:
    train, _ = split_frames(penguins, penguin_rows())
    use_case = with_search(penguins, {"estimator": "random_forest", "parameters": {"n_estimators": [-1]}})
    with pytest.raises(ConfigurationError, match="n_estimators"):
        cross_validate(use_case, train, jobs=2)


def test_a_class_that_only_one_row_has_is_named_before_anything_is_fitted(penguins: UseCase) -> None:
    """Of two classes: without that row there is one only, which a linear model would refuse with a traceback."""
    train, _ = split_frames(penguins, penguin_rows())
    train = train.assign(species=["Gentoo"] + ["Adelie"] * (len(train) - 1))
    with pytest.raises(TrainingError, match=r"have the class 'Adelie'.*mlops collect penguins"):
        cross_validate(with_search(penguins, LINEAR), train, jobs=1)


@pytest.mark.parametrize("name", ["penguins", "house_prices"])
def test_scores_do_not_depend_on_the_number_of_jobs(name: str, request: pytest.FixtureRequest) -> None:
    use_case = with_search(request.getfixturevalue(name), FOREST)
    train, _ = split_frames(use_case, penguin_rows() if name == "penguins" else house_rows())
    results = [
        [dataclasses.replace(result, seconds=0) for result in cross_validate(use_case, train, jobs)] for jobs in (1, 2)
    ]
    assert results[0] == results[1]


def test_best_candidate_comes_first_and_progress_is_told(penguins: UseCase) -> None:
    train, _ = split_frames(penguins, penguin_rows())
    lines: list[str] = []
    best = cross_validate(with_search(penguins, FOREST, LINEAR), train, 1, lines.append)[0]
    assert str(best.candidate) != "random_forest max_depth=1 n_estimators=10"
    assert best.mean > 0.9
    assert lines[0].startswith("candidate 1/3 random_forest max_depth=1 n_estimators=10: accuracy 0.")


def test_losses_rank_the_smallest_first(house_prices: UseCase) -> None:
    poor, good = (CandidateResult(Candidate("linear", {"alpha": s}), (s, s), 0.0) for s in (2.0, 1.0))
    broken = CandidateResult(Candidate("linear", {}), (float("nan"), 0.1), 0.0)
    assert rank(house_prices, [poor, broken, good]) == [good, poor]
    with pytest.raises(TrainingError, match="finite"):
        rank(house_prices, [broken])


def test_folds_learn_nothing_from_the_rows_they_are_judged_on(house_prices: UseCase) -> None:
    train, _ = split_frames(house_prices, house_rows())
    use_case = with_search(house_prices, LINEAR, folds=4)
    before = make_folds(use_case, train)
    # Target encodings and medians of a fold must not move when only the rows that judge it change.
    judged = train["price"].isin(np.unique(before[0].truth))
    changed = train.copy()
    changed.loc[judged, ["bed", "house_size"]] = 10_000.0
    after = make_folds(use_case, changed)
    np.testing.assert_array_equal(before[0].fit_rows, after[0].fit_rows)
    assert not np.array_equal(before[0].rows, after[0].rows)


def test_folds_keep_class_shares_and_the_row_limit(penguins: UseCase) -> None:
    train, _ = split_frames(penguins, penguin_rows(1200))
    folds = make_folds(with_search(penguins, LINEAR, folds=3, max_rows=300), train)
    assert sum(len(fold.truth) for fold in folds) == 300
    shares = [np.mean(fold.truth == "Gentoo") for fold in folds]
    assert max(shares) - min(shares) < 0.02


def test_a_class_of_one_row_does_not_stop_the_search(penguins: UseCase) -> None:
    train, _ = split_frames(penguins, penguin_rows())
    gentoo = train.index[train["species"] == "Gentoo"]
    rare = train.drop(index=gentoo[1:])
    assert cross_validate(with_search(penguins, FOREST, LINEAR), rare, 1)[0].mean > 0.8
