"""The log stores what was predicted, drops rather than grows, and never reports a failure to its caller."""

import gc
import json
import threading
import weakref
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DataError, OperationalError, StatementError

from inference_api import prediction_log
from inference_api.metrics import ServiceMetrics
from inference_api.onnx_predictor import OnnxPredictor
from inference_api.prediction_log import PredictionLog, Writer
from inference_api.predictor import Predictor
from pipeline.errors import WarehouseError


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "FLUSH_SECONDS", 0.01)


@pytest.fixture
def predictor(bundles: dict[str, Path]) -> Predictor:
    return OnnxPredictor("house_prices", 7, bundles["house_prices"])


def add(log: PredictionLog, predictor: Predictor, count: int, request_id: str = "id-1") -> None:
    rows, _ = predictor.validator.read(b'{"status":"sold","prev_sold_date":"2020-01-31"}', 1)
    log.add(request_id, predictor, rows * count, predictor.predict_many(rows) * count)


def test_predictions_are_stored_with_their_origin(predictor: Predictor) -> None:
    stored: list[dict[str, Any]] = []
    log = PredictionLog(lambda: stored.extend, ServiceMetrics())
    log.start()
    add(log, predictor, 3)
    log.stop()
    assert len(stored) == 3
    row = stored[0]
    assert (row["request_id"], row["use_case"], row["model_version"]) == ("id-1", "house_prices", 7)
    assert json.loads(row["features"])["prev_sold_date"] == date(2020, 1, 31).isoformat()
    assert row["prediction"] > 0
    assert row["at"].tzinfo is not None


def test_a_crowded_log_pauses_longer(predictor: Predictor) -> None:
    log = PredictionLog(lambda: len, ServiceMetrics(), capacity=4)
    pauses: list[float] = []

    class Wake(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0)
            if len(pauses) == 2:
                log._stopping.set()
            return True

    log._wake = Wake()
    add(log, predictor, 3)
    log._run()
    assert pauses == [prediction_log.CROWDED_SECONDS, prediction_log.FLUSH_SECONDS]


def test_predictions_that_wait_keep_no_model_in_memory(bundles: dict[str, Path]) -> None:
    log = PredictionLog(lambda: len, ServiceMetrics())  # not started: nothing leaves the queue
    predictor = OnnxPredictor("house_prices", 7, bundles["house_prices"])
    model = weakref.ref(predictor)
    add(log, predictor, 3)
    del predictor
    gc.collect()
    assert len(log._entries) == 3
    assert model() is None


def test_full_queue_drops_and_counts(predictor: Predictor) -> None:
    metrics = ServiceMetrics()
    log = PredictionLog(lambda: len, metrics, capacity=5)
    add(log, predictor, 8)
    add(log, predictor, 1)
    assert b"prediction_log_dropped_total 4.0" in metrics.render()


def test_failing_warehouse_is_tried_again_and_nothing_is_lost(predictor: Predictor) -> None:
    stored: list[dict[str, Any]] = []
    done = threading.Event()
    attempts = 0

    def open_writer() -> Writer:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ConnectionError("the warehouse is down")

        def write(rows: list[dict[str, Any]]) -> None:
            stored.extend(rows)
            done.set()

        return write

    log = PredictionLog(open_writer, ServiceMetrics())
    log.start()
    add(log, predictor, 2)
    assert done.wait(10)
    log.stop()
    assert len(stored) == 2


def with_cause(cause: Exception) -> WarehouseError:
    error = WarehouseError("the warehouse refused")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        with_cause(DataError("INSERT", {}, Exception("Data too long for column 'request_id'"))),
        with_cause(StatementError("cannot be bound", "INSERT", {}, TypeError())),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    ],
)
def test_row_that_the_warehouse_refuses_does_not_hold_up_the_others(predictor: Predictor, error: Exception) -> None:
    stored: list[str] = []

    def write(rows: list[dict[str, Any]]) -> None:
        ids = [row["request_id"] for row in rows]
        if "bad" in ids:
            raise error
        stored.extend(ids)

    metrics = ServiceMetrics()
    log = PredictionLog(lambda: write, metrics)
    for request_id in ("first", "bad", "last"):
        add(log, predictor, 1, request_id)
    log.start()
    log.stop()
    assert stored == ["first", "last"]
    assert b"prediction_log_dropped_total 1.0" in metrics.render()


