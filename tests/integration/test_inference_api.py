"""The service as a process of its own, against a real MLflow store and warehouse."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient

from pipeline.bundle import MODEL_FILE, bundle_digest, load_bundle
from pipeline.model_version import VersionInfo
from pipeline.registry import Registry
from pipeline.settings import PipelineSettings
from pipeline.use_case import UseCase
from pipeline.warehouse import Warehouse, open_warehouse
from tests.bundles import make_bundle

pytestmark = pytest.mark.processes

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "penguins"
API_KEY = "a-key-for-tests"
DEADLINE_SECONDS = 40


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Wait until something holds; returns it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except requests.ConnectionError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"not within {DEADLINE_SECONDS} s: {what}")


@dataclass
class Stack:
    """An MLflow store with models, a warehouse, and services over both."""

    folder: Path
    uri: str
    registry: Registry
    warehouse: Warehouse
    versions: list[VersionInfo]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str, **environment: str) -> str:
        """Start a service; returns its URL once it answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {
            "MLFLOW_TRACKING_URI": self.uri,
            "WAREHOUSE_URL": f"sqlite:///{self.folder / 'warehouse.db'}",
            "MODEL_CACHE_DIR": str(self.folder / "cache"),
            "MODEL_POLL_SECONDS": "0.2",
            "DEFAULT_USE_CASE": NAME,
            "API_KEY": API_KEY,
            "USE_CASES_DIR": str(REPOSITORY / "use_cases"),
        }
        command = [sys.executable, "-m", "inference_api", "--port", str(port), *arguments]
        self.processes.append(subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | settings | environment))
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: requests.get(f"{url}/readyz", timeout=5).ok, "ready")
        return url

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=DEADLINE_SECONDS)
        self.processes.clear()


