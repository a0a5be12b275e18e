"""Servers and load of `benchmarks.serving`: one process on one core, wrk on another."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

START_SECONDS = 90
# What a server that stood still gets to do what it missed.
SETTLE_SECONDS = 0.2
SERVER_CORE, LOAD_CORE = 0, 1
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Server:
    """A running server and its processes."""

    url: str
    process: psutil.Process

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def cpu_seconds(self) -> float:
        times = [process.cpu_times() for process in self._family()]
        return float(sum(each.user + each.system for each in times))

    @contextmanager
    def alone(self, others: Iterable["Server"]) -> Iterator[None]:
        """Have other servers stand still for a while: their timers would take this one's core and caches."""
        standing = [process for other in others if other is not self for process in other._family()]
        try:
            for process in standing:
                process.suspend()
            time.sleep(SETTLE_SECONDS)
            yield
        finally:
            for process in standing:
                process.resume()

    def memory_mb(self) -> float:
        """Proportional set size of all its processes."""
        return float(sum(process.memory_full_info().pss for process in self._family()) / 1e6)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: list[str], probe: str, environment: Mapping[str, str], folder: Path, *, one_core: bool = True
) -> Iterator[Server]:
    """One server until the block ends; ``PORT`` in its command stands for the port."""
    port = free_port()
    command = [str(port) if part == "PORT" else part for part in command]
    if one_core:
        command = ["taskset", "-c", str(SERVER_CORE), *command]
    # MLServer takes its ports from here.
    ports = {f"MLSERVER_{kind}_PORT": str(free_port()) for kind in ("GRPC", "METRICS")}
    settings = {"OMP_NUM_THREADS": "1", "MLSERVER_HTTP_PORT": str(port), **ports, **environment}
    with (folder / "servers.log").open("ab") as log:
        server = subprocess.Popen(
            command, env=os.environ | settings, cwd=folder, start_new_session=True, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _is_ready(url + probe):
            if time.monotonic() > deadline or server.poll() is not None:
                raise SystemExit(f"{command} did not come up; see {folder / 'servers.log'}")
            time.sleep(0.1)
        yield Server(url, psutil.Process(server.pid))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _is_ready(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


@dataclass(frozen=True)
class Request:
    """What is asked of a server, as a script for wrk."""

    path: str
    script: Path

    @staticmethod
    def make(path: str, body: bytes, content_type: str, script: Path) -> "Request":
        content = script.with_suffix(".body")
        content.write_bytes(body)
        script.write_text(
            f"wrk.method = 'POST'\nwrk.headers['Content-Type'] = '{content_type}'\n"
            f"wrk.body = io.open('{content}', 'rb'):read('*a')\n"
        )
        return Request(path, script)


@dataclass(frozen=True)
class Measurement:
    """Requests per second, 99th percentile in milliseconds, microseconds of CPU per request."""

    rate: float
    p99: float
    cpu: float


def measure(server: Server, request: Request, connections: int, seconds: float) -> Measurement:
    """Load a server; any failed request ends the benchmark."""
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s"]
    before = server.cpu_seconds()
    output = subprocess.run(
        [*command, "--latency", "-s", str(request.script), server.url + request.path],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    spent = server.cpu_seconds() - before
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"requests to {request.path} failed:\n{output}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])  # type: ignore[index]
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", output).groups()  # type: ignore[union-attr]
    count = int(re.search(r"(\d+) requests in", output)[1])  # type: ignore[index]
    return Measurement(rate, float(value) * _UNITS[unit], spent / max(count, 1) * 1e6)
