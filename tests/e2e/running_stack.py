"""A stack under test: its processes, its addresses, and waiting for what it does."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import requests

from local_stack.airflow_client import AirflowClient
from local_stack.configuration import Configuration
from local_stack.supervisor import stack_processes, tail

PATIENCE_SECONDS = 240
Found = TypeVar("Found")


@dataclass
class Stack:
    """A running stack, and how to ask it."""

    configuration: Configuration
    launcher: subprocess.Popen[bytes]
    output: Path

    @property
    def api(self) -> str:
        return self.configuration.url("inference-api")

    @property
    def environment(self) -> Mapping[str, str]:
        return self.configuration.environment()

    @property
    def airflow(self) -> AirflowClient:
        settings = self.configuration.settings
        url = self.configuration.url("airflow")
        return AirflowClient(url, settings["AIRFLOW_ADMIN_USER"], settings["AIRFLOW_ADMIN_PASSWORD"])

    def wait(self, what: str, look: Callable[[], Found | None]) -> Found:
        """Look until there is something, as long as the stack runs."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self.launcher.poll() is None, f"the stack stopped:\n{tail(self.output, 60)}"
            try:
                if found := look():
                    return found
            except requests.RequestException:
                pass  # not up yet, or about to answer: the deadline decides
            time.sleep(0.5)
        raise AssertionError(f"no {what} within {PATIENCE_SECONDS} s:\n{tail(self.output, 60)}")

    def processes(self) -> set[psutil.Process]:
        """Everything that runs on behalf of this stack now."""
        try:
            descendants = psutil.Process(self.launcher.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            descendants = []
        return {*descendants, *stack_processes(self.configuration.stack_id)}

    def stop(self) -> int:
        """Ctrl-C."""
        self.launcher.send_signal(signal.SIGINT)
        return self.launcher.wait(timeout=30)