@pytest.fixture(scope="module")
def bundles(penguins: UseCase, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("bundles")
    return [make_bundle(penguins, root / str(seed), seed=seed) for seed in range(2)]


@pytest.fixture(scope="module")
def empty_databases(penguins: UseCase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store and a warehouse with their tables: making them takes seconds, so each test copies them."""
    folder = tmp_path_factory.mktemp("databases")
    Registry(f"sqlite:///{folder / 'mlflow.db'}").models()
    open_warehouse(PipelineSettings(warehouse_url=f"sqlite:///{folder / 'warehouse.db'}")).migrate([penguins])
    return folder


@pytest.fixture
def stack(bundles: list[Path], empty_databases: Path, tmp_path: Path) -> Iterator[Stack]:
    """Two versions of the penguins' model, the first one in production."""
    shutil.copytree(empty_databases, tmp_path, dirs_exist_ok=True)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    registry = Registry(uri)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.create_experiment(NAME, artifact_location=(tmp_path / "artifacts").as_uri())
    warehouse = open_warehouse(PipelineSettings(warehouse_url=f"sqlite:///{tmp_path / 'warehouse.db'}"))
    versions = []
    for bundle in bundles:
        run = client.create_run(experiment).info.run_id
        client.log_artifacts(run, str(bundle), "serving")
        versions.append(registry.register(NAME, run, f"runs:/{run}/model", {"serving_digest": bundle_digest(bundle)}))
    registry.promote(NAME, 1)
    found = Stack(tmp_path, uri, registry, warehouse, versions)
    yield found
    found.stop()


def served(url: str) -> int | None:
    """The version that is served; None by a worker that has not heard of the model yet."""
    version: int | None = requests.get(f"{url}/models/{NAME}", timeout=5).json().get("champion_version")
    return version


def is_served(url: str, version: int) -> bool:
    return served(url) == version


def test_promotions_under_load_fail_no_request_and_mix_no_versions(stack: Stack, bundles: list[Path]) -> None:
    url = stack.start()
    record = load_bundle(bundles[0]).input_example
    replies: list[tuple[int, dict[str, Any]]] = []
    done = threading.Event()

    def send() -> None:
        with requests.Session() as session:
            while not done.is_set():
                reply = session.post(f"{url}/predict", json=record, timeout=10)
                replies.append((reply.status_code, reply.json()))

    clients = [threading.Thread(target=send) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        for version in (2, 1, 2):
            stack.registry.promote(NAME, version)
            eventually(partial(is_served, url, version), f"version {version} served")
    finally:
        done.set()
        for client in clients:
            client.join()
    assert {status for status, _ in replies} == {200}
    answers: dict[int, set[str]] = {1: set(), 2: set()}
    for _, reply in replies:
        answers[reply["model_version"]].add(json.dumps([reply["prediction"], reply["probabilities"]]))
    assert len(answers[1]) == len(answers[2]) == 1
    assert answers[1] != answers[2]
    counted = requests.get(f"{url}/metrics", timeout=5).text
    assert f'route="/predict",status="200"}} {len(replies)}.0' in counted


def test_restart_while_mlflow_is_down_serves_from_the_cache(stack: Stack, bundles: list[Path]) -> None:
    before = requests.post(f"{stack.start()}/predict", json=load_bundle(bundles[0]).input_example, timeout=10).json()
    stack.stop()
    url = stack.start(MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    after = requests.post(f"{url}/predict", json=load_bundle(bundles[0]).input_example, timeout=10).json()
    assert after["probabilities"] == before["probabilities"]
    assert after["model_version"] == 1
    model = requests.get(f"{url}/models/{NAME}", timeout=1).json()
    assert [version["version"] for version in model["versions"]] == [2, 1]
    outage = eventually(
        lambda: (
            (problem := requests.get(f"{url}/readyz", timeout=1).json()["registry"]) and "since" in problem and problem
        ),
        "outage reported",
    )
    assert "127.0.0.1" not in outage
    reload = requests.post(f"{url}/models/{NAME}/reload", headers={"X-API-Key": API_KEY}, timeout=30)
    assert reload.status_code == 503
    assert "MLFLOW_TRACKING_URI" in reload.json()["detail"]


def test_champion_with_a_corrupt_artifact_is_not_served(stack: Stack) -> None:
    url = stack.start()
    stack.registry.promote(NAME, 2)
    eventually(lambda: served(url) == 2, "version 2 served")
    [damaged] = (stack.folder / "artifacts" / stack.versions[0].run_id).rglob(MODEL_FILE)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    for path in (stack.folder / "cache" / NAME).glob("1-*/*"):
        path.unlink()
    MlflowClient(registry_uri=stack.uri).set_registered_model_alias(NAME, "champion", "1")
    state = eventually(
        lambda: (
            (found := requests.get(f"{url}/readyz", timeout=5).json()["models"][NAME])["status"] == "stale" and found
        ),
        "failure reported",
    )
    assert state["champion_version"] == 2
    assert "damaged" in state["detail"]
    assert f'inference_model_stale{{model="{NAME}"}} 1.0' in requests.get(f"{url}/metrics", timeout=5).text


def test_rollback_over_http_is_recorded_and_served(stack: Stack) -> None:
    stack.registry.promote(NAME, 2)
    url = stack.start()
    assert served(url) == 2
    reply = requests.post(
        f"{url}/models/{NAME}/rollback", headers={"X-API-Key": API_KEY}, json={"reason": "a test"}, timeout=30
    )
    assert reply.status_code == 200, reply.text
    assert served(url) == 1
    [record] = stack.warehouse.promotion_history(NAME)
    assert (record.action, record.from_version, record.to_version, record.reason) == ("rollback", 2, 1, "a test")
    again = requests.post(f"{url}/models/{NAME}/rollback", headers={"X-API-Key": API_KEY}, timeout=30)
    assert again.status_code == 409


def test_predictions_reach_the_warehouse(stack: Stack, bundles: list[Path]) -> None:
    url = stack.start()
    record = load_bundle(bundles[0]).input_example
    reply = requests.post(f"{url}/predict", json=record, headers={"X-Request-ID": "logged"}, timeout=10).json()
    [row] = eventually(lambda: stack.warehouse.predictions(NAME), "prediction stored")
    assert (row["request_id"], row["model_version"]) == ("logged", 1)
    assert row["features"] == record
    assert row["prediction"] == reply["prediction"]


def test_stop_finishes_what_was_begun(stack: Stack, bundles: list[Path]) -> None:
    url = stack.start()
    body = {"records": [load_bundle(bundles[0]).input_example] * 60_000}
    replies: list[requests.Response] = []
    sender = threading.Thread(
        target=lambda: replies.append(requests.post(f"{url}/models/{NAME}/predict", json=body, timeout=60))
    )
    sender.start()
    under_way = "inference_large_requests 1.0"
    eventually(lambda: under_way in requests.get(f"{url}/metrics", timeout=30).text, "request under way")
    stack.processes[0].send_signal(signal.SIGTERM)
    sender.join()
    assert len(replies[0].json()["predictions"]) == 60_000
    assert stack.processes[0].wait(timeout=DEADLINE_SECONDS) in (0, -signal.SIGTERM)


def test_several_workers_serve_and_count_together(stack: Stack, bundles: list[Path]) -> None:
    url = stack.start("--workers", "2")
    record = load_bundle(bundles[0]).input_example
    for _ in range(40):  # a connection each, so that both workers get some
        eventually(lambda: requests.post(f"{url}/predict", json=record, timeout=10).ok, "answered")
    text = requests.get(f"{url}/metrics", timeout=5).text
    assert 'route="/predict",status="200"} 40.0' in text
    stack.registry.promote(NAME, 2)
    eventually(lambda: all(served(url) == 2 for _ in range(20)), "both workers follow")


def test_feedback_of_any_worker_becomes_live_performance(stack: Stack, bundles: list[Path]) -> None:
    url = stack.start("--workers", "2")
    record = load_bundle(bundles[0]).input_example
    for number in range(12):
        predicted = requests.post(
            f"{url}/models/{NAME}/predict",
            json={"records": [record] * 2},
            headers={"X-Request-ID": f"r{number}"},
            timeout=10,
        ).json()["predictions"]
        # At once, and by a connection of its own: another worker may answer.
        feedback = [
            {"request_id": f"r{number}", "record": place, "outcome": answer["prediction"]}
            for place, answer in enumerate(predicted)
        ]
        reply = requests.post(f"{url}/models/{NAME}/feedback", json={"feedback": feedback}, timeout=20)
        assert (reply.status_code, reply.json()) == (200, {"stored": 2, "replaced": 0})

    found = requests.get(f"{url}/models/{NAME}/monitoring", timeout=20).json()

    assert found["problem"] is None
    assert found["latency"]["requests"] == 12
    assert sum(bucket["predictions"] for bucket in found["traffic"]) == 24
    assert [(item["version"], item["rows"], item["value"]) for item in found["live"]["versions"]] == [(1, 24, 1.0)]
    assert found["drift"]["served"]["rows"] == 24


def test_version_shows_what_mlflow_holds_of_it(stack: Stack) -> None:
    run_id = stack.versions[0].run_id
    client = MlflowClient(tracking_uri=stack.uri, registry_uri=stack.uri)
    client.log_dict(run_id, {"metric": "accuracy", "intervals": {"accuracy": [0.8, 0.9]}}, "evaluation.json")
    client.log_text(run_id, "# Tarjeta 🐧", "model_card.md")
    client.log_text(stack.versions[1].run_id, "no JSON", "evaluation.json")
    url = stack.start()

    found = requests.get(f"{url}/models/{NAME}/versions/1", timeout=20).json()
    damaged = requests.get(f"{url}/models/{NAME}/versions/2", timeout=20).json()

    assert found["problem"] is None
    assert (found["model_card"], found["intervals"]) == ("# Tarjeta 🐧", {"accuracy": [0.8, 0.9]})
    assert (found["run_id"], found["decision"], found["aliases"]) == (run_id, None, ["champion"])
    assert damaged["evaluation"] is None
    assert "evaluation.json" in damaged["problem"]
