"""Foreign protocols against what speaks them: Triton's client, and MLflow's own scoring server beside this service."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
import tritonclient.http as triton
from sklearn.ensemble import RandomForestClassifier

from inference_api.model_cache import ModelCache, ServedRecord
from pipeline.bundle import bundle_digest
from pipeline.export import export_bundle
from pipeline.model_version import VersionInfo
from pipeline.preprocessing import build_pipeline
from pipeline.tracking import signature
from pipeline.trusted_types import TRUSTED_TYPES
from pipeline.use_case import UseCase
from tests.bundles import make_rows

pytestmark = pytest.mark.processes

REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 90


@contextmanager
def server(command: list[str], probe: str, **environment: str) -> Iterator[str]:
    """Run a server on a free port, which replaces PORT in its command, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(port) if part == "PORT" else part for part in command]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | environment, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not _answers(url + probe):
            assert process.poll() is None, f"{command} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{command} did not come up"
            time.sleep(0.1)
        yield url
    finally:
        # `mlflow models serve` runs uvicorn as a child that it does not take along.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="module")
def rows(penguins: UseCase) -> pd.DataFrame:
    return make_rows(penguins, 200)


@pytest.fixture(scope="module")
def folder(penguins: UseCase, rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model, as the cache of the service holds it and as MLflow does."""
    folder = tmp_path_factory.mktemp("protocols")
    features = rows[[column.name for column in penguins.features]]
    model = build_pipeline(penguins, RandomForestClassifier(20, random_state=0))
    model.fit(features, rows[penguins.target.name].to_numpy())
    version = VersionInfo(
        name=penguins.name, version=3, run_id="run", aliases=["champion"], created_at=datetime.now(UTC)
    )
    cache = ModelCache(folder / "cache")
    export_bundle(model, penguins, rows, rows, cache.folder(version), run_id="run")
    digest = bundle_digest(cache.folder(version))
    cache.remember(ServedRecord(champion=version, digest=digest, versions=[version]))
    mlflow.sklearn.save_model(
        model,
        folder / "model",
        signature=signature(penguins),
        pip_requirements=[],
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
    )
    return folder


@pytest.fixture(scope="module")
def ours(penguins: UseCase, folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "inference_api", "--port", "PORT"]
    settings = {
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",  # nobody listens: the model comes from the cache
        "MODEL_CACHE_DIR": str(folder / "cache"),
        "WAREHOUSE_URL": f"sqlite:///{folder / 'warehouse.db'}",
        "DEFAULT_USE_CASE": penguins.name,
    }
    with server(command, "/readyz", **settings) as url:
        yield url


@pytest.fixture(scope="module")
def mlflows(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder / "model"), "-p", "PORT"]
    # It looks for uvicorn on the PATH.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with server([*command, "--env-manager", "local", "--workers", "1"], "/ping", PATH=path) as url:
        yield url


def test_tritons_client_reads_the_metadata(ours: str, penguins: UseCase) -> None:
    client = triton.InferenceServerClient(ours.removeprefix("http://"))
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(penguins.name)
    assert client.is_model_ready(penguins.name, "3")
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata()["extensions"] == []
    metadata = client.get_model_metadata(penguins.name, "3")
    assert [each["name"] for each in metadata["inputs"]] == [column.name for column in penguins.features]
    with pytest.raises(triton.InferenceServerException, match="nobody"):
        client.get_model_metadata("nobody")


def test_tritons_client_predicts(ours: str, penguins: UseCase, rows: pd.DataFrame) -> None:
    client = triton.InferenceServerClient(ours.removeprefix("http://"))
    # Its JSON knows no missing values.
    whole = rows.dropna().head(20)
    datatypes = {each["name"]: each["datatype"] for each in client.get_model_metadata(penguins.name)["inputs"]}
    inputs = []
    for column in penguins.features:
        values = whole[column.name].to_numpy()
        datatype = datatypes[column.name]
        kind = {"INT64": np.int64, "FP64": np.float64, "BYTES": np.object_}[datatype]
        tensor = triton.InferInput(column.name, [len(whole)], datatype)
        tensor.set_data_from_numpy(values.astype(kind), binary_data=False)
        inputs.append(tensor)
    wanted = [triton.InferRequestedOutput(name, binary_data=False) for name in ("prediction", "probabilities")]
    for outputs in (wanted, None):
        found = client.infer(penguins.name, inputs, outputs=outputs, request_id="mine", model_version="3")
        assert found.get_response()["id"] == "mine"
        records = whole[[column.name for column in penguins.features]].to_dict("records")
        reply = requests.post(f"{ours}/models/{penguins.name}/predict", json={"records": records}, timeout=30).json()
        assert found.as_numpy("prediction").tolist() == [each["prediction"] for each in reply["predictions"]]
        expected = [list(each["probabilities"].values()) for each in reply["predictions"]]
        np.testing.assert_array_equal(found.as_numpy("probabilities"), expected)
    inputs[1].set_data_from_numpy(np.full(len(whole), -1.0), binary_data=False)
    with pytest.raises(triton.InferenceServerException, match=rf"inputs\.{penguins.features[1].name}\[0\]"):
        client.infer(penguins.name, inputs)


def _post(url: str, body: Any, content_type: str = "application/json") -> requests.Response:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return requests.post(f"{url}/invocations", data=content, headers={"Content-Type": content_type}, timeout=30)


def test_good_calls_are_answered_as_mlflow_answers_them(
    ours: str, mlflows: str, penguins: UseCase, rows: pd.DataFrame
) -> None:
    features = rows[[column.name for column in penguins.features]]
    # JSON has no NaN; MLflow's reader takes null for it.
    records = json.loads(features.to_json(orient="records"))
    split = json.loads(features.to_json(orient="split"))
    columns = {name: [record[name] for record in records] for name in records[0]}
    calls: list[tuple[Any, str]] = [
        ({"dataframe_records": records}, "application/json"),
        ({"dataframe_split": split}, "application/json"),
        ({"dataframe_split": {"columns": split["columns"], "data": split["data"]}}, "application/json; charset=utf-8"),
        ({"instances": records}, "application/json"),
        ({"inputs": columns}, "application/json"),
        ({"dataframe_records": [record | {"more": 1} for record in records]}, "application/json"),
        (features.to_csv(index=False), "text/csv"),
    ]
    for body, content_type in calls:
        theirs, found = _post(mlflows, body, content_type), _post(ours, body, content_type)
        assert (theirs.status_code, found.status_code) == (200, 200), theirs.text + found.text
        assert found.json() == theirs.json()
        assert found.headers["content-type"] == theirs.headers["content-type"]


def test_bad_calls_are_refused_as_mlflow_refuses_them(ours: str, mlflows: str, rows: pd.DataFrame) -> None:
    record = json.loads(rows.dropna().head(1).to_json(orient="records"))[0]
    number = next(name for name, value in record.items() if isinstance(value, float))
    calls: list[tuple[Any, str]] = [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"5", "application/json"),
        ({}, "application/json"),
        ({"records": [record]}, "application/json"),
        ({"instances": [record], "inputs": record}, "application/json"),
        ({"dataframe_records": {"a": 1}}, "application/json"),
        ({"dataframe_records": [{"a": 1}]}, "application/json"),
        ({"dataframe_records": [record | {number: "x"}]}, "application/json"),
        ({"dataframe_records": [record | {number: [1]}]}, "application/json"),
        ({"dataframe_split": [1]}, "application/json"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "application/json"),
        ({"inputs": {"a": [1]}}, "application/json"),
        ("a\n1\n", "text/csv"),
        ("x", "text/plain"),
        ("x", "text/csv; charset=latin-1"),
        ("x", "text/csv; header=yes"),
    ]
    for body, content_type in calls:
        theirs, found = _post(mlflows, body, content_type), _post(ours, body, content_type)
        assert 400 <= theirs.status_code < 500, f"{body!r}: {theirs.status_code} {theirs.text}"
        assert found.status_code == theirs.status_code, f"{body!r}: {found.text}"
        if theirs.status_code == 400:
            # Theirs tells data that do not fit the signature apart, and adds fields of its own.
            assert theirs.json()["error_code"] in ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")
            assert found.json()["error_code"] == "BAD_REQUEST"
            assert set(found.json()) == {"error_code", "message"} <= set(theirs.json())


@pytest.mark.parametrize("path", ["/ping", "/health", "/version"])
def test_probes_are_answered_as_mlflow_answers_them(ours: str, mlflows: str, path: str) -> None:
    theirs, found = (requests.get(url + path, timeout=30) for url in (mlflows, ours))
    assert (found.status_code, found.content) == (theirs.status_code, theirs.content)
    assert found.headers["content-type"] == theirs.headers["content-type"]
