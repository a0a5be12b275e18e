"""The estimator families a use case may name, with what each needs to be reproducible, saved and exported."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.errors import ConfigurationError
from pipeline.use_case import EstimatorName, Task


@dataclass(frozen=True)
class Family:
    """Classes of one family for each task, and the parameters every member gets."""

    classifier: Callable[..., BaseEstimator]
    regressor: Callable[..., BaseEstimator]
    fixed: dict[str, Any] = field(default_factory=dict)


# Threads inside an estimator are off: the search is parallel over candidates, and sums then have one order.
FAMILIES: dict[EstimatorName, Family] = {
    "random_forest": Family(RandomForestClassifier, RandomForestRegressor, {"n_jobs": 1}),
    "extra_trees": Family(ExtraTreesClassifier, ExtraTreesRegressor, {"n_jobs": 1}),
    "hist_gradient_boosting": Family(HistGradientBoostingClassifier, HistGradientBoostingRegressor),
    "lightgbm": Family(
        LGBMClassifier,
        LGBMRegressor,
        {"n_jobs": 1, "verbose": -1, "deterministic": True, "force_col_wise": True},
    ),
    "linear": Family(LogisticRegression, Ridge, {"max_iter": 2000}),
}


def build_estimator(name: EstimatorName, task: Task, parameters: dict[str, Any], seed: int) -> BaseEstimator:
    """An unfitted estimator whose fit depends on its rows, `parameters` and `seed` alone.

    Raises
    ------
    ConfigurationError
        The estimator has no such parameter; the message lists those it has.
    """
    family = FAMILIES[name]
    estimator = family.classifier() if task == "classification" else family.regressor()
    known = estimator.get_params()
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ConfigurationError(
            f"training.search: {name} ({type(estimator).__name__}) has no parameter {', '.join(unknown)}; "
            f"it has {', '.join(sorted(known))}"
        )
    seeded = {"random_state": seed} if "random_state" in known else {}
    estimator.set_params(**family.fixed, **seeded)
    # What the use case asks for wins, but for what keeps a model reproducible.
    estimator.set_params(**{key: value for key, value in parameters.items() if key != "n_jobs"})
    if name == "linear":
        return Pipeline([("scale", StandardScaler()), ("linear", estimator)])
    return estimator


def set_fit_jobs(estimator: BaseEstimator, jobs: int) -> None:
    """Let a forest use so many threads: each of its trees has a seed of its own, so their number changes no tree."""
    if isinstance(
        estimator, RandomForestClassifier | RandomForestRegressor | ExtraTreesClassifier | ExtraTreesRegressor
    ):
        estimator.set_params(n_jobs=jobs)
