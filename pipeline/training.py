"""Search and fit: from a snapshot's rows to a model in MLflow."""

import time
import warnings

import pandas as pd
from joblib import effective_n_jobs
from pydantic import BaseModel, ConfigDict
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from threadpoolctl import threadpool_limits

from pipeline.cluster import search_cluster
from pipeline.dataset import Snapshot, check_trainable
from pipeline.estimators import build_estimator, set_fit_jobs
from pipeline.mlflow_client import explained, open_client
from pipeline.parallel_warnings import without_parallel_warnings
from pipeline.preprocessing import build_pipeline, unwrap
from pipeline.search import CandidateResult, Progress, cross_validate
from pipeline.search_space import Candidate
from pipeline.settings import PipelineSettings, load_settings
from pipeline.tracking import log_candidates, log_dataset, log_model, log_values, training_run
from pipeline.use_case import UseCase

# Parameters of a run beside those of its estimator.
RUN_PARAMETERS = frozenset(
    {"estimator", "seed", "train_rows", "holdout_share", "log_target", "search_strategy", "search_folds"}
    | {"search_max_rows", "search_resource", "search_factor"}
)


class TrainedRun(BaseModel):
    """A model in MLflow, not yet judged. JSON-able, to pass between tasks.

    Parameters
    ----------
    candidate : the winner in words.
    cv_metric : its cross-validated score, in the use case's metric.
    candidates : how many were compared.
    seconds : wall time of search, fit and logging.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    use_case: str
    run_id: str
    model_uri: str
    dataset_digest: str
    candidate: str
    cv_metric: float
    candidates: int
    seconds: float


def run_search(
    use_case: UseCase,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    snapshot: Snapshot,
    tracking_uri: str,
    jobs: int = -1,
    on_progress: Progress | None = None,
) -> TrainedRun:
    """Compare the candidates, fit the best on all training rows, and log both.

    The held-out rows are only checked to be usable; no model sees them here.

    Raises
    ------
    TrainingError
        The rows cannot train or judge a model.
    ConfigurationError
        The search space names a parameter or value that an estimator refuses.
    RegistryError
        MLflow cannot be used.
    """
    start = time.perf_counter()
    check_trainable(use_case, train, holdout)
    client = open_client(tracking_uri)
    with (
        explained(tracking_uri, f"log a training of {use_case.name}"),
        training_run(client, use_case, snapshot) as run_id,
    ):
        log_dataset(client, run_id, snapshot)
        with search_cluster(load_settings(PipelineSettings).dask_scheduler_address):
            results = cross_validate(use_case, train, jobs, on_progress)
        best = results[0]
        model = fit(use_case, best.candidate, train, jobs)
        if on_progress:
            on_progress(f"fitted {best.candidate} on {len(train)} rows, saving it to MLflow run {run_id}")
        parameters = run_parameters(use_case, best.candidate, train) | _search_parameters(use_case)
        log_values(client, run_id, _search_metrics(use_case, results), parameters)
        log_candidates(client, run_id, use_case, results)
        example = train[[column.name for column in use_case.features]].head(1)
        model_uri = log_model(client, run_id, use_case, model, example, tracking_uri)
    return TrainedRun(
        use_case=use_case.name,
        run_id=run_id,
        model_uri=model_uri,
        dataset_digest=snapshot.digest,
        candidate=str(best.candidate),
        cv_metric=best.mean,
        candidates=len(results),
        seconds=round(time.perf_counter() - start, 3),
    )


def fit(use_case: UseCase, candidate: Candidate, train: pd.DataFrame, jobs: int = 1) -> BaseEstimator:
    """Fit one candidate on raw rows; the result depends on the rows, the candidate and the seed, not on `jobs`."""
    estimator = build_estimator(candidate.estimator, use_case.task, candidate.parameters, use_case.training.seed)
    set_fit_jobs(estimator, effective_n_jobs(jobs))
    model = build_pipeline(use_case, estimator)
    frame = train[[column.name for column in use_case.features]]
    with threadpool_limits(1), without_parallel_warnings():
        warnings.filterwarnings("ignore", message="The least populated class|Skipping features without")
        model.fit(frame, train[use_case.target.name].to_numpy())
    return single_threaded(model)


def single_threaded(model: BaseEstimator) -> BaseEstimator:
    """Make predictions add up in one order: several threads would add a forest's trees as they finish."""
    # Of a log-target regression both the template and the fitted pipeline hold the setting.
    templates = [model.regressor] if isinstance(model, TransformedTargetRegressor) else []
    for pipeline in [*templates, unwrap(model)]:
        set_fit_jobs(pipeline[-1], 1)
    return model


def run_parameters(use_case: UseCase, candidate: Candidate, train: pd.DataFrame) -> dict[str, object]:
    """What a run logs so that its model can be fitted again: see `RUN_PARAMETERS`."""
    return {
        "estimator": candidate.estimator,
        **candidate.parameters,
        "seed": use_case.training.seed,
        "train_rows": len(train),
        "holdout_share": use_case.training.holdout_share,
        "log_target": use_case.training.log_target,
    }


def _search_parameters(use_case: UseCase) -> dict[str, object]:
    search = use_case.training.search
    halving = {"search_resource": search.resource, "search_factor": search.factor}
    return {
        "search_strategy": search.strategy,
        "search_folds": search.folds,
        "search_max_rows": search.max_rows,
        **(halving if search.strategy == "halving" else {}),
    }


def _search_metrics(use_case: UseCase, results: list[CandidateResult]) -> dict[str, float]:
    metric, best = use_case.training.metric, results[0]
    return {
        f"cv_{metric}": best.mean,
        f"cv_{metric}_std": best.std,
        "search_candidates": len(results),
        "search_rungs": max(len(result.rungs) for result in results),
        "search_fit_seconds": sum(result.seconds for result in results),
    }
