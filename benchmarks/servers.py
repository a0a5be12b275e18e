"""The servers that the benchmarks ask: processes that live as long as a block."""

import os
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

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 90
# What a server that stood still gets to do what it missed.
SETTLE_SECONDS = 0.2
SERVER_CORE = 0


@dataclass(frozen=True)
class Server:
    """A running server and its processes; `start_seconds` is the time until it answered."""

    url: str
    process: psutil.Process
    start_seconds: float

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

    def resident_mb(self) -> float:
        """What is resident of its first process, shared libraries included."""
        return float(self.process.memory_info().rss / 1e6)


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
    began = time.monotonic()
    with (folder / "servers.log").open("ab") as log:
        server = subprocess.Popen(
            command, env=os.environ | settings, cwd=folder, start_new_session=True, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while not _is_ready(url + probe):
            if time.monotonic() > began + START_SECONDS or server.poll() is not None:
                raise SystemExit(f"{command} did not come up; see {folder / 'servers.log'}")
            time.sleep(0.02)
        yield Server(url, psutil.Process(server.pid), time.monotonic() - began)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _is_ready(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False
