"""Looking for the best model: candidates from the use case, compared by cross-validation on the training rows."""

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils._param_validation import InvalidParameterError
from threadpoolctl import threadpool_limits

from pipeline.bootstrap import metric_value
from pipeline.errors import ConfigurationError, TrainingError
from pipeline.estimators import build_estimator
from pipeline.halving import SMALLEST_TREES, TREES, Rung, first_rows, plan_rungs, with_trees
from pipeline.parallel_warnings import without_parallel_warnings
from pipeline.preprocessing import build_features
from pipeline.search_space import Candidate, candidates
from pipeline.use_case import UseCase

LOGGER = logging.getLogger(__name__)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class RungScore:
    """Mean score of a candidate in one rung, and the share of the rows or trees that it had there."""

    rung: int
    share: float
    mean: float


@dataclass(frozen=True)
class CandidateResult:
    """Scores of a candidate in its last rung, one per fold, in the unit of the use case's metric.

    Parameters
    ----------
    seconds : that all its fits took.
    rungs : those it took part in, in order. A grid or random search has one.
    """

    candidate: Candidate
    scores: tuple[float, ...]
    seconds: float
    rungs: tuple[RungScore, ...] = ()

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

    def __sizeof__(self) -> int:
        # Dask sends what it takes for large to each worker once, instead of with every task.
        return int(self.fit_rows.nbytes + self.rows.nbytes)


def cross_validate(
    use_case: UseCase, train: pd.DataFrame, jobs: int = -1, on_progress: Progress | None = None
) -> list[CandidateResult]:
    """Score every candidate by the strategy of the use case, best first.

    The rows of a fold are encoded once and shared by all candidates. Threads suffice: growing trees releases the
    interpreter lock. A surrounding `joblib.parallel_config` chooses another backend.

    Parameters
    ----------
    on_progress : is told of every candidate; by default the log is.

    Raises
    ------
    ConfigurationError
        A candidate's parameter has a value its estimator refuses.
    TrainingError
        No candidate could be scored.
    """
    say = on_progress or LOGGER.info
    folds = make_folds(use_case, train)
    results = [CandidateResult(candidate, (), 0.0) for candidate in candidates(use_case)]
    rungs = rungs_of(use_case, [result.candidate for result in results], folds)
    for rung in rungs:
        running = results[: rung.candidates]
        if len(rungs) > 1:
            what = use_case.training.search.resource
            say(f"rung {rung.number}/{len(rungs)}: {len(running)} candidates on {rung.share:.0%} of the {what}")
        with without_parallel_warnings():
            scored = _score_rung(use_case, running, folds, rung, jobs, say)
        # What was left behind stays behind: its score is of fewer rows.
        results = _sorted(use_case, scored) + results[rung.candidates :]
    return rank(use_case, results)


def rungs_of(use_case: UseCase, chosen: Sequence[Candidate], folds: Sequence[Fold]) -> list[Rung]:
    """Rounds of the search: one of everything, unless the strategy is halving."""
    search = use_case.training.search
    if search.strategy != "halving":
        return [Rung(1, len(chosen), 1.0)]
    if search.resource == "trees":
        trees = [_trees(use_case, candidate) for candidate in chosen if candidate.estimator in TREES]
        return plan_rungs(len(chosen), min(trees, default=0), SMALLEST_TREES, search.factor)
    # As scikit-learn has it: two rows a fold and class.
    classes = len(use_case.classes) or 1
    largest = min(len(fold.fit_target) for fold in folds)
    return plan_rungs(len(chosen), largest, 2 * search.folds * classes, search.factor)


def rank(use_case: UseCase, results: list[CandidateResult]) -> list[CandidateResult]:
    """Best first, those of a later rung before others; one whose score is not a number is left out.

    Of equals, the one named first in the use case comes first.
    """
    finite = [result for result in results if np.isfinite(result.mean)]
    if not finite:
        raise TrainingError(f"{use_case.name}: no candidate of the search gave finite predictions")
    return _sorted(use_case, finite)


def make_folds(use_case: UseCase, train: pd.DataFrame) -> list[Fold]:
    """Split the training rows (at most ``max_rows`` of them) and encode each fold with what its own rows teach."""
    rows = _subsample(train, use_case.training.search.max_rows, use_case.training.seed)
    target = rows[use_case.target.name].to_numpy()
    frame = rows[[column.name for column in use_case.features]]
    folds = []
    for fit_index, score_index in _splits(use_case, target):
        fit_target = np.log1p(target[fit_index]) if use_case.training.log_target else target[fit_index]
        if use_case.task == "classification" and len(np.unique(fit_target)) < 2:
            raise TrainingError(
                f"{use_case.name}: without the rows of one fold all others have the class {fit_target[0]!r}, which "
                f"teaches nothing: collect more rows of other classes (mlops collect {use_case.name})"
            )
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


def _sorted(use_case: UseCase, results: list[CandidateResult]) -> list[CandidateResult]:
    sign = -1 if use_case.greater_is_better else 1
    worst = float("inf")
    return sorted(
        results,
        key=lambda result: (-len(result.rungs), sign * result.mean if np.isfinite(result.mean) else worst),
    )


def _trees(use_case: UseCase, candidate: Candidate) -> int:
    """Trees of the candidate in its last rung; none of a model without trees."""
    if candidate.estimator not in TREES:
        return 0
    estimator = build_estimator(candidate.estimator, use_case.task, candidate.parameters, use_case.training.seed)
    return int(estimator.get_params()[TREES[candidate.estimator]])


def _score_rung(
    use_case: UseCase, running: list[CandidateResult], folds: list[Fold], rung: Rung, jobs: int, say: Progress
) -> list[CandidateResult]:
    """The candidates of a rung with their scores in it added, in the order given."""
    by_trees = use_case.training.search.resource == "trees"
    parts = folds if by_trees else [_part(use_case, fold, rung.share) for fold in folds]
    fitted = [result.candidate for result in running]
    if by_trees and rung.share < 1:
        fitted = [with_trees(each, rung.share, _trees(use_case, each)) for each in fitted]
    tasks = (delayed(_score)(use_case, candidate, part) for candidate in fitted for part in parts)
    scored = Parallel(n_jobs=jobs, prefer="threads", return_as="generator")(tasks)
    results: list[CandidateResult] = []
    for number, before in enumerate(running, start=1):
        pairs = [next(scored) for _ in parts]
        scores = tuple(score for score, _ in pairs)
        step = RungScore(rung.number, rung.share, float(np.mean(scores)))
        seconds = before.seconds + sum(seconds for _, seconds in pairs)
        result = replace(before, scores=scores, seconds=seconds, rungs=(*before.rungs, step))
        results.append(result)
        metric = use_case.training.metric
        say(f"candidate {number}/{len(running)} {result.candidate}: {metric} {result.mean:.4g} ± {result.std:.2g}")
    return results


def _part(use_case: UseCase, fold: Fold, share: float) -> Fold:
    """The fold with a share of the rows to learn from; it is judged on all the others."""
    if share == 1:
        return fold
    rows = first_rows(fold.fit_target, share, use_case.task == "classification", use_case.training.seed)
    return replace(fold, fit_rows=fold.fit_rows[rows], fit_target=fold.fit_target[rows])


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
