"""Looking for the best model: candidates from the use case, compared by cross-validation on the training rows."""

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.model_selection import KFold, ParameterGrid, StratifiedKFold
from sklearn.utils._param_validation import InvalidParameterError
from threadpoolctl import threadpool_limits

from pipeline.bootstrap import metric_value
from pipeline.errors import ConfigurationError, TrainingError
from pipeline.estimators import build_estimator
from pipeline.preprocessing import build_features
from pipeline.use_case import EstimatorName, UseCase

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Candidate:
    """One estimator with one choice of parameters."""

    estimator: EstimatorName
    parameters: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.estimator} " + " ".join(f"{key}={value}" for key, value in sorted(self.parameters.items()))


@dataclass(frozen=True)
class CandidateResult:
    """Scores of a candidate, one per fold, in the unit of the use case's metric, and the seconds its fits took."""

    candidate: Candidate
    scores: tuple[float, ...]
    seconds: float

    @property
    def mean(self) -> float:
        return float(np.mean(self.scores))

    @property
    def std(self) -> float:
        return float(np.std(self.scores))


@dataclass(frozen=True)
class Fold:
    """Encoded rows of one fold; a log-target regression learns from `fit_target` and is judged on `truth`."""

    fit_rows: np.ndarray
    fit_target: np.ndarray
    rows: np.ndarray
    truth: np.ndarray


def candidates(use_case: UseCase) -> list[Candidate]:
    """Every candidate of the search space, or those that a random search draws from it, in a fixed order.

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
    if search.strategy == "random" and count < len(found):
        drawn = np.random.default_rng(use_case.training.seed).choice(len(found), size=count, replace=False)
        found = [found[index] for index in sorted(drawn)]
    return found


def cross_validate(
    use_case: UseCase, train: pd.DataFrame, jobs: int = -1, on_progress: Progress | None = None
) -> list[CandidateResult]:
    """Score every candidate, best first.

    The rows of a fold are encoded once and shared by all candidates. Threads suffice: growing trees releases the
    interpreter lock. A surrounding `joblib.parallel_config` chooses another backend.

    Raises
    ------
    ConfigurationError
        A candidate's parameter has a value its estimator refuses.
    TrainingError
        No candidate could be scored.
    """
    chosen = candidates(use_case)
    folds = make_folds(use_case, train)
    tasks = (delayed(_score)(use_case, candidate, fold) for candidate in chosen for fold in folds)
    scored = Parallel(n_jobs=jobs, prefer="threads", return_as="generator")(tasks)
    results: list[CandidateResult] = []
    for number, candidate in enumerate(chosen, start=1):
        pairs = [next(scored) for _ in folds]
        result = CandidateResult(candidate, tuple(score for score, _ in pairs), sum(seconds for _, seconds in pairs))
        results.append(result)
        if on_progress:
            metric = use_case.training.metric
            on_progress(f"candidate {number}/{len(chosen)} {candidate}: {metric} {result.mean:.4g} ± {result.std:.2g}")
    return rank(use_case, results)


def rank(use_case: UseCase, results: list[CandidateResult]) -> list[CandidateResult]:
    """Best first; of equals, the one named first in the use case. One whose score is not a number is left out."""
    finite = [result for result in results if np.isfinite(result.mean)]
    if not finite:
        raise TrainingError(f"{use_case.name}: no candidate of the search gave finite predictions")
    sign = -1 if use_case.greater_is_better else 1
    return sorted(finite, key=lambda result: sign * result.mean)


def make_folds(use_case: UseCase, train: pd.DataFrame) -> list[Fold]:
    """Split the training rows (at most ``max_rows`` of them) and encode each fold with what its own rows teach."""
    rows = _subsample(train, use_case.training.search.max_rows, use_case.training.seed)
    target = rows[use_case.target.name].to_numpy()
    frame = rows[[column.name for column in use_case.features]]
    folds = []
    for fit_index, score_index in _splits(use_case, target):
        fit_target = np.log1p(target[fit_index]) if use_case.training.log_target else target[fit_index]
        features = build_features(use_case)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class|Skipping features without")
            fit_rows = features.fit_transform(frame.iloc[fit_index], fit_target)
        folds.append(Fold(fit_rows, fit_target, features.transform(frame.iloc[score_index]), target[score_index]))
    return folds


def _subsample(train: pd.DataFrame, max_rows: int | None, seed: int) -> pd.DataFrame:
    if max_rows is None or len(train) <= max_rows:
        return train
    chosen = np.random.default_rng(seed).choice(len(train), size=max_rows, replace=False)
    return train.iloc[np.sort(chosen)]


def _splits(use_case: UseCase, target: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Folds with equal shares of each class, or of each tenth of a numeric target."""
    count = min(use_case.training.search.folds, len(target) // 2)
    seed = use_case.training.seed
    if use_case.task == "classification":
        strata = target
    else:
        edges = np.quantile(target, np.linspace(0, 1, min(10, len(target) // count) + 1)[1:-1])
        strata = np.digitize(target, edges)
    _, sizes = np.unique(strata, return_counts=True)
    if sizes.max() < count:
        return KFold(count, shuffle=True, random_state=seed).split(target)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        return iter(list(StratifiedKFold(count, shuffle=True, random_state=seed).split(target, strata)))


def _score(use_case: UseCase, candidate: Candidate, fold: Fold) -> tuple[float, float]:
    """Score of one candidate on one fold, and the seconds it took."""
    start = time.perf_counter()
    estimator = build_estimator(candidate.estimator, use_case.task, candidate.parameters, use_case.training.seed)
    # OpenMP's own threads would fight over the cores, and add in another order on another machine.
    with threadpool_limits(1):
        try:
            predicted = estimator.fit(fold.fit_rows, fold.fit_target).predict(fold.rows)
        except InvalidParameterError as error:
            raise ConfigurationError(f"training.search of {use_case.name}: {error}") from None
    with np.errstate(over="ignore"):
        predicted = np.expm1(predicted) if use_case.training.log_target else predicted
    if use_case.task == "regression" and not np.isfinite(predicted).all():
        return float("nan"), time.perf_counter() - start
    return metric_value(use_case.training.metric, fold.truth, predicted), time.perf_counter() - start
