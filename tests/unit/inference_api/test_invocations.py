"""What clients of MLflow's scoring server see; tests/integration/test_protocols.py compares it with that server."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from inference_api.invocations import read_json
from tests.course_client import COURSE_RECORD

from .conftest import MakeService, MemoryRegistry, Service

NAMES, VALUES = list(COURSE_RECORD), list(COURSE_RECORD.values())
SPLIT = {"columns": NAMES, "data": [VALUES, VALUES]}
URL = "/invocations"


@pytest.mark.parametrize("url", ["/invocations", "/models/covertype/invocations"])
@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": SPLIT},
        {"dataframe_split": {**SPLIT, "index": [0, 1]}},
        {"dataframe_records": [COURSE_RECORD] * 2},
        {"instances": [COURSE_RECORD] * 2},
        {"inputs": {name: [value, value] for name, value in COURSE_RECORD.items()}},
        {"inputs": {name: [value, str(value)] for name, value in COURSE_RECORD.items()}, "params": {"a": [{}]}},
        {"dataframe_records": [COURSE_RECORD | {"more": 1}] * 2},
    ],
)
def test_every_form_gives_the_same_answer(service: Service, url: str, body: Any) -> None:
    expected = service.client.post("/predict", json=COURSE_RECORD).json()["prediction"]
    reply = service.client.post(url, json=body)
    assert reply.json() == {"predictions": [str(expected)] * 2}
    assert service.client.post(url, content=json.dumps(body)).json() == reply.json()


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=utf-8"])
def test_csv(service: Service, content_type: str) -> None:
    body = ",".join(NAMES) + "\n" + (",".join(map(str, VALUES)) + "\n") * 3
    reply = service.client.post(URL, content=body, headers={"Content-Type": content_type})
    assert len(reply.json()["predictions"]) == 3


def test_missing_values_and_a_regression(service: Service) -> None:
    url = "/models/house_prices/invocations"
    as_null = service.client.post(url, json={"dataframe_records": [{"status": "sold", "bed": None}]})
    as_nan = service.client.post(url, content=b'{"dataframe_records": [{"status": "sold", "bed": NaN}]}')
    left_out = service.client.post(url, json={"dataframe_records": [{"status": "sold"}, {"status": "sold", "bed": 1}]})
    as_csv = service.client.post(url, content="status,bed\nsold,\n", headers={"Content-Type": "text/csv"})
    assert isinstance(as_null.json()["predictions"][0], float)
    assert as_null.json() == as_nan.json() == as_csv.json()
    assert left_out.json()["predictions"][0] == pytest.approx(as_null.json()["predictions"][0])


BAD_BODIES: list[tuple[bytes | dict[str, Any], str]] = [
    (b"", "the body is empty"),
    (b"{", "truncated"),
    (b"[]", "exactly one of"),
    (b"\xff", "malformed"),
    (b"[" * 50_000, "nested too deeply"),
    (b" " * 2_000_000 + b"[]", "nothing else"),
    ({}, "exactly one of"),
    ({"dataframe_split": SPLIT, "inputs": {}}, "exactly one of"),
    ({"dataframe_split": []}, 'must be {"columns": [names]'),
    ({"dataframe_split": {"data": [VALUES]}}, 'must be {"columns": [names]'),
    ({"dataframe_split": {"columns": NAMES, "data": [5]}}, 'must be {"columns": [names]'),
    ({"dataframe_split": {"columns": NAMES, "data": [VALUES, VALUES[1:]]}}, "dataframe_split.data[1] has 11 values"),
    ({"dataframe_split": {"columns": NAMES[:1] * 2, "data": []}}, "names a column twice"),
    ({"dataframe_split": {"columns": NAMES, "data": []}}, "at least one record"),
    ({"dataframe_records": []}, "Elevation is required"),
    ({"dataframe_records": {}}, "must be a list of records"),
    ({"dataframe_records": [5]}, "must be a list of records"),
    ({"instances": [VALUES]}, "must be a list of records"),
    ({"inputs": 5}, "must be an object with a list of values"),
    ({"inputs": {"Elevation": [1, 2], "Aspect": [1]}}, "is required"),
    ({"inputs": COURSE_RECORD | {"Elevation": [1, 2]}}, "inputs.Elevation: Elevation has 2 values"),
    ({"dataframe_records": [COURSE_RECORD | {"Elevation": -5}]}, "dataframe_records.Elevation[0]: Elevation must be"),
    ({"dataframe_records": [COURSE_RECORD | {"Elevation": "x"}]}, "dataframe_records.Elevation[0]: Elevation must be"),
    ({"dataframe_records": [COURSE_RECORD | {"Elevation": [1]}]}, "dataframe_records.Elevation[0]: Elevation must be"),
    ({"dataframe_records": [COURSE_RECORD | {"Wilderness_Area": "x"}]}, "Wilderness_Area must be one of"),
    (b'{"dataframe_records": [{"Elevation": NaN}]}', "Elevation[0]: Elevation is required"),
    (b'{"dataframe_records": [{"Elevation": Infinity}]}', "Elevation[0]: Elevation must be"),
]


@pytest.mark.parametrize(("body", "message"), BAD_BODIES)
def test_bad_requests_are_answered_in_mlflows_form(service: Service, body: Any, message: str) -> None:
    reply = service.client.post(URL, content=body if isinstance(body, bytes) else json.dumps(body))
    assert reply.status_code == 400
    error = reply.json()
    assert error["error_code"] == "BAD_REQUEST"
    assert message in error["message"]


@pytest.mark.parametrize("body", [b"", b"\xff", b'a\n"', b"a,b\n1", b"a\n1", b"Elevation\n"])
def test_bad_csv(service: Service, body: bytes) -> None:
    reply = service.client.post(URL, content=body, headers={"Content-Type": "text/csv"})
    assert reply.status_code == 400
    assert reply.json()["error_code"] == "BAD_REQUEST"


def test_other_refusals_are_of_the_same_form(make_service: MakeService) -> None:
    service = make_service(max_records=2, max_body_bytes=5000)
    body = {"dataframe_records": [COURSE_RECORD]}
    csv = ",".join(NAMES) + "\n" + (",".join(map(str, VALUES)) + "\n") * 3
    for status, code, url, request in (
        (404, "RESOURCE_DOES_NOT_EXIST", "/models/nobody/invocations", {"json": body}),
        (503, "TEMPORARILY_UNAVAILABLE", "/models/newcomer/invocations", {"json": body}),
        (413, "BAD_REQUEST", URL, {"json": {"dataframe_records": [COURSE_RECORD] * 3}}),
        (413, "BAD_REQUEST", URL, {"json": {"dataframe_records": [{}] * 20}}),
        (413, "BAD_REQUEST", URL, {"content": csv, "headers": {"Content-Type": "text/csv"}}),
        (413, "BAD_REQUEST", URL, {"content": b" " * 6000}),
        (415, "BAD_REQUEST", URL, {"content": b"", "headers": {"Content-Type": "application/x-parquet"}}),
        (415, "BAD_REQUEST", URL, {"content": b"", "headers": {"Content-Type": "text/csv; charset=latin-1"}}),
        (415, "BAD_REQUEST", URL, {"json": body, "headers": {"Content-Encoding": "br"}}),
    ):
        reply = service.client.post(url, **request)
        assert (reply.status_code, reply.json()["error_code"]) == (status, code), reply.text


def test_gzip_and_log(service: Service) -> None:
    body = gzip.compress(json.dumps({"dataframe_split": SPLIT}).encode())
    headers = {"Content-Encoding": "gzip", "X-Request-ID": "mine"}
    assert service.client.post(URL, content=body, headers=headers).status_code == 200
    service.client.__exit__(None, None, None)
    assert [row["request_id"] for row in service.logged] == ["mine", "mine"]
    assert service.logged[0]["features"] == COURSE_RECORD


def test_ping_and_version(make_service: MakeService, service: Service, tmp_path: Path) -> None:
    for url in ("/ping", "/health"):
        assert (service.client.get(url).status_code, service.client.get(url).content) == (200, b"\n")
    assert service.client.get("/version").text.count(".") == 2
    empty = make_service(registry=MemoryRegistry(), model_cache_dir=tmp_path / "none")
    assert empty.client.get("/ping").status_code == 404


def test_names_that_records_make_up_take_no_memory() -> None:
    records = [{f"k{number}": 1, "a": number} for number in range(3)]
    body = json.dumps({"dataframe_records": records}).encode()
    # Of every name a list with a value for each record would be millions of values.
    assert read_json(body, 10, ("a", "b")) == ("dataframe_records", {"a": [0, 1, 2]})
