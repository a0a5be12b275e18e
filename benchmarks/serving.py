"""How fast the inference API is, beside a constant and beside other model servers, on one model.

    python -m benchmarks.serving [--rounds 5] [--seconds 3] [--without-peers]

- One row a request: ``POST /predict`` with everything on (validation, probabilities, metrics, request id, prediction
  log), a FastAPI endpoint that validates the same body and returns a constant, ``mlflow models serve``, MLServer,
  BentoML and LitServe, each of the last three with the scikit-learn pipeline and with the ONNX model.
- 1,000 rows a request, as records, columns and Arrow.
- 100,000 rows in one body; and single rows beside a stream of such bodies.

Each server is one process on one core, wrk runs on another, and all are asked in turn, the others standing still: the
ratio of one round is of one moment. Beside the rate stands the CPU time of the server's processes per request,
background threads included, which a busy machine changes little. Real rows are used where
``COVERTYPE_CSV`` names them, generated ones elsewhere.
"""

import argparse
import io
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
from fastapi import FastAPI
from pydantic import BaseModel, Field

from benchmarks.servers import ROOT, Server, running
from benchmarks.serving_load import Measurement, Request, measure, post, post_until
from benchmarks.serving_model import make_model
from benchmarks.serving_peers import peers
from pipeline.settings import PipelineSettings
from pipeline.use_case import UseCase, find_use_case
from pipeline.warehouse import open_warehouse

CONNECTIONS = (1, 16)
BATCH_ROWS = 1_000
LARGE_ROWS = 100_000
BATCH_CONNECTIONS = 4
OURS = [sys.executable, "-m", "inference_api", "--port", "PORT"]
CONSTANT = [sys.executable, "-m", "uvicorn", "--factory", "benchmarks.serving:constant_app", "--port", "PORT"]
ARROW = "application/vnd.apache.arrow.stream"
PREDICT = "/models/covertype/predict"

# A server, what to ask of it, and the rows in one request.
Case = tuple[Server, Request]


class CovertypeBody(BaseModel):
    """The body of ``/predict`` as one would write it for pydantic."""

    Elevation: Annotated[int, Field(ge=0, le=9000)]
    Aspect: Annotated[int, Field(ge=0, le=360)]
    Slope: Annotated[int, Field(ge=0, le=90)]
    Horizontal_Distance_To_Hydrology: Annotated[int, Field(ge=0, le=10000)]
    Vertical_Distance_To_Hydrology: Annotated[int, Field(ge=-1000, le=1000)]
    Horizontal_Distance_To_Roadways: Annotated[int, Field(ge=0, le=20000)]
    Hillshade_9am: Annotated[int, Field(ge=0, le=255)]
    Hillshade_Noon: Annotated[int, Field(ge=0, le=255)]
    Hillshade_3pm: Annotated[int, Field(ge=0, le=255)]
    Horizontal_Distance_To_Fire_Points: Annotated[int, Field(ge=0, le=20000)]
    Wilderness_Area: Literal["Rawah", "Neota", "Commanche", "Cache"]
    Soil_Type: str


def constant_app() -> FastAPI:
    """The yardstick: FastAPI validates the body and answers a constant."""
    app = FastAPI()

    @app.post("/predict")
    async def predict(body: CovertypeBody) -> dict[str, int]:  # noqa: ARG001 (validating it is the work)
        return {"prediction": 5}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    return app


def arrow_stream(records: list[dict[str, Any]]) -> bytes:
    """Records as an Arrow IPC stream, categories as dictionaries, as a client with pandas or Polars would send them."""
    table = pa.Table.from_pylist(records)
    for index, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            table = table.set_column(index, column.name, table.column(index).dictionary_encode())
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def columns_of(records: list[dict[str, Any]]) -> dict[str, Any]:
    return {"columns": {name: [record[name] for record in records] for name in records[0]}}


def compare(title: str, cases: dict[str, Case], connections: int, options: argparse.Namespace, rows: int = 1) -> None:
    """Ask all servers in turn, round by round, and print medians and the ratio of the first to each."""
    servers = [server for server, _ in cases.values()]

    def measured(server: Server, request: Request) -> Measurement:
        with server.alone(servers):
            return measure(server, request, connections, options.seconds)

    rounds = [{name: measured(*case) for name, case in cases.items()} for _ in range(options.rounds)]
    first = next(iter(cases))
    unit = "rows/s" if rows > 1 else "requests/s"
    print(f"\n{title}, {connections} connection{'s' if connections > 1 else ''}", flush=True)
    for name in cases:
        found = [each[name] for each in rounds]
        rate, p99, cpu = (statistics.median(getattr(each, key) for each in found) for key in ("rate", "p99", "cpu"))
        ratio = statistics.median(each[first].rate / max(each[name].rate, 1e-9) for each in rounds)
        cpu_ratio = statistics.median(each[name].cpu / each[first].cpu for each in rounds)
        print(
            f"  {name:26} {rate * rows:9,.0f} {unit}  p99 {p99:8.2f} ms  CPU {cpu / rows:8.1f} µs a row"
            f"  {first} is {ratio:6.2f} x, by CPU time {cpu_ratio:6.2f} x",
            flush=True,
        )


