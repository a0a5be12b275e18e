"""What a training run writes to MLflow, in as few requests as it takes."""

import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME
from sklearn.base import BaseEstimator

from pipeline.dataset import Snapshot
from pipeline.errors import RegistryError
from pipeline.mlflow_client import explained, global_tracking_uri
from pipeline.search import CandidateResult
from pipeline.trusted_types import TRUSTED_TYPES
from pipeline.use_case import UseCase

# What reading the model back takes; named here because having MLflow find out takes seconds.
LIBRARIES = {name: version(name) for name in ("scikit-learn", "lightgbm", "numpy", "pandas", "skops")}
MODEL_REQUIREMENTS = [f"{name}=={number}" for name, number in LIBRARIES.items()]
# Prefix of the tags that explain a model which fits differently elsewhere.
LIBRARY_TAG = "library."
# The use case as it was when the run began.
USE_CASE_FILE = "use_case.json"

MODEL_NAME = "model"
# MLflow takes 1000 metrics, parameters and tags in one request, of which at most 200 are not metrics.
BATCH_METRICS = 800
# Tag of a run that says where its model is: MLflow keeps models apart from a run's artifacts.
MODEL_URI_TAG = "model_uri"


def experiment_id(client: MlflowClient, name: str) -> str:
    """Id of the experiment of a use case, made if there is none; safe when two runs make it at once."""
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException as error:
        found = client.get_experiment_by_name(name)
        if found is None:
            raise error
        return str(found.experiment_id)


@contextmanager
def training_run(client: MlflowClient, use_case: UseCase, snapshot: Snapshot) -> Iterator[str]:
    """A run of the use case's experiment; it ends as FAILED, with the reason as a tag, when the block raises."""
    tags = {
        MLFLOW_RUN_NAME: f"{use_case.name} {snapshot.digest[:8]}",
        "use_case": use_case.name,
        "task": use_case.task,
        "git_sha": git_sha(),
        "dataset_digest": snapshot.digest,
        "dataset_uri": snapshot.uri,
        "batch_ids": ",".join(snapshot.batch_ids)[:5000],
        **library_tags(),
    }
    run_id = client.create_run(experiment_id(client, use_case.name), tags=tags).info.run_id
    try:
        client.log_dict(run_id, use_case.model_dump(mode="json"), USE_CASE_FILE)
        yield run_id
    except BaseException as error:
        client.set_tag(run_id, "failure", str(error)[:5000])
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


def library_tags() -> dict[str, str]:
    """Versions of what decides how a model comes out, as tags of a run."""
    versions = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        **LIBRARIES,
        "scipy": version("scipy"),
    }
    return {f"{LIBRARY_TAG}{name}": number for name, number in versions.items()}


