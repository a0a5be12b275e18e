"""What clients of MLflow's scoring server see; tests/integration/test_protocols.py compares it with that server."""

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from inference_api import invocations
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
    (b'{"instances": ' + b"[" * 50_000, "nested too deeply"),
    (b" " * 2_000_000 + b"[]", "exactly one of dataframe_split"),
    ({}, "exactly one of"),
    ({"dataframe_split": SPLIT, "inputs": {}}, "exactly one of"),
    ({"dataframe_split": []}, '{"columns": [names], "data"'),
    ({"dataframe_split": {"data": [VALUES]}}, '{"columns": [names], "data"'),
    ({"dataframe_split": {"columns": 5, "data": [VALUES]}}, '{"columns": [names], "data"'),
    (b'{"dataframe_split": {"columns": ["\xff"], "data": []}}', "can't decode byte 0xff"),
    (b'{"inputs": {"\xff": [1]}}', "is required"),
    ({"dataframe_split": {"columns": NAMES, "data": 5}}, "dataframe_split.data must be a list"),
    ({"dataframe_split": {"columns": ["a,"] * 100_001, "data": []}}, "more than 100,000 columns"),
    ({"dataframe_split": {"columns": NAMES, "data": [5]}}, "dataframe_split.data[0] must be a record, or a list"),
    (
        {"dataframe_split": {"columns": NAMES, "data": [VALUES, COURSE_RECORD]}},
        "dataframe_split.data[1] must be a list",
    ),
    ({"dataframe_split": {"columns": NAMES, "data": [VALUES, VALUES[1:]]}}, "dataframe_split.data[1] has 11 values"),
    ({"dataframe_split": {"columns": NAMES[:1] * 2, "data": []}}, "names a column twice"),
    ({"dataframe_split": {"columns": NAMES, "data": []}}, "at least one record"),
    ({"dataframe_records": []}, "dataframe_records must hold at least one record"),
    ({"dataframe_records": [{}]}, "dataframe_records.Elevation: Elevation is required"),
    ({"dataframe_records": {}}, "dataframe_records must be a list"),
    ({"dataframe_records": [5]}, "dataframe_records[0] must be a record"),
    ({"dataframe_records": [COURSE_RECORD, VALUES]}, "dataframe_records[1] must be a record"),
    (b'{"inputs": {"a": NaN, "b": "' + rb"\"" * 300_000 + b'"}}', "a text that does not end"),
    (b'{"inputs": {"a": NaN, "b": "', "a text that does not end"),
    (b'{"dataframe_records": [{"a": ' + b"9" * 5000 + b"}]}", "dataframe_records[0] cannot be read"),
    ({"instances": [VALUES]}, "instances[0] must be a record"),
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


def peak(service: Service, body: bytes, content_type: str = "application/json") -> tuple[int, str]:
    """The memory that answering a body takes at most, and what is answered."""
    tracemalloc.start()
    reply = service.client.post(URL, content=body, headers={"Content-Type": content_type})
    _, found = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return found, reply.text


RECORD = json.dumps(COURSE_RECORD)[1:-1].encode()
COLUMNS = json.dumps({name: [value] for name, value in COURSE_RECORD.items()})[1:-1].encode()
MANY_NAMES = b",".join(b'"k%d":1' % number for number in range(200_000))
GREEDY_BODIES = {
    "a record of many names": b'{"dataframe_records":[{%s,%s}]}' % (RECORD, MANY_NAMES[:900_000].rpartition(b",")[0]),
    "columns of many names": b'{"inputs":{%s,%s}}' % (COLUMNS, MANY_NAMES),
    "an unknown column": b'{"inputs":{%s,"x":[%s]}}' % (COLUMNS, b",".join([b'"ab"'] * 400_000)),
    "names of columns": b'{"dataframe_split":{"data":[],"columns":[%s]}}' % b",".join([b'"ab"'] * 400_000),
    "a record of megabytes": b'{"dataframe_records":[{%s}]}' % MANY_NAMES,
    "parameters": b'{"params":[%s],"instances":[{%s}]}' % (b",".join([b"{}"] * 700_000), RECORD),
    "an unknown column of NaN": b'{"inputs":{%s,"x":[%s]}}' % (COLUMNS, b",".join([b"NaN"] * 400_000)),
    "empty rows": b'{"dataframe_split":{"columns":["a"],"data":[%s]}}' % b",".join([b"[]"] * 700_000),
    "empty records": b'{"instances":[%s]}' % b",".join([b"{}"] * 700_000),
}


