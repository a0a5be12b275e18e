"""The whole product as real processes on free ports, started once for all tests of this folder."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.__main__ import configure
from local_stack.configuration import PORTS
from tests.e2e.running_stack import Stack

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
