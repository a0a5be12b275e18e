"""How fast ``POST /predict`` is, beside a FastAPI endpoint that validates the same body and returns a constant.

Both servers run at the same time, one process each, and wrk asks them in turn: the ratio of one round is of one moment.
Beside the rate stands the CPU time of the server process per request, background threads included, which a busy machine
changes little.

    python -m benchmarks.serving [--rounds 5] [--seconds 3]

Real rows are used where ``COVERTYPE_CSV`` names them, generated ones elsewhere.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import psutil
import requests
from fastapi import FastAPI
from pydantic import BaseModel, Field
from sklearn.ensemble import RandomForestClassifier

from external_data_api.datasets import open_dataset
from inference_api.model_cache import ModelCache, ServedRecord
from pipeline.bundle import bundle_digest, load_bundle
from pipeline.export import export_bundle
from pipeline.model_version import VersionInfo
from pipeline.preprocessing import build_pipeline
from pipeline.settings import ExternalDataApiSettings, PipelineSettings
from pipeline.use_case import UseCase, find_use_case
from pipeline.warehouse import open_warehouse

TREES = 80
TRAINING_ROWS = 7000
CONNECTIONS = (1, 16)
START_SECONDS = 30


class CovertypeBody(BaseModel):
    """The body of ``/predict`` as one would write it for pydantic."""

    Elevation: Annotated[int, Field(ge=0, le=9000)]
    Aspect: Annotated[int, Field(ge=0, le=360)]
    Slope: Annotated[int, Field(ge=0, le=90)]
    Horizontal_Distance_To_Hydrology: Annotated[int, Field(ge=0, le=10000)]
    Vertical_Distance_To_Hydrology: Annotated[int, Field(ge=-1000, le=1000)]
    Horizontal_Distance_To_Roadways: Annotated[int, Field(ge=0, le=20000)]
    Hillshade_9am: Annotated[int, Field(ge=0, le=255)]
    Hillshade_Noon: Annotated[int, Field(ge=0, le=255)]
    Hillshade_3pm: Annotated[int, Field(ge=0, le=255)]
    Horizontal_Distance_To_Fire_Points: Annotated[int, Field(ge=0, le=20000)]
    Wilderness_Area: Literal["Rawah", "Neota", "Commanche", "Cache"]
    Soil_Type: str


def constant_app() -> FastAPI:
    """The yardstick: FastAPI validates the body and answers a constant."""
    app = FastAPI()

    @app.post("/predict")
    async def predict(body: CovertypeBody) -> dict[str, int]:  # noqa: ARG001 (validating it is the work)
        return {"prediction": 5}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    return app


def cached_model(use_case: UseCase, cache: ModelCache, script: Path) -> None:
    """Train and export a forest, put it where the API finds it without a registry, and write wrk's script."""
    dataset = open_dataset(use_case, ExternalDataApiSettings(source_rows=TRAINING_ROWS))
    print(f"rows: {dataset.origin}; forest of {TREES} trees on {TRAINING_ROWS} rows", flush=True)
    texts = [json.loads(row) for row in dataset.rows[:TRAINING_ROWS]]
    rows = pd.DataFrame(texts, columns=[column.name for column in use_case.columns])
    for column in use_case.features:
        if column.is_numeric:
            rows[column.name] = rows[column.name].astype(float)
    model = build_pipeline(use_case, RandomForestClassifier(TREES, random_state=0))
    model.fit(rows[[column.name for column in use_case.features]], rows[use_case.target.name].to_numpy())
    version = VersionInfo(
        name=use_case.name, version=1, run_id="benchmark", aliases=["champion"], created_at=datetime.now(UTC)
    )
    folder = cache.folder(version)
    export_bundle(model, use_case, rows, rows.head(500), folder, run_id=version.run_id)
    cache.remember(ServedRecord(champion=version, digest=bundle_digest(folder), versions=[version]))
    example = json.dumps(load_bundle(folder).input_example)
    script.write_text(
        f"wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [[{example}]]\n"
    )


@contextmanager
def running(factory: str, environment: dict[str, str]) -> Iterator["Server"]:
    """One uvicorn process until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", factory, "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning"]
    server = subprocess.Popen(command, env=os.environ | environment)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _is_ready(url):
            if time.monotonic() > deadline or server.poll() is not None:
                raise SystemExit(f"{factory} did not come up in {START_SECONDS} s")
            time.sleep(0.1)
        yield Server(url, psutil.Process(server.pid))
    finally:
        server.terminate()
        server.wait()


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=1).ok
    except requests.RequestException:
        return False


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@dataclass(frozen=True)
class Measurement:
    """Requests per second, 99th percentile in milliseconds, microseconds of CPU per request."""

    rate: float
    p99: float
    cpu: float


def measure(server: Server, script: Path, connections: int, seconds: int) -> Measurement:
    """Load ``POST /predict``; any failed request ends the benchmark."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    before = server.cpu_seconds()
    output = subprocess.run([*command, f"{server.url}/predict"], check=True, capture_output=True, text=True).stdout
    spent = server.cpu_seconds() - before
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"requests failed:\n{output}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])  # type: ignore[index]
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", output).groups()  # type: ignore[union-attr]
    count = int(re.search(r"(\d+) requests in", output)[1])  # type: ignore[index]
    return Measurement(rate, float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit], spent / count * 1e6)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of one measurement")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("this benchmark needs wrk (https://github.com/wg/wrk) on the PATH", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        use_case = find_use_case(Path("use_cases"), "covertype")
        cached_model(use_case, ModelCache(scratch / "cache"), scratch / "body.lua")
        environment = {
            "MODEL_CACHE_DIR": str(scratch / "cache"),
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",  # nobody listens: the registry has no part in this
            "WAREHOUSE_URL": f"sqlite:///{scratch}/warehouse.db",
        }
        _create_warehouse(environment["WAREHOUSE_URL"], use_case)
        ours, constant = "inference_api.app:create_default_app", "benchmarks.serving:constant_app"
        with running(ours, environment) as our_server, running(constant, {}) as constant_server:
            for connections in CONNECTIONS:
                _compare(our_server, constant_server, scratch / "body.lua", connections, options)
    return 0


def _create_warehouse(url: str, use_case: UseCase) -> None:
    """So that the prediction log is at work as in production."""
    open_warehouse(PipelineSettings(warehouse_url=url)).migrate([use_case])


def _compare(ours: Server, constant: Server, script: Path, connections: int, options: argparse.Namespace) -> None:
    rounds = [
        [measure(server, script, connections, options.seconds) for server in (ours, constant)]
        for _ in range(options.rounds)
    ]
    for name, found in zip(("/predict", "constant"), zip(*rounds, strict=True), strict=True):
        rate, p99, cpu = (statistics.median(getattr(each, key) for each in found) for key in ("rate", "p99", "cpu"))
        print(
            f"{connections:3} connections  {name:9} {rate:7.0f} requests/s  p99 {p99:6.2f} ms  CPU {cpu:4.0f} µs each"
        )
    ratio = statistics.median(our.rate / other.rate for our, other in rounds)
    cpu_ratio = statistics.median(our.cpu / other.cpu for our, other in rounds)
    print(f"{connections:3} connections  ratio of rates {ratio:.2f}, of CPU per request {cpu_ratio:.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
