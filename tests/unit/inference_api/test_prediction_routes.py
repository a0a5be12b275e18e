"""What clients of the prediction routes see."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from inference_api import prediction_routes
from pipeline.warehouse.tables import predictions
from tests.course_client import COURSE_RECORD

from .conftest import MakeService, MemoryRegistry, Service


def test_course_client(service: Service) -> None:
    names = service.client.get("/listar_modelos").json()["modelos_disponibles"]
    assert names == ["covertype", "house_prices", "penguins"]
    plain = service.client.post("/predict", json={**COURSE_RECORD, "model": "covertype"})
    assert plain.status_code == 200
    answer = plain.json()
    assert answer["prediction"] in range(1, 8)
    assert answer["label"]
    assert sorted(answer["probabilities"]) == list("1234567")
    assert (answer["model_name"], answer["model_version"]) == ("covertype", 1)
    texts = {name: str(value) for name, value in COURSE_RECORD.items()}
    for body in (COURSE_RECORD, texts, {**texts, "model": "covertype"}):
        other = service.client.post("/predict", json=body).json()
        assert other["prediction"] == answer["prediction"]
        assert other["probabilities"] == answer["probabilities"]


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain", "text/csv"])
def test_content_type_does_not_matter(service: Service, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    reply = service.client.post("/predict", content=json.dumps(COURSE_RECORD), headers=headers)
    assert reply.status_code == 200


def test_predict_serves_any_model_by_name(service: Service) -> None:
    record = {"island": "Biscoe", "bill_length_mm": 45, "sex": None, "model": "penguins"}
    answer = service.client.post("/predict", json=record).json()
    assert answer["model_name"] == "penguins"
    assert answer["prediction"] in ("Adelie", "Chinstrap", "Gentoo")
    assert answer["label"].endswith("penguin")


def test_request_id_is_the_clients_or_a_new_one(service: Service) -> None:
    mine = service.client.post("/predict", json=COURSE_RECORD, headers={"X-Request-ID": "abc-1"})
    assert mine.json()["request_id"] == mine.headers["x-request-id"] == "abc-1"
    others = {service.client.post("/predict", json=COURSE_RECORD).json()["request_id"] for _ in range(3)}
    assert len(others) == 3
    forged = service.client.get("/livez", headers={"X-Request-ID": "a b;<script>"})
    assert forged.headers["x-request-id"] != "a b;<script>"


def test_request_id_is_no_longer_than_the_warehouse_stores(service: Service) -> None:
    longest = predictions.c.request_id.type.length  # type: ignore[attr-defined]
    for length, taken in ((longest, True), (longest + 1, False)):
        sent = "x" * length
        reply = service.client.get("/livez", headers={"X-Request-ID": sent})
        assert (reply.headers["x-request-id"] == sent) is taken


@pytest.mark.parametrize("url", ["/predict", "/models/covertype/predict"])
@pytest.mark.parametrize(
    "body",
    [
        rb'{"Elevation": "\ud800"}',
        rb'{"\ud800": 1}',
        rb'{"Wilderness_Area": "\udfff"}',
        rb'{"records": [], "\ud800": 1}',
        rb'{"records": [{"\ud800": "\ud800"}]}',
    ],
)
def test_text_that_no_utf8_holds_is_a_mistake_like_any_other(service: Service, url: str, body: bytes) -> None:
    reply = service.client.post(url, content=body)
    assert reply.status_code == 422
    assert reply.json()["detail"]


@pytest.mark.parametrize("more_body", [False, True])
def test_client_that_hangs_up_is_counted_and_not_an_error(service: Service, more_body: bool) -> None:
    received = [{"type": "http.request", "body": b"{", "more_body": True}] if more_body else []
    received.append({"type": "http.disconnect"})

    async def receive() -> Any:
        return received.pop(0)

    async def send(message: Any) -> None:
        assert message.get("status") in (None, 499)

    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": b""}
    asyncio.run(service.client.app(scope, receive, send))  # type: ignore[arg-type]
    assert 'route="/predict",status="499"} 1.0' in service.client.get("/metrics").text


def test_model_route_takes_one_record_or_many_in_order(service: Service) -> None:
    url = "/models/covertype/predict"
    records = [COURSE_RECORD | {"Elevation": value} for value in (2000, 3500, 2600, 3100)]
    singles = [service.client.post(url, json=record).json() for record in records]
    many = service.client.post(url, json={"records": records}).json()
    assert [each["prediction"] for each in many["predictions"]] == [single["prediction"] for single in singles]
    assert [each["label"] for each in many["predictions"]] == [single["label"] for single in singles]
    assert (many["model_name"], many["model_version"]) == ("covertype", 1)


def test_large_batch_of_texts_is_answered(service: Service) -> None:
    texts = {name: str(value) for name, value in COURSE_RECORD.items()}
    reply = service.client.post("/models/covertype/predict", json={"records": [texts] * 6000})
    assert reply.status_code == 200
    assert len(reply.json()["predictions"]) == 6000


def test_regression(service: Service) -> None:
    answer = service.client.post("/models/house_prices/predict", json={"status": "sold", "bed": "3"}).json()
    assert isinstance(answer["prediction"], float)
    assert answer["label"] is None
    assert answer["probabilities"] is None


def test_each_mistake_is_named_with_its_field(service: Service) -> None:
    record: dict[str, Any] = COURSE_RECORD | {"Elevation": -5, "Slope": True, "Wilderness_Area": "Raw", "Elevaton": 1}
    del record["Aspect"]
    reply = service.client.post("/predict", json=record)
    assert reply.status_code == 422
    messages = {entry["loc"][-1]: entry["msg"] for entry in reply.json()["detail"]}
    assert messages == {
        "Elevation": "Elevation must be a whole number between 0 and 9000 m, got -5",
        "Aspect": "Aspect is required: a whole number between 0 and 360 °",
        "Slope": "Slope must be a whole number between 0 and 90 °, got true",
        "Wilderness_Area": 'Wilderness_Area must be one of "Rawah", "Neota", "Commanche", "Cache", got "Raw"; '
        'did you mean "Rawah"?',
        "Elevaton": "Elevaton is not a feature of covertype: did you mean Elevation?",
    }


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b"null", b'"x"', b"\xff", b"{'a': 1}", b"[" * 50_000, b"NaN"])
@pytest.mark.parametrize("url", ["/predict", "/models/penguins/predict"])
def test_unreadable_body_is_a_422(service: Service, url: str, body: bytes) -> None:
    reply = service.client.post(url, content=body)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["msg"]


@pytest.mark.parametrize("name", ["nobody", 5, None, ["covertype"], ""])
def test_model_that_does_not_exist(service: Service, name: Any) -> None:
    reply = service.client.post("/predict", json={**COURSE_RECORD, "model": name})
    assert reply.status_code == {str: 404, type(None): 200}.get(type(name), 422)
    if reply.status_code != 200:
        assert "penguins" in reply.text


def test_unknown_model_of_the_path(service: Service) -> None:
    reply = service.client.post("/models/nobody/predict", json={})
    assert reply.status_code == 404
    assert reply.json()["detail"] == "there is no model 'nobody'; models: covertype, house_prices, newcomer, penguins"


def test_model_key_is_a_mistake_in_the_body_of_a_model_route(service: Service) -> None:
    reply = service.client.post("/models/covertype/predict", json={**COURSE_RECORD, "model": "covertype"})
    assert reply.status_code == 422


def test_without_a_model_503_says_what_to_do(make_service: MakeService) -> None:
    empty = make_service(registry=MemoryRegistry())
    for url in ("/predict", "/models/covertype/predict"):
        reply = empty.client.post(url, json=COURSE_RECORD)
        assert reply.status_code == 503
        assert int(reply.headers["retry-after"]) > 0
        assert "mlops train covertype" in reply.json()["detail"]
    reply = make_service().client.post("/models/newcomer/predict", json={})
    assert reply.status_code == 503
    assert "alias champion" in reply.json()["detail"]


def test_too_many_records(make_service: MakeService) -> None:
    service = make_service(max_records=3)
    reply = service.client.post("/models/covertype/predict", json={"records": [COURSE_RECORD] * 4})
    assert reply.status_code == 413
    assert "MAX_RECORDS" in reply.json()["detail"]


def test_no_body_is_too_small_to_be_too_large(make_service: MakeService) -> None:
    body = json.dumps(COURSE_RECORD) + " " * 1024
    reply = make_service(max_body_bytes=1024).client.post("/predict", content=body)
    assert reply.status_code == 413
    assert "MAX_BODY_BYTES" in reply.json()["detail"]


def test_too_large_body_is_refused_while_it_is_read(make_service: MakeService) -> None:
    service = make_service(max_body_bytes=10_000)
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 1000

    for content in (b" " * 10_001, chunks()):
        reply = service.client.post("/predict", content=content)
        assert reply.status_code == 413
        assert "MAX_BODY_BYTES" in reply.json()["detail"]


@pytest.mark.parametrize("url", ["/predict", "/models/covertype/predict"])
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\x1f\x8b", {}),
        (b"\x1f\x8b", {"Content-Encoding": "br"}),
        (json.dumps(COURSE_RECORD).encode(), {"Content-Encoding": "br"}),
    ],
)
def test_compression_that_is_not_accepted_is_refused_with_the_remedy(
    service: Service, url: str, body: bytes, headers: dict[str, str]
) -> None:
    reply = service.client.post(url, content=body, headers=headers)
    assert reply.status_code == 415
    assert "Content-Encoding: gzip" in reply.json()["detail"]


@pytest.mark.parametrize("url", ["/predict", "/models/covertype/predict", "/v2/models/covertype/infer"])
def test_body_that_is_lost_to_an_upgrade_of_the_protocol_is_explained(service: Service, url: str) -> None:
    # What the server makes of a body after `Upgrade: h2c`: nothing.
    reply = service.client.post(url, headers={"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings"})
    assert reply.status_code == 400
    assert "h2c" in reply.text
    assert "HTTP/1.1" in reply.text


def test_saturated_service_says_so(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_routes, "WAITING_REQUESTS", 0)
    reply = service.client.post("/models/covertype/predict", json={"records": [COURSE_RECORD] * 200})
    assert reply.status_code == 429
    assert reply.headers["retry-after"] == "1"
    assert service.client.post("/predict", json=COURSE_RECORD).status_code == 200


def test_predictions_are_logged(service: Service) -> None:
    service.client.post("/predict", json=COURSE_RECORD, headers={"X-Request-ID": "logged"})
    service.client.__exit__(None, None, None)
    [row] = service.logged
    assert row["request_id"] == "logged"
    assert row["features"] == COURSE_RECORD


def test_log_may_be_off_or_broken(make_service: MakeService) -> None:
    def broken() -> Any:
        raise ConnectionError("no warehouse")

    for service in (make_service(prediction_log=False), make_service(prediction_writer=broken)):
        assert service.client.post("/predict", json=COURSE_RECORD).status_code == 200
