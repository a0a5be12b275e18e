"""The UI as a real process against an inference API of the tests' own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.browser.fake_inference_api import FakeInferenceApi, serve_fake_api

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90


@pytest.fixture(scope="session")
def shared_api() -> Iterator[FakeInferenceApi]:
    with serve_fake_api() as api:
        yield api


@pytest.fixture(scope="session")
def ui_url(shared_api: FakeInferenceApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of ``streamlit run ui/app.py``, started from another folder than the repository's."""
    port = _free_port()
    log = tmp_path_factory.mktemp("ui") / "ui.log"
    environment = {
        **os.environ,
        "INFERENCE_API_URL": shared_api.url,
        "UI_TIMEOUT_SECONDS": "3",
        "STREAMLIT_SERVER_PORT": str(port),
        "PYTHONPATH": str(ROOT),
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(ROOT / "ui" / "app.py")],
            cwd=log.parent,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_up(f"http://127.0.0.1:{port}/_stcore/health", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def fake_api(shared_api: FakeInferenceApi) -> Iterator[FakeInferenceApi]:
    """The API behind `ui_url`, without the faults that the test before put into it."""
    shared_api.reset()
    yield shared_api
    shared_api.reset()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    pytest.fail(f"the UI did not start:\n{log.read_text()}")