def log_dataset(client: MlflowClient, run_id: str, snapshot: Snapshot) -> None:
    """Record which rows trained and which judge the model."""
    inputs = []
    for context, rows in (("training", snapshot.train_rows), ("holdout", snapshot.holdout_rows)):
        dataset = Dataset(
            name=f"{snapshot.use_case}_{context}",
            digest=snapshot.digest[:36],
            source_type="lake",
            source=f'{{"uri": "{snapshot.uri}"}}',
            profile=f'{{"num_rows": {rows}}}',
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", context)]))
    try:
        client.log_inputs(run_id, datasets=inputs)
    except MlflowException:
        # Of two trainings on one snapshot that meet here, MLflow lets one write the dataset and refuses the other,
        # which finds it written when it asks again.
        client.log_inputs(run_id, datasets=inputs)


def log_values(
    client: MlflowClient,
    run_id: str,
    metrics: Mapping[str, float],
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    steps: Sequence[tuple[str, float, int]] = (),
) -> None:
    """Log metrics, parameters and tags, in one request unless the metrics are more than MLflow takes at once.

    Parameters
    ----------
    steps : metrics that have a history, each with its name, value and step.
    """
    now = int(time.time() * 1000)
    found = [*((key, value, 0) for key, value in metrics.items()), *steps]
    values = [Metric(key, float(value), now, step) for key, value, step in found]
    client.log_batch(
        run_id,
        metrics=values[:BATCH_METRICS],
        params=[Param(key, str(value)) for key, value in (params or {}).items()],
        tags=[RunTag(key, value) for key, value in (tags or {}).items()],
    )
    for start in range(BATCH_METRICS, len(values), BATCH_METRICS):
        client.log_batch(run_id, metrics=values[start : start + BATCH_METRICS])


def log_candidates(client: MlflowClient, parent_id: str, use_case: UseCase, results: Sequence[CandidateResult]) -> None:
    """One nested run per candidate, three requests each; the rungs of a halving search are the steps of its metric."""
    metric = use_case.training.metric
    experiment = client.get_run(parent_id).info.experiment_id
    for rank, result in enumerate(results, start=1):
        tags = {MLFLOW_PARENT_RUN_ID: parent_id, MLFLOW_RUN_NAME: str(result.candidate)[:250], "rank": str(rank)}
        tags["rung"] = str(len(result.rungs))
        run_id = client.create_run(experiment, tags=tags).info.run_id
        scores = {f"cv_{metric}_fold_{index}": score for index, score in enumerate(result.scores, start=1)}
        summary = {f"cv_{metric}_std": result.std, "fit_seconds": result.seconds}
        params = {"estimator": result.candidate.estimator, **result.candidate.parameters}
        log_values(client, run_id, {**summary, **scores}, params, steps=_steps(f"cv_{metric}", result))
        client.set_terminated(run_id, "FINISHED")


def _steps(name: str, result: CandidateResult) -> list[tuple[str, float, int]]:
    """Score and share of the resource, rung by rung."""
    scores = [(name, step.mean, step.rung) for step in result.rungs]
    return scores + [("rung_share", step.share, step.rung) for step in result.rungs]


def log_model(
    client: MlflowClient, run_id: str, use_case: UseCase, model: BaseEstimator, example: pd.DataFrame, tracking_uri: str
) -> str:
    """Save the model with skops (no pickle), its signature and an input example; returns its URI."""
    with global_tracking_uri(tracking_uri), mlflow.start_run(run_id=run_id):
        info = mlflow.sklearn.log_model(
            model,
            name=MODEL_NAME,
            signature=signature(use_case),
            input_example=example,
            pip_requirements=MODEL_REQUIREMENTS,
            serialization_format="skops",
            skops_trusted_types=TRUSTED_TYPES,
        )
    uri = str(info.model_uri)
    client.set_tag(run_id, MODEL_URI_TAG, uri)
    return uri


def load_model(client: MlflowClient, run_id: str, tracking_uri: str) -> BaseEstimator:
    """The model that a run logged.

    Raises
    ------
    RegistryError
        The run logged none, or MLflow cannot hand it out.
    """
    with explained(tracking_uri, f"load the model of run {run_id}"):
        uri = client.get_run(run_id).data.tags.get(MODEL_URI_TAG)
        if uri is None:
            raise RegistryError(f"run {run_id} has no model: its search did not finish; train again")
        with global_tracking_uri(tracking_uri):
            return mlflow.sklearn.load_model(uri)


def signature(use_case: UseCase) -> ModelSignature:
    """Raw feature columns in (numbers and days as double), the target out."""
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.double if column.is_numeric else DataType.string, column.name, required=not column.nullable)
        for column in use_case.features
    ]
    output = DataType.string if use_case.task == "classification" else DataType.double
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec(output, use_case.target.name)]))


def git_sha() -> str:
    """Commit of the code: ``GIT_SHA`` in an image, else what git says, else "unknown"."""
    if sha := os.environ.get("GIT_SHA"):
        return sha
    try:
        command = ["git", "rev-parse", "HEAD"]
        folder = Path(__file__).resolve().parent
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
