"""An inference API for tests of the UI: real HTTP on a free port, answers of the contract, faults on demand."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pipeline.use_case import Column, UseCase, load_use_cases
from tests.course_client import COURSE_RECORD

USE_CASES = Path(__file__).resolve().parents[2] / "use_cases"

EXAMPLES: dict[str, dict[str, Any]] = {
    "covertype": COURSE_RECORD,
    "penguins": {"island": "Biscoe", "bill_length_mm": 46.5, "flipper_length_mm": 217.0, "sex": None},
    "house_prices": {"status": "sold", "bed": 3, "city": "Adjuntas", "prev_sold_date": "2021-06-30"},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "covertype": {
        "prediction": 5,
        "label": "Aspen",
        "probabilities": {"1": 0.06, "2": 0.2, "3": 0.01, "4": 0.0, "5": 0.7296, "6": 0.0004, "7": 0.0},
    },
    "penguins": {
        "prediction": "Gentoo",
        "label": "Gentoo penguin",
        "probabilities": {"Adelie": 0.01, "Chinstrap": 0.0, "Gentoo": 0.99},
    },
    "house_prices": {"prediction": 152300.5, "label": None, "probabilities": None},
}
METRICS: dict[str, dict[str, float]] = {
    "covertype": {"accuracy": 0.8712, "f1_macro": 0.8021, "log_loss": 0.41},
    "penguins": {"accuracy": 0.9865, "f1_macro": 0.9821},
    "house_prices": {"rmse": 201345.2, "mae": 81234.9, "r2": 0.612},
}


def record_schema(use_case: UseCase) -> dict[str, Any]:
    """JSON Schema of one record, with a typical value as the default of each feature."""
    example = EXAMPLES[use_case.name]
    return {
        "type": "object",
        "properties": {column.name: _property(column, example.get(column.name)) for column in use_case.features},
        "required": [column.name for column in use_case.features if not column.nullable],
    }


def _property(column: Column, default: Any) -> dict[str, Any]:
    kind = column.type if column.type in ("integer", "number") else "string"
    rule: dict[str, Any] = {
        "type": [kind, "null"] if column.nullable else kind,
        "description": column.description,
        "x-unit": column.unit,
        "minimum": column.minimum,
        "maximum": column.maximum,
        "x-categories": column.categories,
        "enum": list(column.categories) if column.categories else None,
        "format": "date" if column.type == "date" else None,
        "default": default,
    }
    return {key: value for key, value in rule.items() if value is not None}


def _version(number: int, aliases: list[str], stage: str, metrics: dict[str, float]) -> dict[str, Any]:
    created_at = f"2026-11-2{number}T10:30:00Z"
    return {"version": number, "aliases": aliases, "stage": stage, "metrics": metrics, "created_at": created_at}


class FakeInferenceApi:
    """The API's state, which a test may change at any time.

    Parameters
    ----------
    fault : (status, detail) to answer to everything, or None.
    predict_fault : the same for predictions only.
    delay_seconds : wait before an answer.
    without_champion : models that have no version yet.
    served : models that there are.
    received : bodies of the predictions asked for.
    """

    def __init__(self) -> None:
        self.use_cases = load_use_cases(USE_CASES)
        self.url = ""
        self.reset()

    def reset(self) -> None:
        """Forget faults and requests."""
        self.fault: tuple[int, Any] | None = None
        self.predict_fault: tuple[int, Any] | None = None
        self.delay_seconds = 0.0
        self.without_champion: set[str] = set()
        self.served = list(self.use_cases)
        self.received: list[dict[str, Any]] = []

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and JSON for one request."""
        time.sleep(self.delay_seconds)
        if self.fault:
            return self.fault[0], {"detail": self.fault[1]}
        parts = path.strip("/").split("/")
        if parts == ["models"]:
            return 200, {"models": [self._summary(name) for name in self.served]}
        if len(parts) < 2 or parts[1] not in self.served:
            return 404, {"detail": f"there is no model {parts[-1]!r}"}
        return self._predict(parts[1], body) if method == "POST" else (200, self._details(parts[1]))

    def _summary(self, name: str) -> dict[str, Any]:
        has_champion = name not in self.without_champion
        use_case = self.use_cases[name]
        return {
            "name": name,
            "title": use_case.title if has_champion else name,
            "task": use_case.task if has_champion else None,
            "champion_version": 2 if has_champion else None,
            "status": "serving" if has_champion else "no champion",
            "detail": None,
        }

    def _details(self, name: str) -> dict[str, Any]:
        use_case, metrics = self.use_cases[name], METRICS[name]
        summary = self._summary(name)
        if not summary["champion_version"]:
            nothing = {"target": None, "schema": None, "input_example": None}
            return {**summary, **nothing, "versions": [], "metrics": {}, "labels": {}}
        worse = {key: value * 0.9 for key, value in metrics.items()}
        return {
            **summary,
            "target": use_case.target.name,
            "versions": [
                _version(2, ["champion"], "Production", metrics),
                _version(1, [], "Archived", worse),
            ],
            "schema": record_schema(use_case),
            "input_example": EXAMPLES[name],
            "metrics": metrics,
            "labels": use_case.target.categories or {},
        }

    def _predict(self, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        if self.predict_fault:
            return self.predict_fault[0], {"detail": self.predict_fault[1]}
        if name in self.without_champion:
            return 503, {"detail": f"no version of {name} has been promoted yet"}
        self.received.append(body)
        return 200, {**ANSWERS[name], "model_name": name, "model_version": 2, "request_id": "0f3c8a52d1"}


@contextmanager
def serve_fake_api(port: int = 0) -> Iterator[FakeInferenceApi]:
    """Serve until the block ends; `url` of the yielded object says where."""
    api = FakeInferenceApi()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            status, answer = api.answer(self.command, self.path, body)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Requests of a test are no news."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that gave up waiting is what some tests are about."""

    server = Server(("127.0.0.1", port), Handler)
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
