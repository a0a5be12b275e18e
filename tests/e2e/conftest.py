"""The whole product as real processes on free ports, started once for all tests of this folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from external_data_api.datasets import csv_variable
from local_stack.__main__ import configure
from local_stack.configuration import PORTS
from tests.e2e.running_stack import Stack
from tests.e2e.small_stack import SmallStack
from tests.e2e.wine import WINE, write_wine_rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    os.environ.setdefault("COLLECT_INTERVAL_SECONDS", "15")
    os.environ.setdefault("MIN_UPDATE_TIME", "15")
    configuration = configure(folder, free_ports=True)
    ports = {PORTS[service][0]: str(port) for service, port in configuration.ports.items()}
    output = folder / "terminal.log"
    command = [sys.executable, "-m", "local_stack", "up", "--folder", str(folder)]
    identity = ["--stack-id", configuration.stack_id]
    with output.open("wb") as terminal:
        launcher = subprocess.Popen(
            [*command, *identity], cwd=ROOT, env=os.environ | ports, stdout=terminal, stderr=subprocess.STDOUT
        )
    running = Stack(configuration, launcher, output)
    yield running
    if launcher.poll() is None:
        running.stop()


@pytest.fixture(scope="session")
def small_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallStack]:
    """Everything but Airflow, with a fourth use case: one YAML file beside the others, and one CSV."""
    folder = tmp_path_factory.mktemp("small-stack")
    shutil.copytree(ROOT / "use_cases", folder / "use_cases")
    (folder / "use_cases" / "wine.yaml").write_text(WINE, encoding="utf-8")
    settings = {
        "USE_CASES_DIR": str(folder / "use_cases"),
        "DEFAULT_USE_CASE": "wine",
        csv_variable("wine"): str(write_wine_rows(folder / "wine.csv")),
        "WINE_SAMPLE_SHARE": "1",
        "PENGUINS_SAMPLE_SHARE": "1",
        "SOURCE_ROWS": "1000",
        "BATCH_COUNT": "2",
        "MIN_UPDATE_TIME": "0",
        "MODEL_POLL_SECONDS": "0.5",
        "SEARCH_JOBS": "1",
        "OMP_NUM_THREADS": "1",
    }
    stack = SmallStack(folder / "state", settings)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
