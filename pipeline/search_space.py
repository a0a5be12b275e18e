"""The candidates of a search: the estimators and parameters that a use case names."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import ParameterGrid

from pipeline.estimators import build_estimator
from pipeline.use_case import EstimatorName, UseCase


@dataclass(frozen=True)
class Candidate:
    """One estimator with one choice of parameters."""

    estimator: EstimatorName
    parameters: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.estimator} " + " ".join(f"{key}={value}" for key, value in sorted(self.parameters.items()))


def candidates(use_case: UseCase) -> list[Candidate]:
    """Every candidate of the search space, or those drawn from it when it has more than ``max_candidates``.

    In a fixed order, and the same ones for the same seed.

    Raises
    ------
    ConfigurationError
        An estimator has no parameter of a given name.
    """
    search = use_case.training.search
    found = [
        Candidate(space.estimator, dict(parameters))
        for space in search.candidates
        for parameters in ParameterGrid(space.parameters)
    ]
    for candidate in found:
        build_estimator(candidate.estimator, use_case.task, candidate.parameters, use_case.training.seed)
    count = search.max_candidates or len(found)
    if search.strategy != "grid" and count < len(found):
        drawn = np.random.default_rng(use_case.training.seed).choice(len(found), size=count, replace=False)
        found = [found[index] for index in sorted(drawn)]
    return found
