"""A training run against a real MLflow store: what is logged can be found, loaded and served again."""

import json
import shutil
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.bundle import bundle_digest, load_bundle
from pipeline.dataset import Snapshot, load_snapshot, take_snapshot
from pipeline.errors import PipelineError, RegistryError, TrainingError
from pipeline.export import ServedModel
from pipeline.judgement import JudgedRun, evaluate_run
from pipeline.lake import FileLake
from pipeline.mlflow_client import open_client
from pipeline.tracking import load_model, log_dataset, log_values
from pipeline.training import TrainedRun, run_search
from pipeline.use_case import UseCase
from tests.synthetic_rows import InMemoryWarehouse, house_rows, penguin_rows, with_search

FOREST = {"estimator": "random_forest", "parameters": {"n_estimators": [10], "max_depth": [2, None]}}
BOOSTING = {"estimator": "lightgbm", "parameters": {"n_estimators": [10]}}


@pytest.fixture(scope="module")
def tracking_uri(mlflow_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mlflow")
    shutil.copy(mlflow_tables, folder)
    uri = f"sqlite:///{folder}/mlflow.db"
    client = open_client(uri)
    for name in ("penguins", "house_prices"):
        client.create_experiment(name, artifact_location=f"file://{folder}/artifacts/{name}")
    return uri


class Trained:
    """A use case taken through search and evaluation."""

    def __init__(self, use_case: UseCase, rows: object, folder: Path, tracking_uri: str) -> None:
        self.use_case = use_case
        self.lake = FileLake(folder / "lake")
        self.lake.create()
        self.snapshot: Snapshot = take_snapshot(use_case, InMemoryWarehouse(rows), self.lake)  # type: ignore[arg-type]
        self.train, self.holdout = load_snapshot(self.lake, self.snapshot)
        self.progress: list[str] = []
        self.run: TrainedRun = run_search(
            use_case, self.train, self.holdout, self.snapshot, tracking_uri, 2, self.progress.append
        )
        self.judged: JudgedRun = evaluate_run(
            use_case, self.run.run_id, self.train, self.holdout, self.snapshot, tracking_uri
        )
        self.features = self.holdout[[column.name for column in use_case.features]]


@pytest.fixture(scope="module", params=["penguins", "house_prices"])
def trained(request: pytest.FixtureRequest, tracking_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    use_case = with_search(request.getfixturevalue(request.param), FOREST, BOOSTING)
    rows = penguin_rows() if request.param == "penguins" else house_rows()
    return Trained(use_case, rows, tmp_path_factory.mktemp(request.param), tracking_uri)


@pytest.fixture
def client(tracking_uri: str) -> MlflowClient:
    return open_client(tracking_uri)


def test_run_says_what_it_was_trained_on_and_how_well(trained: Trained, client: MlflowClient) -> None:
    run = client.get_run(trained.run.run_id)
    assert client.get_experiment(run.info.experiment_id).name == trained.use_case.name
    assert run.info.status == "FINISHED"
    assert run.data.tags["dataset_digest"] == trained.snapshot.digest
    assert run.data.tags["batch_ids"] == "1/0/01,1/0/02"
    assert len(run.data.tags["git_sha"]) >= 7
    assert run.inputs is not None
    contexts = {item.tags[0].value: item.dataset.digest for item in run.inputs.dataset_inputs}
    assert contexts == dict.fromkeys(("training", "holdout"), trained.snapshot.digest[:36])
    metric = trained.use_case.training.metric
    assert run.data.metrics[metric] == pytest.approx(trained.judged.evaluation.metrics[metric])
    assert {f"{metric}_low", f"{metric}_high", f"baseline_{metric}", f"cv_{metric}"} <= run.data.metrics.keys()
    assert run.data.metrics["parity_label_flips"] == 0


def test_a_dataset_that_another_training_wrote_at_the_same_moment_is_found(
    trained: Trained, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = client.get_experiment_by_name(trained.use_case.name)
    assert experiment is not None
    run_id = client.create_run(experiment.experiment_id).info.run_id
    log_inputs = client.log_inputs
    refused: list[Any] = []

    def race(*arguments: Any, **keywords: Any) -> None:
        if not refused:
            refused.append(arguments)
            raise MlflowException("UNIQUE constraint failed: datasets.name")
        log_inputs(*arguments, **keywords)

    monkeypatch.setattr(client, "log_inputs", race)
    log_dataset(client, run_id, trained.snapshot)
    inputs = client.get_run(run_id).inputs
    assert inputs is not None
    assert len(inputs.dataset_inputs) == 2


def test_more_metrics_than_a_request_takes_are_all_logged(trained: Trained, client: MlflowClient) -> None:
    """As of a use case with hundreds of classes."""
    experiment = client.get_experiment_by_name(trained.use_case.name)
    assert experiment is not None
    run_id = client.create_run(experiment.experiment_id).info.run_id
    metrics = {f"recall_class_{number}": number / 2500 for number in range(2500)}
    log_values(client, run_id, metrics, {"seed": 0}, {"mood": "good"})
    run = client.get_run(run_id)
    assert run.data.metrics == metrics
    assert (run.data.params, run.data.tags["mood"]) == ({"seed": "0"}, "good")


def test_every_candidate_is_a_nested_run(trained: Trained, client: MlflowClient) -> None:
    parent = client.get_run(trained.run.run_id)
    nested = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{trained.run.run_id}'", order_by=["tags.rank"]
    )
    assert [run.data.tags["rank"] for run in nested] == ["1", "2", "3"]
    metric = f"cv_{trained.use_case.training.metric}"
    assert nested[0].data.metrics[metric] == pytest.approx(parent.data.metrics[metric])
    assert nested[0].data.params["estimator"] == parent.data.params["estimator"]
    assert len(trained.progress) == 4


def test_a_halving_search_logs_the_rungs_of_every_candidate(
    trained: Trained, tracking_uri: str, client: MlflowClient
) -> None:
    forest = {"estimator": "random_forest", "parameters": {"n_estimators": [5], "max_depth": [1, 2, 3, 4, None]}}
    use_case = with_search(trained.use_case, forest, strategy="halving", factor=2)
    run = run_search(use_case, trained.train, trained.holdout, trained.snapshot, tracking_uri, jobs=1)
    parent = client.get_run(run.run_id)
    assert parent.data.params["search_strategy"] == "halving"
    assert parent.data.metrics["search_rungs"] == 3
    nested = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{run.run_id}'", order_by=["tags.rank"]
    )
    assert [each.data.tags["rung"] for each in nested] == ["3", "3", "2", "1", "1"]
    metric = f"cv_{use_case.training.metric}"
    history = client.get_metric_history(nested[0].info.run_id, metric)
    assert [point.step for point in history] == [1, 2, 3]
    assert history[-1].value == nested[0].data.metrics[metric] == parent.data.metrics[metric]
    shares = client.get_metric_history(nested[0].info.run_id, "rung_share")
    assert [point.value for point in shares] == [0.25, 0.5, 1.0]


def test_logged_model_predicts_the_same_from_raw_rows(trained: Trained, tracking_uri: str) -> None:
    mlflow.set_tracking_uri(tracking_uri)
    loaded = mlflow.sklearn.load_model(trained.run.model_uri)
    generic = mlflow.pyfunc.load_model(trained.run.model_uri)
    expected = load_model(open_client(tracking_uri), trained.run.run_id, tracking_uri).predict(trained.features)
    np.testing.assert_array_equal(loaded.predict(trained.features), expected)
    np.testing.assert_array_equal(np.asarray(generic.predict(trained.features)).ravel(), expected)
    assert [item.name for item in generic.metadata.signature.inputs] == list(trained.features.columns)
    assert isinstance(generic.input_example, pd.DataFrame)


def test_training_again_on_the_snapshot_gives_the_same_predictions(trained: Trained, tracking_uri: str) -> None:
    train, holdout = load_snapshot(trained.lake, trained.snapshot)
    again = run_search(trained.use_case, train, holdout, trained.snapshot, tracking_uri, jobs=1)
    client = open_client(tracking_uri)
    first, second = (load_model(client, run_id, tracking_uri) for run_id in (trained.run.run_id, again.run_id))
    np.testing.assert_array_equal(first.predict(trained.features), second.predict(trained.features))
    assert again.cv_metric == trained.run.cv_metric


def test_serving_bundle_of_the_run_answers_as_its_model(
    trained: Trained, client: MlflowClient, tracking_uri: str, tmp_path: Path
) -> None:
    folder = Path(client.download_artifacts(trained.run.run_id, "serving", str(tmp_path)))
    assert bundle_digest(folder) == trained.judged.serving_digest
    assert load_bundle(folder).run_id == trained.run.run_id
    expected = load_model(client, trained.run.run_id, tracking_uri).predict(trained.features)
    served = ServedModel(folder).predict(trained.features)
    if trained.use_case.task == "classification":
        np.testing.assert_array_equal(served, expected)
    else:
        np.testing.assert_allclose(served, expected, rtol=1e-3)


def test_judging_a_run_again_gives_the_bundle_that_was_registered(trained: Trained, tracking_uri: str) -> None:
    again = evaluate_run(
        trained.use_case, trained.run.run_id, trained.train, trained.holdout, trained.snapshot, tracking_uri
    )
    assert again == trained.judged


def test_plots_card_and_scores_are_artifacts(trained: Trained, client: MlflowClient, tmp_path: Path) -> None:
    run_id = trained.run.run_id
    assert {item.path for item in client.list_artifacts(run_id)} >= {"model_card.md", "evaluation.json", "plots"}
    drawn = {item.path for item in client.list_artifacts(run_id, "plots")}
    expected = "confusion_matrix" if trained.use_case.task == "classification" else "residuals"
    assert drawn == {f"plots/{expected}.png", "plots/feature_importances.png"}
    card = Path(client.download_artifacts(run_id, "model_card.md", str(tmp_path))).read_text(encoding="utf-8")
    assert trained.snapshot.digest in card
    assert JudgedRun.model_validate(json.loads(trained.judged.model_dump_json())) == trained.judged


def test_held_out_rows_change_nothing_of_the_model(trained: Trained, tracking_uri: str) -> None:
    other = trained.holdout.sample(frac=1, random_state=0).head(10).reset_index(drop=True)
    run = run_search(trained.use_case, trained.train, other, trained.snapshot, tracking_uri, jobs=2)
    client = open_client(tracking_uri)
    models = [load_model(client, run_id, tracking_uri) for run_id in (trained.run.run_id, run.run_id)]
    np.testing.assert_array_equal(*(model.predict(trained.features) for model in models))


def test_failed_search_leaves_a_failed_run_with_the_reason(
    trained: Trained, client: MlflowClient, tracking_uri: str
) -> None:
    broken = with_search(trained.use_case, {"estimator": "random_forest", "parameters": {"n_estimators": [-5]}})
    with pytest.raises(PipelineError):
        run_search(broken, trained.train, trained.holdout, trained.snapshot, tracking_uri, jobs=1)
    experiment = client.get_experiment_by_name(broken.name)
    assert experiment is not None
    newest = client.search_runs([experiment.experiment_id], max_results=1)[0]
    assert newest.info.status == "FAILED"
    assert "n_estimators" in newest.data.tags["failure"]
    with pytest.raises(RegistryError, match="has no model"):
        load_model(client, newest.info.run_id, tracking_uri)


def test_rows_that_cannot_train_leave_no_run(trained: Trained, client: MlflowClient) -> None:
    experiment = client.get_experiment_by_name(trained.use_case.name)
    assert experiment is not None
    before = len(client.search_runs([experiment.experiment_id]))
    target = trained.use_case.target.name
    same = trained.train.assign(**{target: trained.train[target].iloc[0]})
    with pytest.raises(TrainingError, match=target):
        run_search(trained.use_case, same, trained.holdout, trained.snapshot, "sqlite:////nowhere/mlflow.db")
    assert len(client.search_runs([experiment.experiment_id])) == before


def test_unreachable_mlflow_is_a_clear_error(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match=r"MLflow at http://127.0.0.1:9: it does not answer: check"):
        run_search(trained.use_case, trained.train, trained.holdout, trained.snapshot, "http://127.0.0.1:9")