def mysql_error(code: int) -> WarehouseError:
    """As MySQL's driver reports what is no clear matter of data."""
    return with_cause(OperationalError("INSERT", {}, Exception(code, "the server's words")))


@pytest.mark.parametrize("code", [1153, 3140, 2013, 1105], ids=["packet", "json", "lost connection", "unknown"])
def test_row_that_mysql_refuses_for_no_clear_reason_does_not_block_the_others(predictor: Predictor, code: int) -> None:
    stored: list[str] = []

    def write(rows: list[dict[str, Any]]) -> None:
        ids = [row["request_id"] for row in rows]
        if "bad" in ids:
            raise mysql_error(code)
        stored.extend(ids)

    metrics = ServiceMetrics()
    log = PredictionLog(lambda: write, metrics)
    # More bad ones at the front than are tried before an outage is suspected.
    for request_id in ("bad", "bad", "bad", "bad", "good", "bad", "last"):
        add(log, predictor, 1, request_id)
    log.start()
    while len(stored) < 2:
        log.flush(0.05)
    log.stop()
    assert sorted(stored) == ["good", "last"]
    assert not log._entries
    assert b"prediction_log_refused_total 5.0" in metrics.render()
    assert b"prediction_log_dropped_total 5.0" in metrics.render()


def test_row_that_fails_alone_is_kept_until_others_show_whose_fault_it_is(predictor: Predictor) -> None:
    accepting = threading.Event()
    stored: list[str] = []

    def write(rows: list[dict[str, Any]]) -> None:
        if not accepting.is_set():
            raise mysql_error(2013)
        stored.extend(row["request_id"] for row in rows)

    log = PredictionLog(lambda: write, ServiceMetrics())
    add(log, predictor, 2, "kept")
    log.start()
    assert not log.flush(5)
    accepting.set()
    while not stored:
        log.flush(0.05)
    log.stop()
    assert stored == ["kept", "kept"]


def test_flush_writes_what_is_queued_without_waiting_for_the_next_batch(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "FLUSH_SECONDS", 600)
    stored: list[dict[str, Any]] = []
    log = PredictionLog(lambda: stored.extend, ServiceMetrics())
    log.start()
    assert log.flush(0)
    add(log, predictor, 3 * prediction_log.BATCH_ROWS)
    assert log.flush(30)
    assert len(stored) == 3 * prediction_log.BATCH_ROWS
    assert [row["record_index"] for row in stored[:3]] == [0, 1, 2]
    log.stop()


def test_flush_of_a_log_that_fails_does_not_wait(predictor: Predictor) -> None:
    def refuse() -> Writer:
        raise ConnectionError("the warehouse is down")

    log = PredictionLog(refuse, ServiceMetrics())
    add(log, predictor, 1)
    log._write_batch()
    assert not log.flush(600)


@pytest.mark.parametrize(
    "error",
    [
        with_cause(OperationalError("INSERT", {}, Exception("gone away"))),
        mysql_error(2003),
        mysql_error(1114),
        WarehouseError("the warehouse has an old schema: run `mlops init`"),
        TimeoutError("no answer"),
    ],
)
def test_outage_drops_nothing(predictor: Predictor, error: Exception) -> None:
    def write(rows: list[dict[str, Any]]) -> None:  # noqa: ARG001
        raise error

    metrics = ServiceMetrics()
    log = PredictionLog(lambda: write, metrics)
    add(log, predictor, 2)
    log.start()
    log.stop()
    assert len(log._entries) == 2
    assert b"prediction_log_dropped_total 0.0" in metrics.render()


def test_outage_of_any_length_is_survived(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "LONGEST_PAUSE_SECONDS", 0.01)
    done = threading.Event()
    log = PredictionLog(lambda: lambda rows: done.set(), ServiceMetrics())  # noqa: ARG005
    log._failures = 5000
    add(log, predictor, 1)
    log.start()
    assert done.wait(10)
    log.stop()


def test_stop_does_not_wait_for_a_warehouse_that_is_down(predictor: Predictor) -> None:
    def refuse() -> Writer:
        raise ConnectionError("the warehouse is down")

    log = PredictionLog(refuse, ServiceMetrics())
    log.start()
    add(log, predictor, 2)
    log.stop()
    assert not log._thread.is_alive()