def whole_bodies(server: Server, bodies: dict[str, tuple[bytes, str]], rounds: int) -> None:
    """Time requests of `LARGE_ROWS` rows."""
    print(f"\n{LARGE_ROWS:,} rows in one body, one after the other, one server process on two cores", flush=True)
    before = server.memory_mb()
    for name, (body, content_type) in bodies.items():
        times = []
        for _ in range(rounds):
            started = time.perf_counter()
            post(server.url + PREDICT, body, content_type)
            times.append(time.perf_counter() - started)
        print(
            f"  {name:10} {len(body) / 1e6:5.1f} MB  median {statistics.median(times):.2f} s  best {min(times):.2f} s"
        )
    print(f"  memory of the server {before:.0f} MB before, {server.memory_mb():.0f} MB after", flush=True)


def beside(server: Server, single: Request, bodies: dict[str, tuple[bytes, str]], options: argparse.Namespace) -> None:
    """Single rows while large bodies are sent one after the other."""
    print("\nsingle rows beside a stream of such bodies, one server process on two cores that the clients share")
    quiet = measure(server, single, 1, options.seconds)
    print(f"  quiet      {quiet.rate:7,.0f} requests/s  p99 {quiet.p99:6.2f} ms")
    for name, (body, content_type) in bodies.items():
        done = threading.Event()
        with ThreadPoolExecutor(1) as thread:
            sending = thread.submit(post_until, done, server.url + PREDICT, body, content_type)
            try:
                found = measure(server, single, 1, 2 * options.seconds)
            finally:
                done.set()
        print(
            f"  {name:10} {found.rate:7,.0f} requests/s  p99 {found.p99:6.2f} ms  beside {sending.result()} bodies, "
            f"memory {server.memory_mb():.0f} MB",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of one measurement")
    parser.add_argument("--without-peers", action="store_true", help="install and ask no other server")
    options = parser.parse_args()
    for tool in ("wrk", "taskset"):
        if shutil.which(tool) is None:
            print(f"this benchmark needs {tool} on the PATH", file=sys.stderr)
            return 2
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        scratch = Path(folder)
        use_case = find_use_case(Path("use_cases"), "covertype")
        others, rows = make_model(use_case, scratch)
        environment = {
            "MODEL_CACHE_DIR": str(scratch / "cache"),
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",  # nobody listens: the registry has no part in this
            "WAREHOUSE_URL": f"sqlite:///{scratch}/warehouse.db",
            "USE_CASES_DIR": str(ROOT / "use_cases"),
            "PYTHONPATH": str(ROOT),
        }
        _create_warehouse(environment["WAREHOUSE_URL"], use_case)
        ours = stack.enter_context(running(OURS, "/readyz", environment, scratch))
        constant = stack.enter_context(running(CONSTANT, "/readyz", {"PYTHONPATH": str(ROOT)}, scratch))
        singles, batches = _our_cases(ours, constant, rows, scratch)
        for number, peer in enumerate([] if options.without_peers else peers(others)):
            folder_of_peer = peer.folder if peer.folder != ROOT else scratch
            server = stack.enter_context(running(peer.command, peer.probe, peer.environment, folder_of_peer))
            for cases, count in ((singles, 1), (batches, BATCH_ROWS)):
                body = json.dumps(peer.body(rows[:count])).encode()
                script = scratch / f"peer-{number}-{count}.lua"
                cases[peer.name] = (server, Request.make(peer.path, body, "application/json", script))
        for connections in CONNECTIONS:
            compare("one row a request", singles, connections, options)
        compare(f"{BATCH_ROWS:,} rows a request", batches, BATCH_CONNECTIONS, options, BATCH_ROWS)
        print(f"\nmemory: inference API {ours.memory_mb():.0f} MB")
        stack.close()
        with running(OURS, "/readyz", environment, scratch, one_core=False) as both_cores:
            many = (rows * (LARGE_ROWS // len(rows) + 1))[:LARGE_ROWS]
            bodies = {name: (make(many), kind) for name, (make, kind) in _FORMS.items()}
            whole_bodies(both_cores, bodies, options.rounds)
            beside(both_cores, singles["inference API"][1], bodies, options)
    return 0


_FORMS: dict[str, tuple[Callable[[list[dict[str, Any]]], bytes], str]] = {
    "records": (lambda records: json.dumps({"records": records}).encode(), "application/json"),
    "columns": (lambda records: json.dumps(columns_of(records)).encode(), "application/json"),
    "Arrow": (arrow_stream, ARROW),
}


def _our_cases(
    ours: Server, constant: Server, rows: list[dict[str, Any]], scratch: Path
) -> tuple[dict[str, Case], dict[str, Case]]:
    """One row a request, and a batch in each form."""
    single = Request.make("/predict", json.dumps(rows[0]).encode(), "application/json", scratch / "single.lua")
    batches = {}
    for name, (make, content_type) in _FORMS.items():
        script = scratch / f"batch-{name}.lua"
        batches[f"inference API, {name}"] = (ours, Request.make(PREDICT, make(rows[:BATCH_ROWS]), content_type, script))
    return {"inference API": (ours, single), "FastAPI, constant": (constant, single)}, batches


def _create_warehouse(url: str, use_case: UseCase) -> None:
    """So that the prediction log is at work as in production."""
    open_warehouse(PipelineSettings(warehouse_url=url)).migrate([use_case])


if __name__ == "__main__":
    sys.exit(main())
