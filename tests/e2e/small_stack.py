"""The local stack without Airflow, with use cases of the tests' own: `mlops` does by hand what the DAGs do."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from local_stack.__main__ import configure
from local_stack.configuration import Configuration
from local_stack.services import Service, services
from local_stack.supervisor import tail

PATIENCE_SECONDS = 180


class SmallStack:
    """Batch source, MLflow, inference API and UI as real processes on free ports.

    Parameters
    ----------
    folder : everything they write is below it.
    settings : variables that replace those of the local stack.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.configuration: Configuration = configure(folder, free_ports=True)
        self.environment = self.configuration.environment() | dict(settings)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Make the databases and start every service; returns when all of them answer."""
        for folder in (self.configuration.logs, self.configuration.folder / "mlflow"):
            folder.mkdir(parents=True)
        self.mlops("init")
        running = [service for service in services(self.configuration) if not service.name.startswith("airflow")]
        for service in running:
            # Started from another folder than the repository's.
            with self._log(service.name).open("wb") as log:
                self._processes[service.name] = subprocess.Popen(
                    service.command, env=self.environment, cwd=self.configuration.logs, stdout=log, stderr=log
                )
        for service in running:
            self._wait_until_up(service)

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(timeout=30)

    def url(self, service: str) -> str:
        return self.configuration.url(service)

    def mlops(self, *arguments: str) -> str:
        """Run the command as a person would; its output."""
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments],
            env=self.environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _wait_until_up(self, service: Service) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self._processes[service.name].poll() is None:
            try:
                if requests.get(service.health, timeout=2).ok:
                    return
            except requests.RequestException:
                time.sleep(0.2)
        raise AssertionError(f"{service.name} did not start:\n{tail(self._log(service.name), 40)}")

    def _log(self, name: str) -> Path:
        return self.configuration.logs / f"{name}.log"
