"""Feedback is joined to logged predictions, checked in full, and stored once for each record."""

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference_api import feedback_routes, prediction_log
from inference_api.prediction_log import PredictionLog
from pipeline.use_case import UseCase
from pipeline.warehouse import Warehouse
from tests.unit.inference_api.conftest import MakeService, Service
from tests.unit.inference_api.recorded import make_warehouse


@pytest.fixture(autouse=True)
def _no_other_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback_routes, "OTHER_WORKERS_SECONDS", 0)


@pytest.fixture
def warehouse(
    covertype: UseCase, penguins: UseCase, house_prices: UseCase, tmp_path: Path
) -> Iterator[tuple[Warehouse, dict[str, Any]]]:
    warehouse, overrides = make_warehouse(tmp_path, (covertype, penguins, house_prices))
    yield warehouse, overrides
    warehouse.close()


@pytest.fixture
def recording(make_service: MakeService, warehouse: tuple[Warehouse, dict[str, Any]]) -> Service:
    """A service whose predictions are logged in a warehouse."""
    return make_service(**warehouse[1])


def predict(service: Service, name: str, request_id: str, records: int = 1) -> dict[str, Any]:
    predictor = service.store.find(name)
    body = {"records": [predictor.bundle.input_example] * records}
    reply = service.client.post(f"/models/{name}/predict", json=body, headers={"X-Request-ID": request_id})
    assert reply.status_code == 200
    return dict(reply.json())


def judged(warehouse: Warehouse, name: str) -> list[tuple[int, Any, Any]]:
    return [(item.version, item.prediction, item.outcome) for item in warehouse.judged_predictions(name, 100)]


