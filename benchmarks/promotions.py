"""What a promotion costs those who are being answered: latency, failures, memory, and the time to be ready.

A real MLflow server keeps eleven versions of a forest of 80 trees; the inference API runs as one process, and 500
requests a second are sent on a fixed schedule. Quiet rounds take turns with rounds in which ten versions, each of which
has to be downloaded, are promoted one after the other. Every reply must be the answer of the version that it names.

    python -m benchmarks.promotions [--rounds 3] [--rate 500] [--promotions 10]

Latency counts from the moment a request was due, so a service that stalls cannot hide it by slowing its clients.
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import requests
from mlflow import MlflowClient
from sklearn.ensemble import RandomForestClassifier

from external_data_api.datasets import open_dataset
from inference_api.onnx_predictor import OnnxPredictor
from pipeline.bundle import bundle_digest, load_bundle
from pipeline.export import export_bundle
from pipeline.preprocessing import build_pipeline
from pipeline.registry import Registry
from pipeline.settings import ExternalDataApiSettings, PipelineSettings
from pipeline.use_case import UseCase, find_use_case
from pipeline.warehouse import open_warehouse

NAME = "covertype"
TREES = 80
TRAINING_ROWS = 7000
FURTHER_MODELS = 4
CONNECTIONS = 8
PAUSE_SECONDS = 2.0
START_SECONDS = 60


@dataclass
class Load:
    """What came of one round: seconds of each request, and what was answered."""

    seconds: list[float] = field(default_factory=list)
    answers: dict[int, set[str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def p(self, percent: int) -> float:
        """A percentile, in milliseconds."""
        return statistics.quantiles(self.seconds, n=100)[percent - 1] * 1000


def make_bundles(use_case: UseCase, root: Path, count: int) -> list[Path]:
    """Train forests that differ in their seed only, and export them."""
    dataset = open_dataset(use_case, ExternalDataApiSettings(source_rows=TRAINING_ROWS))
    texts = [json.loads(row) for row in dataset.rows[:TRAINING_ROWS]]
    rows = pd.DataFrame(texts, columns=[column.name for column in use_case.columns])
    for column in use_case.features:
        if column.is_numeric:
            rows[column.name] = rows[column.name].astype(float)
    folders = []
    for seed in range(count):
        model = build_pipeline(use_case, RandomForestClassifier(TREES, random_state=seed))
        model.fit(rows[[column.name for column in use_case.features]], rows[use_case.target.name].to_numpy())
        folders.append(root / str(seed))
        export_bundle(model, use_case, rows, rows.head(500), folders[-1], run_id=f"seed-{seed}")
    size = sum(path.stat().st_size for path in folders[0].iterdir()) / 1e6
    print(f"rows: {dataset.origin}; {count} forests of {TREES} trees on {TRAINING_ROWS} rows, {size:.1f} MB each")
    return folders


def register(uri: str, name: str, folders: Sequence[Path]) -> None:
    """Register bundles as versions of one model, the first as champion."""
    client, registry = MlflowClient(tracking_uri=uri, registry_uri=uri), Registry(uri)
    experiment = client.create_experiment(f"{name}-versions")
    for folder in folders:
        run = client.create_run(experiment).info.run_id
        client.log_artifacts(run, str(folder), "serving")
        registry.register(name, run, f"runs:/{run}/serving", {"serving_digest": bundle_digest(folder)})
    registry.promote(name, 1)


def promote_each(uri: str, url: str, versions: Sequence[int], ready: Any) -> None:
    """Promote one version after the other, in a process of its own so that it costs the load generator nothing."""
    registry = Registry(uri)
    registry.models()  # imports MLflow
    ready.set()
    for version in versions:
        registry.promote(NAME, version)
        wait_for_version(url, NAME, version)
        time.sleep(PAUSE_SECONDS)


async def send(url: str, body: bytes, rate: float, seconds: float, go_on: Callable[[], bool]) -> Load:
    """Send requests when they are due, over a few connections that are kept open.

    Parameters
    ----------
    seconds, go_on : how long at least, and for how much longer.
    """
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    message, load, least = head.encode() + body, Load(), int(rate * seconds)
    begin = time.perf_counter() + 0.1

    async def client(place: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in itertools.count(place, CONNECTIONS):
            if number >= least and not go_on():
                break
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(message)
            header = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(header.split("content-length:")[1].split("\r\n")[0])
            content = await reader.readexactly(length)
            load.seconds.append(time.perf_counter() - due)
            if " 200 " not in header.split("\r\n")[0]:
                load.failures.append(content.decode()[:200])
                continue
            reply = json.loads(content)
            load.answers.setdefault(reply["model_version"], set()).add(json.dumps(reply["probabilities"]))
        writer.close()

    await asyncio.gather(*(client(place) for place in range(CONNECTIONS)))
    return load


def check(load: Load, expected: dict[int, str]) -> None:
    """End the benchmark when a request failed or an answer is not that of the version it names."""
    if load.failures:
        raise SystemExit(f"{len(load.failures)} requests failed, the first: {load.failures[0]}")
    for version, answers in load.answers.items():
        if answers != {expected[version]}:
            raise SystemExit(f"version {version} answered {answers}, expected {expected[version]}")


@contextmanager
def running(command: list[str], url: str, path: str, environment: dict[str, str]) -> Iterator[tuple[int, float]]:
    """A process until the block ends; yields its id and the seconds it took to answer `path`."""
    began = time.monotonic()
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                if requests.get(url + path, timeout=2).ok:
                    break
            except requests.RequestException:
                pass
            if time.monotonic() - began > START_SECONDS or process.poll() is not None:
                raise SystemExit(f"{command[:4]} did not come up in {START_SECONDS} s")
            time.sleep(0.01)
        yield process.pid, time.monotonic() - began
    finally:
        process.terminate()
        process.wait()


def free_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def resident_mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss / 1e6)


def wait_for_version(url: str, name: str, version: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while requests.get(f"{url}/models/{name}", timeout=5).json().get("champion_version") != version:
        if time.monotonic() > deadline:
            raise SystemExit(f"version {version} of {name} was not served in {START_SECONDS} s")
        time.sleep(0.1)


def measure_rounds(options: argparse.Namespace, uri: str, url: str, body: bytes, expected: dict[int, str]) -> None:
    """Quiet rounds and rounds with promotions, taking turns."""
    seconds = options.promotions * PAUSE_SECONDS + 2
    versions = range(2, options.promotions + 2)
    ratios = []
    for number in range(options.rounds):
        quiet = asyncio.run(send(url, body, options.rate, seconds, lambda: False))
        order = list(versions) if number % 2 == 0 else [*reversed(versions[:-1]), 1]
        context = multiprocessing.get_context("spawn")
        ready = context.Event()
        promoter = context.Process(target=promote_each, args=(uri, url, order, ready))
        promoter.start()
        ready.wait(START_SECONDS)
        busy = asyncio.run(send(url, body, options.rate, seconds, promoter.is_alive))
        promoter.join()
        if promoter.exitcode or not {*order} <= busy.answers.keys():
            raise SystemExit(f"promoted {order}, but versions {sorted(busy.answers)} answered")
        check(quiet, expected)
        check(busy, expected)
        ratios.append(busy.p(99) / quiet.p(99))
        print(
            f"round {number + 1}: {len(busy.seconds)} requests, {len(busy.answers)} versions answered, 0 failed; "
            f"p50 {quiet.p(50):.2f} → {busy.p(50):.2f} ms, p99 {quiet.p(99):.2f} → {busy.p(99):.2f} ms "
            f"({ratios[-1]:.1f} ×), longest {max(quiet.seconds) * 1000:.0f} → {max(busy.seconds) * 1000:.0f} ms",
            flush=True,
        )
    print(f"p99 during promotions is {statistics.median(ratios):.1f} × the quiet one (median of the rounds)")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.promotions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=500, help="requests a second")
    parser.add_argument("--promotions", type=int, default=10, help="in one round")
    parser.add_argument(
        "--python",
        default=sys.executable,
        help="interpreter of the service; one with the group inference-api alone has the memory of the image",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options)
    return 0


def measure(scratch: Path, options: argparse.Namespace) -> None:
    use_case = find_use_case(Path("use_cases"), NAME)
    bundles = make_bundles(use_case, scratch / "bundles", options.promotions + 1)
    example = load_bundle(bundles[0]).input_example
    expected = {version: answer(folder, version, example) for version, folder in enumerate(bundles, start=1)}
    uri, url = free_url(), free_url()
    warehouse = f"sqlite:///{scratch}/warehouse.db"
    open_warehouse(PipelineSettings(warehouse_url=warehouse)).migrate([use_case])
    server = [sys.executable, "-m", "mlflow", "server", "--port", uri.split(":")[-1], "--workers", "1"]
    server += [
        "--backend-store-uri",
        f"sqlite:///{scratch}/mlflow.db",
        "--artifacts-destination",
        str(scratch / "files"),
    ]
    api = [options.python, "-m", "inference_api", "--port", url.split(":")[-1]]
    settings = {
        "MLFLOW_TRACKING_URI": uri,
        "MODEL_CACHE_DIR": str(scratch / "cache"),
        "MODEL_POLL_SECONDS": "0.5",
        "WAREHOUSE_URL": warehouse,
        "DEFAULT_USE_CASE": NAME,
    }
    quiet_server = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with running(server, uri, "/health", quiet_server):
        register(uri, NAME, bundles)
        with running(api, url, "/readyz", settings) as (pid, seconds):
            print(f"ready after {seconds:.1f} s with an empty cache")
            asyncio.run(send(url, json.dumps(example).encode(), options.rate, 3, lambda: False))
            print(f"resident with one model: {resident_mb(pid):.0f} MB")
        starts = []
        for _ in range(options.rounds):
            with running(api, url, "/readyz", settings) as (_, seconds):
                starts.append(seconds)
        print(f"ready after {statistics.median(starts):.2f} s with a cached model (median of {options.rounds})")
        with running(api, url, "/readyz", settings) as (pid, _):
            measure_rounds(options, uri, url, json.dumps(example).encode(), expected)
            print(f"resident after {options.rounds * options.promotions} promotions: {resident_mb(pid):.0f} MB")
        with running(api, url, "/readyz", settings) as (pid, _):
            measure_memory(pid, uri, url, bundles)


def answer(folder: Path, version: int, record: dict[str, Any]) -> str:
    """The probabilities of a version's answer, as JSON."""
    predictor = OnnxPredictor(NAME, version, folder)
    values = predictor.validator.read_one(json.dumps(record).encode(), named=False)
    return json.dumps(predictor.predict_one(values).probabilities)


def measure_memory(pid: int, uri: str, url: str, bundles: Sequence[Path]) -> None:
    """How much each further model takes, after the first one: downloading imports modules once."""
    wait_for_version(url, NAME, Registry(uri).resolve(NAME, "champion").version)
    before = 0.0
    for number in range(FURTHER_MODELS + 1):
        name, bundle = f"further_{number}", bundles[number + 1]
        register(uri, name, [bundle])
        wait_for_version(url, name, 1)
        record = load_bundle(bundle).input_example
        requests.post(f"{url}/models/{name}/predict", json=record, timeout=5).raise_for_status()
        time.sleep(PAUSE_SECONDS)
        before = before or resident_mb(pid)
    print(f"each further model: {(resident_mb(pid) - before) / FURTHER_MODELS:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
