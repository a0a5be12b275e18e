"""What a promotion costs those who are being answered: latency, failures, memory, and the time to be ready.

A real MLflow server keeps eleven versions of a forest of 80 trees; the inference API runs as one process, and 500
requests a second are sent on a fixed schedule. Quiet rounds take turns with rounds in which ten versions, each of which
has to be downloaded, are promoted one after the other. Every reply must be the answer of the version that it names.

    python -m benchmarks.promotions [--rounds 3] [--rate 500] [--promotions 10]
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import requests
from mlflow import MlflowClient

from benchmarks.forest import fit_forest, training_rows
from benchmarks.paced_load import Load, send
from benchmarks.servers import ROOT, Server, running
from inference_api.onnx_predictor import OnnxPredictor
from pipeline.bundle import bundle_digest, load_bundle
from pipeline.export import export_bundle
from pipeline.registry import Registry
from pipeline.settings import PipelineSettings
from pipeline.use_case import UseCase, find_use_case
from pipeline.warehouse import open_warehouse

NAME = "covertype"
FURTHER_MODELS = 4
PAUSE_SECONDS = 2.0
PATIENCE_SECONDS = 60


def make_bundles(use_case: UseCase, root: Path, count: int) -> list[Path]:
    """Train forests that differ in their seed only, and export them."""
    rows = training_rows(use_case)
    folders = []
    for seed in range(count):
        folders.append(root / str(seed))
        export_bundle(
            fit_forest(use_case, rows, seed), use_case, rows, rows.head(500), folders[-1], run_id=f"seed-{seed}"
        )
    size = sum(path.stat().st_size for path in folders[0].iterdir()) / 1e6
    print(f"{count} versions of {size:.1f} MB each")
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


def check(load: Load, expected: dict[int, str]) -> None:
    """End the benchmark when a request failed or an answer is not that of the version it names."""
    if load.failures:
        raise SystemExit(f"{len(load.failures)} requests failed, the first: {load.failures[0]}")
    for version, answers in load.answers.items():
        if answers != {expected[version]}:
            raise SystemExit(f"version {version} answered {answers}, expected {expected[version]}")


def wait_for_version(url: str, name: str, version: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while requests.get(f"{url}/models/{name}", timeout=5).json().get("champion_version") != version:
        if time.monotonic() > deadline:
            raise SystemExit(f"version {version} of {name} was not served in {PATIENCE_SECONDS} s")
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
        ready.wait(PATIENCE_SECONDS)
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
    bundles = make_bundles(use_case, scratch / "bundles", 1 + max(options.promotions, 1 + FURTHER_MODELS))
    example = load_bundle(bundles[0]).input_example
    expected = {version: answer(folder, version, example) for version, folder in enumerate(bundles, start=1)}
    body = json.dumps(example).encode()
    warehouse = f"sqlite:///{scratch}/warehouse.db"
    open_warehouse(PipelineSettings(warehouse_url=warehouse)).migrate([use_case])
    registry_server = [sys.executable, "-m", "mlflow", "server", "--port", "PORT", "--workers", "1"]
    registry_server += ["--backend-store-uri", f"sqlite:///{scratch}/mlflow.db"]
    registry_server += ["--artifacts-destination", str(scratch / "files")]
    quiet_server = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with running(registry_server, "/health", quiet_server, scratch, one_core=False) as mlflow:
        register(mlflow.url, NAME, bundles[: options.promotions + 1])
        settings = {
            "MLFLOW_TRACKING_URI": mlflow.url,
            "MODEL_CACHE_DIR": str(scratch / "cache"),
            "MODEL_POLL_SECONDS": "0.5",
            "WAREHOUSE_URL": warehouse,
            "DEFAULT_USE_CASE": NAME,
            "USE_CASES_DIR": str(ROOT / "use_cases"),
            "PYTHONPATH": str(ROOT),
        }

        def inference_api() -> AbstractContextManager[Server]:
            command = [options.python, "-m", "inference_api", "--port", "PORT"]
            return running(command, "/readyz", settings, scratch, one_core=False)

        with inference_api() as api:
            print(f"ready after {api.start_seconds:.1f} s with an empty cache")
            asyncio.run(send(api.url, body, options.rate, 3, lambda: False))
            print(f"resident with one model: {api.resident_mb():.0f} MB")
        starts = []
        for _ in range(options.rounds):
            with inference_api() as api:
                starts.append(api.start_seconds)
        print(f"ready after {statistics.median(starts):.2f} s with a cached model (median of {options.rounds})")
        with inference_api() as api:
            measure_rounds(options, mlflow.url, api.url, body, expected)
            print(f"resident after {options.rounds * options.promotions} promotions: {api.resident_mb():.0f} MB")
        with inference_api() as api:
            measure_memory(api, mlflow.url, bundles)


def answer(folder: Path, version: int, record: dict[str, Any]) -> str:
    """The probabilities of a version's answer, as JSON."""
    predictor = OnnxPredictor(NAME, version, folder)
    values = predictor.validator.read_one(json.dumps(record).encode(), named=False)
    return json.dumps(predictor.predict_one(values).probabilities)


def measure_memory(api: Server, uri: str, bundles: Sequence[Path]) -> None:
    """How much each further model takes, after the first one: downloading imports modules once."""
    wait_for_version(api.url, NAME, Registry(uri).resolve(NAME, "champion").version)
    before = 0.0
    for number in range(FURTHER_MODELS + 1):
        name, bundle = f"further_{number}", bundles[number + 1]
        register(uri, name, [bundle])
        wait_for_version(api.url, name, 1)
        record = load_bundle(bundle).input_example
        requests.post(f"{api.url}/models/{name}/predict", json=record, timeout=5).raise_for_status()
        time.sleep(PAUSE_SECONDS)
        before = before or api.resident_mb()
    print(f"each further model: {(api.resident_mb() - before) / FURTHER_MODELS:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