def test_outcome_is_joined_to_the_prediction_a_moment_after_it(
    recording: Service, warehouse: tuple[Warehouse, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "FLUSH_SECONDS", 600)
    answer = predict(recording, "covertype", "r-1")["predictions"][0]["prediction"]
    reply = recording.client.post("/models/covertype/feedback", json={"request_id": "r-1", "outcome": answer})
    assert (reply.status_code, reply.json()) == (200, {"stored": 1, "replaced": 0})
    assert judged(warehouse[0], "covertype") == [(1, answer, str(answer))]


def test_repeated_feedback_replaces_the_outcome(
    recording: Service, warehouse: tuple[Warehouse, dict[str, Any]]
) -> None:
    predict(recording, "covertype", "r-1")
    # A class may be sent as the number it reads as.
    for outcome, replaced in (("2", 0), (3, 1)):
        reply = recording.client.post("/models/covertype/feedback", json={"request_id": "r-1", "outcome": outcome})
        assert reply.json() == {"stored": 1, "replaced": replaced}
    assert [outcome for _, _, outcome in judged(warehouse[0], "covertype")] == ["3"]


def test_records_of_a_batch_are_judged_each(recording: Service, warehouse: tuple[Warehouse, dict[str, Any]]) -> None:
    predict(recording, "house_prices", "batch", records=3)
    feedback = [{"request_id": "batch", "record": record, "outcome": 1000 + record} for record in (2, 0)]
    reply = recording.client.post("/models/house_prices/feedback", json={"feedback": feedback})
    assert reply.json() == {"stored": 2, "replaced": 0}
    assert sorted(outcome for _, _, outcome in judged(warehouse[0], "house_prices")) == [1000, 1002]


def test_unknown_request_is_named_with_the_advice_to_try_again(
    recording: Service, warehouse: tuple[Warehouse, dict[str, Any]]
) -> None:
    predict(recording, "covertype", "known")
    feedback = [{"request_id": "known", "outcome": 1}, {"request_id": "unheard-of", "outcome": 1}]
    reply = recording.client.post("/models/covertype/feedback", json={"feedback": feedback})
    assert reply.status_code == 404
    assert "no request unheard-of of this model" in reply.json()["detail"]
    assert int(reply.headers["Retry-After"]) > 0
    # All or nothing.
    assert judged(warehouse[0], "covertype") == []
    # A request to another model is none of this one.
    reply = recording.client.post("/models/penguins/feedback", json={"request_id": "known", "outcome": "Adelie"})
    assert reply.status_code == 404


def test_unknown_model_is_refused(recording: Service) -> None:
    reply = recording.client.post("/models/nothing/feedback", json={"request_id": "r", "outcome": 1})
    assert reply.status_code == 404
    assert "covertype" in reply.json()["detail"]


def test_record_that_the_request_did_not_have_is_refused(recording: Service) -> None:
    predict(recording, "covertype", "two", records=2)
    item = {"request_id": "two", "record": 2, "outcome": 1}
    reply = recording.client.post("/models/covertype/feedback", json={"feedback": [item]})
    assert reply.status_code == 422
    (entry,) = reply.json()["detail"]
    assert entry["loc"] == ["body", "feedback", 0, "record"]
    assert "request two has 2 logged records, numbered from 0: got 2" in entry["msg"]


@pytest.mark.parametrize(
    ("name", "body", "place", "words"),
    [
        ("covertype", '{"request_id":"r","outcome":"9"}', ["outcome"], "must be one of"),
        ("covertype", '{"request_id":"r","outcome":true}', ["outcome"], "must be one of"),
        ("covertype", '{"request_id":"r"}', ["outcome"], "is required"),
        ("penguins", '{"request_id":"r","outcome":"Adelei"}', ["outcome"], 'did you mean \\"Adelie\\"'),
        ("house_prices", '{"request_id":"r","outcome":"cheap"}', ["outcome"], "a number between 1 and 1000000000 USD"),
        ("house_prices", '{"request_id":"r","outcome":NaN}', ["outcome"], "must be a number"),
        ("house_prices", '{"request_id":"r","outcome":-5}', ["outcome"], "must be a number between 1"),
        ("house_prices", '{"request_id":"r","outcome":[1]}', ["outcome"], "got a list"),
        ("covertype", '{"request_id":5,"outcome":1}', ["request_id"], "must be the request_id of a prediction"),
        ("covertype", '{"request_id":"r","outcome":1,"record":-1}', ["record"], "a whole number from 0"),
        ("covertype", '{"request_id":"r","outcome":1,"record":true}', ["record"], "a whole number from 0"),
        ("covertype", '{"request_id":"r","outcome":1,"truth":2}', [], "not 'truth'"),
        ("covertype", '{"feedback":[]}', ["feedback"], "at least one outcome"),
        ("covertype", '{"feedback":[7]}', ["feedback", 0], "feedback is an object"),
        ("covertype", '{"feedback":[{"request_id":"r","outcome":1}],"x":1}', [], "holds nothing else"),
        ("covertype", "[]", [], "send {"),
        ("covertype", "", [], "the body is empty"),
    ],
)
def test_mistakes_are_named_with_what_is_allowed(
    recording: Service, name: str, body: str, place: list[Any], words: str
) -> None:
    reply = recording.client.post(f"/models/{name}/feedback", content=body)
    assert reply.status_code == 422
    (entry,) = reply.json()["detail"]
    assert entry["loc"] == ["body", *place]
    assert words in json.dumps(entry["msg"])


def test_too_many_outcomes_are_refused(make_service: MakeService, warehouse: tuple[Warehouse, dict[str, Any]]) -> None:
    service = make_service(**warehouse[1], max_records=2)
    feedback = [{"request_id": "r", "outcome": 1}] * 3
    reply = service.client.post("/models/covertype/feedback", json={"feedback": feedback})
    assert reply.status_code == 413
    assert "at most 2 outcomes" in reply.json()["detail"]


def test_as_many_outcomes_as_are_allowed_are_read_however_they_are_written(recording: Service) -> None:
    request_id = "r" * 64
    predict(recording, "house_prices", request_id)
    # The same record many times over: it is stored once.
    feedback = [{"request_id": request_id, "record": 0, "outcome": 123456.789}] * feedback_routes.MOST_OUTCOMES
    body = json.dumps({"feedback": feedback}, indent=4).encode()
    assert len(body) > 1024 * 1024
    for content, headers in ((body, {}), (gzip.compress(body), {"Content-Encoding": "gzip"})):
        reply = recording.client.post("/models/house_prices/feedback", content=content, headers=headers)
        assert (reply.status_code, reply.json()["stored"]) == (200, 1)
    too_large = body[:-1] + b" " * 3_000_000 + b"}"
    reply = recording.client.post("/models/house_prices/feedback", content=too_large)
    assert reply.status_code == 413
    assert "send the outcomes in several" in reply.json()["detail"]


def test_compression_that_is_not_accepted_is_refused(recording: Service) -> None:
    reply = recording.client.post("/models/covertype/feedback", content=b"x", headers={"Content-Encoding": "br"})
    assert reply.status_code == 415


def test_without_a_prediction_log_the_setting_is_named(make_service: MakeService) -> None:
    service = make_service(prediction_log=False)
    reply = service.client.post("/models/covertype/feedback", json={"request_id": "r", "outcome": 1})
    assert reply.status_code == 409
    assert "PREDICTION_LOG" in reply.json()["detail"]


def test_warehouse_that_is_down_is_said_without_its_address(make_service: MakeService, tmp_path: Path) -> None:
    service = make_service(warehouse_url=f"sqlite:///{tmp_path}/absent/warehouse.db", prediction_writer=None)
    reply = service.client.post("/models/covertype/feedback", json={"request_id": "r", "outcome": 1})
    assert reply.status_code == 503
    assert "the warehouse is unreachable or cannot be read" in reply.json()["detail"]
    assert str(tmp_path) not in reply.text
    assert "Retry-After" in reply.headers


def test_prediction_that_arrives_late_from_another_worker_is_found(
    recording: Service, warehouse: tuple[Warehouse, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"request_id": "elsewhere", "use_case": "covertype", "model_version": 1, "features": {}, "prediction": 1}
    arrived = threading.Event()

    def flush(_: PredictionLog, seconds: float) -> bool:  # noqa: ARG001
        warehouse[0].log_predictions([row])
        arrived.set()
        return True

    monkeypatch.setattr(PredictionLog, "flush", flush)
    reply = recording.client.post("/models/covertype/feedback", json={"request_id": "elsewhere", "outcome": 1})
    assert arrived.is_set()
    assert reply.json() == {"stored": 1, "replaced": 0}


def test_unknown_requests_do_not_wait_beside_many_others(
    make_service: MakeService, warehouse: tuple[Warehouse, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback_routes, "MOST_WAITING", 0)
    monkeypatch.setattr(feedback_routes, "OTHER_WORKERS_SECONDS", 600)
    service = make_service(**warehouse[1])
    reply = service.client.post("/models/covertype/feedback", json={"request_id": "unheard-of", "outcome": 1})
    assert reply.status_code == 404


def test_openapi_describes_both_bodies(service: Service) -> None:
    operation = service.client.get("/openapi.json").json()["paths"]["/models/{name}/feedback"]["post"]
    schemas = operation["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert [schema["required"] for schema in schemas] == [["request_id", "outcome"], ["feedback"]]
    assert {"404", "409", "413", "422", "503"} <= set(operation["responses"])
