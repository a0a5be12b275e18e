import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_stack.airflow_client import AirflowClient, failure_reason
from local_stack.stages import Batches, Failures, Predictions, Promotions, Trainings
from pipeline.settings import PipelineSettings
from pipeline.use_case import UseCase
from pipeline.warehouse import LedgerEntry, PromotionRecord, Warehouse, open_warehouse

Answer = Callable[[str, str], tuple[int, Any]]


@pytest.fixture
def warehouse(tmp_path: Path, covertype: UseCase) -> Iterator[Warehouse]:
    opened = open_warehouse(PipelineSettings(warehouse_url=f"sqlite:///{tmp_path}/warehouse.db"))
    opened.migrate([covertype])
    yield opened
    opened.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Start an HTTP server that answers (method, path) with a status and JSON; its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def reply(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, document = answer(self.command, self.path)
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = reply  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def entry(batch: int) -> LedgerEntry:
    now = datetime.now(UTC)
    return LedgerEntry(
        id=batch,
        use_case="covertype",
        group_number=1,
        epoch=1,
        batch_number=batch,
        payload_sha256="0" * 64,
        lake_uri="file:///lake",
        delivered=10,
        accepted=7,
        duplicate=2,
        quarantined=1,
        received_at=now,
        stored_at=now,
    )


def test_each_batch_is_told_once_and_the_first_as_such(covertype: UseCase) -> None:
    ledger: list[LedgerEntry] = []
    batches = Batches(covertype, cast(Warehouse, SimpleNamespace(ledger=lambda _: ledger)))
    assert list(batches.news()) == []
    ledger += [entry(1), entry(2)]
    told = list(batches.news())
    assert told[0] == "first batch stored: 10 rows = 7 new + 2 known + 1 quarantined"
    assert told[1].startswith("batch 2 stored")
    assert list(batches.news()) == []


def test_batches_of_an_earlier_start_are_not_told_again(covertype: UseCase) -> None:
    ledger = [entry(1)]
    batches = Batches(covertype, cast(Warehouse, SimpleNamespace(ledger=lambda _: ledger)))
    ledger.append(entry(2))
    assert [text.split(":")[0] for text in batches.news()] == ["batch 2 stored"]


def test_only_decisions_to_train_are_told(covertype: UseCase, warehouse: Warehouse) -> None:
    trainings = Trainings(covertype, warehouse)
    warehouse.record_decision("covertype", False, ["too few rows"], {})
    warehouse.record_decision("covertype", True, ["there is no champion yet"], {})
    assert list(trainings.news()) == ["training: there is no champion yet"]
    assert list(trainings.news()) == []


def test_a_promotion_is_told_with_its_scores_and_a_rejection_with_its_reason(
    covertype: UseCase, warehouse: Warehouse
) -> None:
    promotions = Promotions(covertype, warehouse)
    decision = {"accepted": True, "metric": "accuracy", "challenger_score": 0.81, "opponent_score": 0.16}
    decision |= {"opponent": "baseline", "rows": 123}
    for action, version, judged in (("promote", 1, decision), ("reject", 2, None)):
        record = {"use_case": "covertype", "action": action, "to_version": version, "actor": "test", "decision": judged}
        warehouse.record_promotion(PromotionRecord.model_validate({**record, "reason": "no gain"}))
    assert list(promotions.news()) == [
        "version 1 promoted: accuracy 0.81 against 0.16 of the baseline on 123 held-out rows",
        "version 2 reject: no gain",
    ]
    assert list(promotions.news()) == []


def test_each_version_served_answers_one_prediction(covertype: UseCase, serve: Callable[[Answer], str]) -> None:
    served: dict[str, Any] = {"champion_version": None}

    def answer(method: str, path: str) -> tuple[int, Any]:
        if method == "GET":
            return 200, {**served, "input_example": {"Elevation": 2596}}
        assert path == "/predict"
        return 200, {"prediction": 5, "model_version": served["champion_version"]}

    predictions = Predictions(covertype, serve(answer), is_default=True)
    before = list(predictions.news()), predictions.answered
    assert before == ([], False)
    served["champion_version"] = 1
    assert next(predictions.news()).startswith("first prediction, by version 1")
    assert predictions.answered
    assert list(predictions.news()) == []
    served["champion_version"] = 2
    assert next(predictions.news()).startswith("prediction, by version 2")


def test_a_refused_prediction_is_told_and_does_not_count(covertype: UseCase, serve: Callable[[Answer], str]) -> None:
    def answer(method: str, _: str) -> tuple[int, Any]:
        return (
            (200, {"champion_version": 1, "input_example": {}}) if method == "GET" else (422, {"detail": "Elevation"})
        )

    predictions = Predictions(covertype, serve(answer), is_default=True)
    assert "422" in next(predictions.news())
    assert not predictions.answered


def test_a_failed_task_is_told_once_with_the_reason_from_its_log(
    tmp_path: Path, serve: Callable[[Answer], str]
) -> None:
    task = {"id": "1", "dag_id": "train_covertype", "dag_run_id": "r", "task_id": "search", "try_number": 1}
    folder = tmp_path / "dag_id=train_covertype" / "run_id=r" / "task_id=search"
    folder.mkdir(parents=True)
    lines = [
        {
            "level": "error",
            "event": "Task failed",
            "error_detail": [{"exc_type": "TrainingError", "exc_value": "one class"}],
        }
    ]
    (folder / "attempt=1.log").write_text("not json\n" + "\n".join(map(json.dumps, lines)))

    def answer(_: str, path: str) -> tuple[int, Any]:
        if path == "/auth/token":
            return 201, {"access_token": "t"}
        return 200, {"task_instances": [{**task, "state": "up_for_retry"}]}

    failures = Failures(AirflowClient(serve(answer), "admin", "secret"), tmp_path)
    [(dag_id, what, final)] = failures.news()
    assert (dag_id, final) == ("train_covertype", False)
    assert what.startswith("task search failed at try 1 and is tried again: TrainingError: one class")
    assert list(failures.news()) == []


def test_a_task_without_a_log_says_where_it_would_be(tmp_path: Path) -> None:
    task = {"dag_id": "d", "dag_run_id": "r", "task_id": "t"}
    assert str(tmp_path) in failure_reason(tmp_path, task)
