"""Logs of tasks hold what a person can act on."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils.parallel import delayed

from pipeline.parallel_warnings import without_parallel_warnings
from pipeline.search import cross_validate
from pipeline.search_space import Candidate
from pipeline.training import fit
from pipeline.use_case import UseCase
from tests.synthetic_rows import penguin_rows, split_frames, with_search

FOREST = {"estimator": "random_forest", "parameters": {"n_estimators": [2]}}


def warn_as_scikit_learn_does() -> None:
    """What a tree does that finds the list of filters empty."""
    call, arguments, keywords = delayed(len)([1])
    assert call(*arguments, **keywords) == 1


def test_only_the_one_warning_is_kept_back(recwarn: pytest.WarningsRecorder) -> None:
    with without_parallel_warnings():
        warn_as_scikit_learn_does()
        warnings.warn("something to know", UserWarning, stacklevel=1)
    assert [str(each.message) for each in recwarn] == ["something to know"]
    warn_as_scikit_learn_does()
    assert len(recwarn) == 2


def test_filters_that_threads_emptied_are_put_back() -> None:
    filters = list(warnings.filters)
    with without_parallel_warnings():
        warnings.resetwarnings()
    assert list(warnings.filters) == filters


@pytest.mark.parametrize("what", ["search", "fit"])
def test_neither_a_search_nor_a_fit_fills_the_log(
    what: str, penguins: UseCase, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    fit_forest: Callable[..., Any] = RandomForestClassifier.fit

    def fit_and_warn(self: RandomForestClassifier, *arguments: Any) -> RandomForestClassifier:
        warn_as_scikit_learn_does()
        return fit_forest(self, *arguments)

    monkeypatch.setattr(RandomForestClassifier, "fit", fit_and_warn)
    train, _ = split_frames(penguins, penguin_rows())
    if what == "search":
        cross_validate(with_search(penguins, FOREST), train, jobs=2)
    else:
        fit(penguins, Candidate("random_forest", {"n_estimators": 2}), train, jobs=2)
    assert [each.message for each in recwarn if "sklearn.utils.parallel" in str(each.message)] == []
