"""An inference API for tests of the UI: real HTTP on a free port, answers of the contract, faults on demand."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from pipeline.use_case import Column, UseCase, load_use_cases
from tests.browser.fake_operations import FakeOperations
from tests.browser.fake_versions import (
    CHAMPION,
    FIRST,
    QUALITY,
    REJECTED,
    explanation_of,
    history_of,
    metrics_of,
    predict_columns,
    version_details,
    version_line,
)
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
API_KEY = "key-of-the-tests"
# A text that only the API knows to be wrong.
REFUSED_TEXT = "refused by the API"


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


@cache
def _use_cases() -> dict[str, UseCase]:
    return load_use_cases(USE_CASES)


class FakeInferenceApi:
    """The API's state, which a test may change at any time.

    Parameters
    ----------
    fault : (status, detail) to answer to everything, or None.
    predict_fault : the same for predictions only.
    delay_seconds : wait before an answer.
    without_champion : models that have no version yet.
    served : models that there are.
    received : bodies of the predictions asked for, one record each.
    received_columns : the same for many records given as columns.
    unrecorded : bodies, of either kind, whose sender wants no record of them.
    champions : version that is champion, by model; roll backs change it.
    old : answer as an API did that knew neither versions nor history nor explanations.
    explains : whether it can explain predictions.
    no_artifacts : what keeps versions' evaluations away, if anything.
    operations : state of the routes about data and monitoring.
    """

    def __init__(self) -> None:
        self.use_cases = dict(_use_cases())
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
        self.unrecorded: list[dict[str, Any]] = []
        self.received_columns: list[dict[str, list[Any]]] = []
        self.champions = dict.fromkeys(self.use_cases, CHAMPION)
        self.old = False
        self.explains = True
        self.no_artifacts: str | None = None
        self.operations = FakeOperations(self.use_cases)

    def answer(self, method: str, path: str, body: Any, key: str | None = None) -> tuple[int, Any]:
        """Status and JSON for one request; `key` is what it has in X-API-Key."""
        time.sleep(self.delay_seconds)
        if self.fault:
            return self.fault[0], {"detail": self.fault[1]}
        operations = self.operations.answer(path)
        if operations:
            return operations
        path, _, query = path.partition("?")
        asked = {} if self.old else {name: values[0] for name, values in parse_qs(query).items()}
        parts = path.strip("/").split("/")
        if parts == ["models"]:
            return 200, {"models": [self._summary(name) for name in self.served]}
        if len(parts) < 2 or parts[1] not in self.served:
            return 404, {"detail": f"there is no model {parts[-1]!r}"}
        name, rest = parts[1], parts[2:]
        if rest and rest[0] != "predict" and self.old:
            return 404, {"detail": "Not Found"}
        match method, *rest:
            case ["GET"]:
                return 200, self._details(name)
            case ["POST", "predict"]:
                return self._predict(name, body, asked)
            case ["GET", "history"]:
                return 200, history_of(self.use_cases[name])
            case ["GET", "versions", version]:
                return self._version(name, int(version))
            case ["POST", "rollback"]:
                return self._roll_back(name, body, key)
        return 404, {"detail": "Not Found"}

    def _summary(self, name: str) -> dict[str, Any]:
        has_champion = name not in self.without_champion
        use_case = self.use_cases[name]
        return {
            "name": name,
            "title": use_case.title if has_champion else name,
            "task": use_case.task if has_champion else None,
            "champion_version": self.champions[name] if has_champion else None,
            "status": "serving" if has_champion else "no champion",
            "detail": None,
        }

    def _details(self, name: str) -> dict[str, Any]:
        use_case, champion = self.use_cases[name], self.champions[name]
        summary = self._summary(name)
        if not summary["champion_version"]:
            nothing = {"target": None, "schema": None, "input_example": None}
            return {**summary, **nothing, "versions": [], "metrics": {}, "labels": {}}
        newer = {} if self.old else {"unit": use_case.target.unit, "version": champion, "path": "onnx", "traffic": None}
        return {
            **summary,
            "target": use_case.target.name,
            "versions": [version_line(name, number, champion) for number in (REJECTED, CHAMPION, FIRST)],
            "schema": record_schema(use_case),
            "input_example": EXAMPLES[name],
            "metrics": metrics_of(name, champion),
            "labels": use_case.target.categories or {},
            **newer,
        }

    def _version(self, name: str, version: int) -> tuple[int, Any]:
        if version not in QUALITY:
            return 404, {"detail": f"{name} has no version {version}; it has 1, 2, 3"}
        found = version_details(self.use_cases[name], version, self.champions[name])
        if self.no_artifacts:
            found |= {"evaluation": None, "model_card": None, "decision": None, "problem": self.no_artifacts}
        return 200, found

    def _roll_back(self, name: str, body: dict[str, Any], key: str | None) -> tuple[int, Any]:
        if key != API_KEY:
            return 401, {"detail": "the API key in X-API-Key is wrong"}
        if body["to"] == REJECTED:
            return 409, {"detail": f"version {REJECTED} of {name} cannot be served: its bundle is missing"}
        self.champions[name] = body["to"]
        return 200, {**self._summary(name), "record": {"reason": body["reason"]}, "warning": None}

    def _predict(self, name: str, body: dict[str, Any], asked: dict[str, str]) -> tuple[int, Any]:
        if self.predict_fault:
            return self.predict_fault[0], {"detail": self.predict_fault[1]}
        if name in self.without_champion:
            return 503, {"detail": f"no version of {name} has been promoted yet"}
        version = int(asked.get("version", self.champions[name]))
        sent = {"model_name": name, "model_version": version, "request_id": "0f3c8a52d1"}
        if "columns" in body and not self.old:
            if asked.get("log") == "false":
                self.unrecorded.append(body)
            return self._predict_columns(name, body["columns"], sent)
        if asked.get("log") == "false":
            self.unrecorded.append(body)
        else:
            self.received.append(body)
        if "explain" in asked and self.explains:
            sent["explanation"] = explanation_of(self.use_cases[name], ANSWERS[name])
        return 200, {**ANSWERS[name], **sent}

    def _predict_columns(
        self, name: str, columns: dict[str, list[Any]], sent: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        refused = [
            {"loc": ["body", "columns", column, row], "msg": f"{column} must be another text", "type": "string_form"}
            for column, values in columns.items()
            for row, value in enumerate(values)
            if value == REFUSED_TEXT
        ]
        if refused:
            return 422, {"detail": refused}
        self.received_columns.append(columns)
        return 200, {"columns": predict_columns(ANSWERS[name], columns), **sent}


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
            status, answer = api.answer(self.command, self.path, body, self.headers["X-API-Key"])
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
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
