"""MySQL and an S3 server in containers, each removed with everything in it when its block ends."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import boto3
import pymysql
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

MYSQL_IMAGE = "mysql:9.7"
S3_IMAGE = "pgsty/silo:RELEASE.2026-09-03T13-18-01Z"
READY_SECONDS = 90


@dataclass(frozen=True)
class Server:
    """Where a container listens, and the login it was made with."""

    host: str
    port: int
    user: str
    password: str
    container: str


def docker_problem() -> str | None:
    """Why containers cannot be started here, or None when they can."""
    if not shutil.which("docker"):
        return "there is no docker command"
    try:
        reply = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return "the Docker engine does not answer"
    return None if reply.returncode == 0 else f"the Docker engine is not usable: {reply.stderr.strip()[:200]}"


@contextlib.contextmanager
def mysql_server(*options: str, in_memory: bool = False) -> Iterator[Server]:
    """A fresh MySQL with the options that the product's compose file gives it, and `options`."""
    flags = ["--tmpfs", "/var/lib/mysql:rw"] if in_memory else []
    arguments = ["--local-infile=ON", "--disable-log-bin", *options]
    environment = {"MYSQL_ROOT_PASSWORD": "test p@ss:w/rd#%"}
    with _container(MYSQL_IMAGE, 3306, environment, arguments, flags) as (name, port):
        server = Server("127.0.0.1", port, "root", environment["MYSQL_ROOT_PASSWORD"], name)

        def connect() -> None:
            pymysql.connect(host=server.host, port=port, user="root", password=server.password).close()

        _wait(name, connect, pymysql.MySQLError)
        yield server


@contextlib.contextmanager
def s3_server() -> Iterator[Server]:
    """A fresh S3 server without buckets."""
    environment = {"MINIO_ROOT_USER": "test-access", "MINIO_ROOT_PASSWORD": "test-secret"}
    flags = ["--tmpfs", "/data:rw"]
    with _container(S3_IMAGE, 9000, environment, ["server", "/data"], flags) as (name, port):
        server = Server("127.0.0.1", port, "test-access", "test-secret", name)
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{server.host}:{port}",
            aws_access_key_id=server.user,
            aws_secret_access_key=server.password,
            region_name="us-east-1",
            config=Config(connect_timeout=2, read_timeout=5, retries={"max_attempts": 0}),
        )
        _wait(name, client.list_buckets, BotoCoreError, ClientError)
        yield server


@contextlib.contextmanager
def _container(
    image: str, port: int, environment: dict[str, str], arguments: list[str], flags: list[str]
) -> Iterator[tuple[str, int]]:
    variables = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
    name = _docker("run", "--detach", "--publish", f"127.0.0.1::{port}", *flags, *variables, image, *arguments)
    try:
        yield name, int(_docker("port", name, str(port)).splitlines()[0].rpartition(":")[2])
    finally:
        _docker("rm", "--force", "--volumes", name)


def _wait(name: str, attempt: Callable[[], object], *errors: type[Exception]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            attempt()
        except errors as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not ready after {READY_SECONDS} s: {error}\n{_docker('logs', name)}") from error
            time.sleep(0.2)
        else:
            return


def _docker(*arguments: str) -> str:
    reply = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if reply.returncode:
        raise RuntimeError(f"docker {arguments[0]} failed: {reply.stderr.strip()}")
    return reply.stdout.strip()
