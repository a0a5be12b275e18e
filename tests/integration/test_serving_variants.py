"""Versions on request, canaries, models of other make, and faults, with a real MLflow store and service processes."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import requests
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

from pipeline.bundle import load_bundle
from pipeline.cli import main
from pipeline.mlflow_client import global_tracking_uri
from pipeline.model_version import VersionInfo
from pipeline.registry import Registry
from pipeline.settings import load_settings
from tests.integration.http_server import http_server
from tests.integration.test_inference_api import (
    API_KEY,
    DEADLINE_SECONDS,
    NAME,
    REPOSITORY,
    Stack,
    bundles,  # noqa: F401 (fixtures)
    empty_databases,  # noqa: F401
    eventually,
    stack,  # noqa: F401
)

pytestmark = pytest.mark.processes

KEY = {"X-API-Key": API_KEY}


def predict(url: str, record: dict[str, Any], query: str = "", **headers: str) -> dict[str, Any]:
    """The reply to a request, asked again while the worker that gets it has nothing loaded yet."""

    def answered() -> requests.Response | None:
        reply = requests.post(f"{url}/models/{NAME}/predict{query}", json=record, headers=headers, timeout=10)
        return None if reply.status_code == 503 else reply

    reply = eventually(answered, "answered")
    assert reply.ok, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_versions_and_aliases_answer_on_request(stack: Stack, bundles: list[Path]) -> None:  # noqa: F811
    url = stack.start("--workers", "2")
    record = load_bundle(bundles[0]).input_example
    answers: dict[int, set[str]] = {}
    for _ in range(10):  # a connection each, so that both workers get some
        for version in (1, 2):
            reply = predict(url, record, f"?version={version}")
            assert reply["model_version"] == version
            answers.setdefault(version, set()).add(json.dumps(reply["probabilities"]))
    assert [len(found) for found in answers.values()] == [1, 1]
    assert answers[1] != answers[2]
    assert predict(url, record, "?alias=challenger")["model_version"] == 2
    unknown = requests.post(f"{url}/models/{NAME}/predict?version=7", json=record, timeout=10)
    assert unknown.status_code == 404
    assert "versions: 2, 1" in unknown.json()["detail"]


def test_canary_is_set_by_command_followed_by_every_worker_and_ended_by_its_promotion(
    stack: Stack,  # noqa: F811
    bundles: list[Path],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stack.uri)
    load_settings.cache_clear()
    url = stack.start("--workers", "2")
    record = load_bundle(bundles[0]).input_example
    assert main(["traffic", NAME]) == 0
    assert "the champion answers alone" in capsys.readouterr().out
    assert main(["traffic", NAME, "--mode", "canary", "--share", "0.5"]) == 0
    assert "answers 50% of the requests" in capsys.readouterr().out

    def versions() -> list[int]:
        ids = [f"request-{number}" for number in range(30)]
        return [predict(url, record, **{"X-Request-ID": each})["model_version"] for each in ids]

    def both_answer_alike() -> bool:
        first = versions()
        return set(first) == {1, 2} and first == versions()

    eventually(both_answer_alike, "both workers have the canary")
    assert main(["traffic", NAME, "--share", "2"]) == 1
    assert "share" in capsys.readouterr().err
    stack.registry.promote(NAME, 2)
    eventually(lambda: set(versions()) == {2}, "the challenger took over")
    eventually(
        lambda: requests.get(f"{url}/models/{NAME}", timeout=10).json()["traffic"]["version"] is None,
        "the canary ended",
    )
    load_settings.cache_clear()


def test_model_logged_by_plain_mlflow_is_served_and_rolled_back(stack: Stack) -> None:  # noqa: F811
    table = pd.DataFrame({"petal length (cm)": [1.0, 2.0, 5.0, 6.0], "petal width (cm)": [0.2, 0.4, 1.8, 2.1]})
    species = ["setosa", "setosa", "virginica", "virginica"]
    for strength in (1.0, 0.01):
        model = LogisticRegression(C=strength).fit(table, species)
        with global_tracking_uri(stack.uri), mlflow.start_run(experiment_id=experiment(stack)):
            mlflow.sklearn.log_model(
                model,
                name="model",
                signature=infer_signature(table, model.predict(table)),
                input_example=table.head(1),
                registered_model_name="iris",
                pip_requirements=["scikit-learn"],
            )
    url = stack.start()
    assert requests.post(f"{url}/models/iris/predict", json={}, timeout=5).status_code == 503
    stack.registry.promote("iris", 1)
    stack.registry.promote("iris", 2)
    eventually(lambda: requests.get(f"{url}/models/iris", timeout=5).json()["champion_version"] == 2, "served")
    found = requests.get(f"{url}/models/iris", timeout=5).json()
    assert (found["status"], found["path"]) == ("serving", "pyfunc")
    record = table.iloc[3].to_dict()
    reply = requests.post(f"{url}/models/iris/predict", json=record, timeout=10).json()
    assert (reply["prediction"], reply["model_version"]) == ("virginica", 2)
    assert reply["probabilities"]["virginica"] == pytest.approx(model.predict_proba(table)[3][1], abs=1e-6)
    first = requests.post(f"{url}/models/iris/predict?version=1", json=record, timeout=10).json()
    assert first["probabilities"] != reply["probabilities"]
    done = requests.post(f"{url}/models/iris/rollback", headers=KEY, timeout=30)
    assert done.status_code == 200, done.text
    assert done.json()["champion_version"] == 1
    stack.stop()
    late = stack.start(MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    again = requests.post(f"{late}/models/iris/predict", json=record, timeout=10).json()
    assert (again["model_version"], again["probabilities"]) == (1, first["probabilities"])


def experiment(stack: Stack) -> str:  # noqa: F811
    found = mlflow.MlflowClient(tracking_uri=stack.uri).get_experiment_by_name(NAME)
    assert found is not None
    return str(found.experiment_id)


def test_registry_that_hangs_or_lies_fails_no_request(stack: Stack, bundles: list[Path]) -> None:  # noqa: F811
    record = load_bundle(bundles[0]).input_example
    stack.start()
    stack.stop()  # the cache is filled
    hanging, released = threading.Event(), threading.Event()

    def answer(path: str, body: bytes) -> tuple[int, dict[str, Any]]:  # noqa: ARG001
        if hanging.is_set():
            released.wait(DEADLINE_SECONDS)
        return 200, {"registered_models": [{"name": 5}], "model_versions": "none", "surprise": None}

    with http_server(answer) as registry:
        url = stack.start(MLFLOW_TRACKING_URI=registry, MLFLOW_HTTP_REQUEST_TIMEOUT="60")
        try:
            for _ in range(2):
                for _ in range(10):
                    assert predict(url, record)["model_version"] == 1
                    for path in (f"/models/{NAME}?version=9", "/models/nobody", f"/models/{NAME}?alias=challenger"):
                        # Far less than the registry takes: nobody waits for it.
                        reply = requests.get(url + path, timeout=DEADLINE_SECONDS / 2)
                        assert reply.status_code in (200, 404, 503), reply.text
                    assert requests.get(f"{url}/livez", timeout=DEADLINE_SECONDS / 2).ok
                hanging.set()
        finally:
            released.set()
            stack.stop()


def test_help_names_the_options() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "inference_api", "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "--workers" in done.stdout
    assert "MLFLOW_TRACKING_URI" in done.stdout


def test_traffic_rule_survives_in_the_registry(stack: Stack) -> None:  # noqa: F811
    from pipeline.traffic import TrafficRule

    rule = TrafficRule(mode="shadow", share=0.3)
    assert stack.registry.traffic(NAME) is None
    stack.registry.set_traffic(NAME, rule)
    assert Registry(stack.uri).traffic(NAME) == rule
    versions: list[VersionInfo] = stack.registry.versions(NAME)
    assert [version.version for version in versions] == [2, 1]
