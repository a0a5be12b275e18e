"""Load of `benchmarks.serving`: wrk, on another core than the server, and large bodies one after the other."""

import re
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import requests

from benchmarks.servers import Server

LOAD_CORE = 1
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


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


def post(url: str, body: bytes, content_type: str) -> None:
    """Send a body once; a reply that is no answer ends the benchmark."""
    reply = requests.post(url, body, headers={"Content-Type": content_type}, timeout=60)
    if not reply.ok:
        raise SystemExit(f"{content_type}: {reply.status_code} {reply.text[:300]}")


def post_until(done: threading.Event, url: str, body: bytes, content_type: str) -> int:
    """Send a body again and again; returns how often."""
    sent = 0
    while not done.is_set():
        post(url, body, content_type)
        sent += 1
    return sent