@pytest.mark.parametrize("body", GREEDY_BODIES.values(), ids=GREEDY_BODIES)
def test_names_and_rows_that_a_body_makes_up_take_little_memory(service: Service, body: bytes) -> None:
    found, _ = peak(service, body)
    # Beside the body itself, which the test client copies a few times. Read at once, each takes 20 to 60 MB more.
    assert found < 5 * len(body) + 8_000_000


@pytest.mark.parametrize("row", [b"a\n", b"\n", b'"\n",', b"a,", b"a"])
def test_csv_that_is_no_table_takes_little_memory(make_service: MakeService, row: bytes) -> None:
    service = make_service(max_records=100)
    body = row * (2_000_000 // len(row))
    found, text = peak(service, body, "text/csv")
    assert "BAD_REQUEST" in text
    assert found < 5 * len(body) + 8_000_000


def test_more_than_there_may_be_is_refused_before_it_is_passed_over(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service(max_records=100)
    for name in ("_body", "_as_json"):
        monkeypatch.setattr(invocations, name, None)
    body = b'{"inputs":{"a":[%s]}}'
    for values in ([b"{}"] * 400_000, [b"[]"] * 400_000):
        reply = service.client.post(URL, content=body % b",".join(values))
        assert "at most 100 records" in reply.json()["message"]
    monkeypatch.undo()
    monkeypatch.setattr(invocations, "_as_json", None)
    assert "more NaN" in service.client.post(URL, content=body % b",".join([b"NaN"] * 4000)).json()["message"]


def test_csv_of_many_rows_is_answered_as_records_are(service: Service) -> None:
    rows = [COURSE_RECORD | {"Elevation": 2000 + number % 1500} for number in range(9000)]
    body = ",".join(NAMES) + "\r\n" + "\r\n".join(",".join(map(str, row.values())) for row in rows)
    expected = service.client.post(URL, json={"dataframe_records": rows}).json()
    assert len(expected["predictions"]) == 9000
    for text in (body, "\ufeff" + body, body.replace("\r\n", "\n\n"), body.replace("\r\n", "\r")):
        reply = service.client.post(URL, content=text.encode(), headers={"Content-Type": "text/csv"})
        assert reply.json() == expected


def test_a_mistake_far_down_is_named_with_its_row(service: Service) -> None:
    rows = [COURSE_RECORD] * 7000 + [COURSE_RECORD | {"Slope": -1}]
    split = {"columns": NAMES, "data": [list(row.values()) for row in rows]}
    columns = {name: [row[name] for row in rows] for name in NAMES}
    csv = ",".join(NAMES) + "\n" + "\n".join(",".join(map(str, row.values())) for row in rows)
    for form, body in (("dataframe_records", rows), ("dataframe_split", split), ("inputs", columns)):
        assert f"{form}.Slope[7000]: Slope must be" in service.client.post(URL, json={form: body}).json()["message"]
    reply = service.client.post(URL, content=csv, headers={"Content-Type": "text/csv"})
    assert "csv.Slope[7000]: Slope must be" in reply.json()["message"]


@pytest.mark.parametrize("count", [10, 30_000])
def test_nan_is_a_missing_value_in_small_and_in_large_bodies(service: Service, count: int) -> None:
    url = "/models/house_prices/invocations"
    expected = service.client.post(url, json={"dataframe_records": [{"status": "sold"}]}).json()["predictions"]
    row, record = '["sold", NaN]', r'{"bed": NaN, "status": "sold", "city": "\"NaN"}'
    for body in (
        '{"dataframe_split": {"columns": ["status", "bed"], "data": [' + ", ".join([row] * count) + "]}}",
        '{"dataframe_records": [' + ", ".join([record.replace("city", "NaN")] * count) + "]}",
        '{"inputs": {"status": [' + ",".join(['"sold"'] * count) + '], "bed":[' + ",".join(["NaN"] * count) + "]}}",
    ):
        reply = service.client.post(url, content=body)
        assert reply.status_code == 200, reply.text
        assert reply.json()["predictions"] == expected * count


def test_a_large_body_of_no_known_form_is_told_of_the_forms_of_this_route(service: Service) -> None:
    message = service.client.post(URL, json={"records": [COURSE_RECORD] * 9000}).json()["message"]
    assert "exactly one of dataframe_split" in message


@pytest.mark.parametrize("count", [1, 9000])
def test_what_a_record_has_besides_may_be_anything(service: Service, count: int) -> None:
    record = COURSE_RECORD | {"tags": [{"a": "},{"}, {"b": ["]"]}], "text": "NaN, [1], {}"}
    reply = service.client.post(URL, json={"dataframe_records": [record] * count})
    assert len(reply.json()["predictions"]) == count
    reply = service.client.post(URL, json={"dataframe_records": [record | {"Slope": [40]}] * count})
    assert "dataframe_records.Slope[0]: Slope must be" in reply.json()["message"]
