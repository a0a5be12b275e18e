"""A stack of containers under test: its own project name and ports, so that it never meets one that a person runs."""

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pymysql
import requests
from botocore.exceptions import BotoCoreError, ClientError

from local_stack.airflow_client import AirflowClient
from pipeline.errors import PipelineError

ROOT = Path(__file__).resolve().parents[2]
PORTS = (
    "AIRFLOW_PORT",
    "MLFLOW_PORT",
    "MINIO_PORT",
    "MINIO_CONSOLE_PORT",
    "INFERENCE_API_PORT",
    "UI_PORT",
    "EXTERNAL_DATA_API_PORT",
    "PROMETHEUS_PORT",
    "JUPYTER_PORT",
    "LOCUST_PORT",
)
JOBS = ("preflight", "mlflow-init", "airflow-init", "pipeline-init")
# Machines that test are slow and busy; a healthy stack needs a fraction of it.
PATIENCE_SECONDS = 300
# What "not there yet" looks like over HTTP, S3 and SQL.
NOT_YET = (requests.RequestException, ClientError, BotoCoreError, pymysql.MySQLError, PipelineError)
Found = TypeVar("Found")


class ComposeError(AssertionError):
    """A docker compose command failed."""


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, all different."""
    with contextlib.ExitStack() as sockets:
        opened = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in opened:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in opened]


@dataclass
class ComposeStack:
    """One Compose project.

    Parameters
    ----------
    project : its name, also the prefix of its containers and volumes.
    settings : variables that replace those of ``.env``.
    root : folder of the compose file.
    """

    project: str
    settings: dict[str, str] = field(default_factory=dict)
    root: Path = ROOT

    def __post_init__(self) -> None:
        ports = zip(PORTS, map(str, free_ports(len(PORTS))), strict=True)
        self.settings = dict(ports) | self.settings

    def compose(self, *arguments: str, timeout: float = 600, settings: Mapping[str, str] | None = None) -> str:
        """Run ``docker compose`` on this project and return its output.

        Raises
        ------
        ComposeError
            It failed; with all it said.
        """
        done = self.run("docker", "compose", *arguments, timeout=timeout, settings=settings)
        if done.returncode:
            raise ComposeError(f"docker compose {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def run(
        self, *command: str, timeout: float = 600, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the environment of this project."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
        environment |= self.settings | {"COMPOSE_PROJECT_NAME": self.project} | dict(settings or {})
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    def url(self, port: str) -> str:
        """Address of what is published at the port of that variable."""
        return f"http://localhost:{self.settings[port]}"

    @property
    def api(self) -> str:
        return self.url("INFERENCE_API_PORT")

    @property
    def airflow(self) -> AirflowClient:
        return AirflowClient(self.url("AIRFLOW_PORT"), "admin", "dev-only-admin")

    def object_store(self) -> Any:
        """S3 client of the store's administrator."""
        return boto3.client(
            "s3",
            endpoint_url=self.url("MINIO_PORT"),
            aws_access_key_id="minio",
            aws_secret_access_key="dev-only-minio",
            region_name="us-east-1",
        )

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Names of what a bucket holds."""
        pages = self.object_store().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def sql(self, query: str, user: str = "warehouse") -> list[list[str]]:
        """Rows of a query in the user's own database of MySQL."""
        password = f"dev-only-{user}"
        done = self.run(
            *("docker", "compose", "exec", "-T", "-e", f"MYSQL_PWD={password}", "mysql"),
            *("mysql", f"--user={user}", "--protocol=tcp", "--host=127.0.0.1", "--batch", "--skip-column-names"),
            *("--execute", query, user),
        )
        if done.returncode:
            raise pymysql.MySQLError(done.stderr.strip())
        return [line.split("\t") for line in done.stdout.splitlines()]

    def inside(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a service's container."""
        return self.run("docker", "compose", "exec", "-T", service, *command)

    def containers(self) -> Mapping[str, dict[str, Any]]:
        """What ``docker inspect`` knows of each service's container, one-shot jobs included."""
        identifiers = self.compose("ps", "--all", "--quiet").split()
        if not identifiers:
            return {}
        inspected: Sequence[dict[str, Any]] = json.loads(self.run("docker", "inspect", *identifiers).stdout)
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in inspected}

    def is_healthy(self, service: str) -> bool:
        """Whether the service's container runs and passes its healthcheck."""
        state = self.containers()[service]["State"]
        return state["Status"] == "running" and state["Health"]["Status"] == "healthy"

    def wait(self, what: str, look: Callable[[], Found | None], patience: float = PATIENCE_SECONDS) -> Found:
        """Look until there is something."""
        deadline = time.monotonic() + patience
        last: Exception | None = None
        while time.monotonic() < deadline:
            try:
                if found := look():
                    return found
            except NOT_YET as error:
                last = error
            time.sleep(0.5)
        raise AssertionError(f"no {what} within {patience:.0f} s (last error: {last})\n{self.report()}")

    def report(self) -> str:
        """State of the containers, and the end of the logs of those that are not well."""
        states = self.run("docker", "compose", "ps", "--all").stdout
        logs = self.run("docker", "compose", "logs", "--no-color", "--tail", "25").stdout
        return f"{states}\n{logs}"

    def remove(self) -> None:
        """Take down containers, networks and volumes."""
        self.run("docker", "compose", "--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "2")
