"""Batches as records and as columns, small and large, packed and plain: one meaning, one set of rules."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from inference_api import record_stream
from inference_api.body import MOST_MEMBERS
from inference_api.request_schema import LARGE_BYTES
from pipeline.use_case import UseCase
from tests.bundles import make_rows
from tests.course_client import COURSE_RECORD

from .conftest import MakeService, Service

URL = "/models/covertype/predict"
Change = Callable[[dict[str, Any]], Any]


def columns_of(records: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [record[name] for record in records] for name in records[0]}


def records_of(service: Service, name: str, count: int) -> list[dict[str, Any]]:
    """Records of a served model, missing values and dates among them."""
    state = service.store.states[name]
    assert state.predictor is not None
    bundle = state.predictor.bundle
    columns = {column.name: values for column, values in zip(bundle.columns, _drawn(bundle, count), strict=True)}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _drawn(bundle: Any, count: int) -> list[list[Any]]:
    found: list[list[Any]] = []
    for column in bundle.columns:
        allowed: list[Any]
        if column.type == "date":
            allowed = ["2001-02-03", "1999-12-31", "2020-02-29"]
        elif column.is_numeric:
            low = column.minimum or 0
            allowed = [low, low + 1, low + 7] if column.type == "integer" else [low + 0.1, low + 1, low + 3.75]
        else:
            allowed = list(column.categories or {"north": "", "80202": "", "a, b": ""})
        allowed = [*allowed, None] if column.nullable else allowed
        found.append([allowed[(i * 7 + len(found)) % len(allowed)] for i in range(count)])
    return found


@pytest.mark.parametrize("name", ["covertype", "penguins", "house_prices"])
def test_columns_give_the_same_bits_as_records(service: Service, name: str) -> None:
    records = records_of(service, name, 300)
    url = f"/models/{name}/predict"
    rows = service.client.post(url, json={"records": records}).json()["predictions"]
    reply = service.client.post(url, json={"columns": columns_of(records)}, headers={"X-Request-ID": "mine"}).json()
    assert reply["columns"]["prediction"] == [row["prediction"] for row in rows]
    if name == "house_prices":
        assert set(reply["columns"]) == {"prediction"}
    else:
        assert reply["columns"]["label"] == [row["label"] for row in rows]
        for label, values in reply["columns"]["probabilities"].items():
            assert values == [row["probabilities"][label] for row in rows]
    assert (reply["model_name"], reply["model_version"], reply["request_id"]) == (name, 1, "mine")
    single = service.client.post(url, json=records[5]).json()
    if name == "house_prices":
        assert single["prediction"] == pytest.approx(rows[5]["prediction"], rel=1e-15)
    else:
        assert single["probabilities"] == rows[5]["probabilities"]


def test_columns_accept_what_records_accept(service: Service) -> None:
    columns = columns_of([COURSE_RECORD] * 3)
    plain = service.client.post(URL, json={"columns": columns}).json()["columns"]
    columns |= {"Elevation": ["2596", " 2596 ", 2596.0], "Slope": [str(COURSE_RECORD["Slope"])] * 3}
    assert service.client.post(URL, json={"columns": columns}).json()["columns"] == plain


def test_a_nullable_column_may_be_left_out_or_hold_missing_values(service: Service) -> None:
    url = "/models/penguins/predict"
    left_out = service.client.post(url, json={"columns": {"island": ["Biscoe", "Dream"]}}).json()
    nulls = service.client.post(url, json={"columns": {"island": ["Biscoe", "Dream"], "sex": [None, "NA"]}}).json()
    assert left_out["columns"] == nulls["columns"]


def test_columns_are_logged_as_records_are(service: Service) -> None:
    records = records_of(service, "house_prices", 3)
    service.client.post("/models/house_prices/predict", json={"columns": columns_of(records)})
    service.client.post("/models/house_prices/predict", json={"records": records})
    service.client.__exit__(None, None, None)
    assert [row["features"] for row in service.logged[:3]] == [row["features"] for row in service.logged[3:]]
    assert [row["prediction"] for row in service.logged[:3]] == [row["prediction"] for row in service.logged[3:]]
    assert service.logged[0]["features"] == records[0]


def without(name: str) -> Change:
    return lambda columns: columns.pop(name)


def put(name: str, row: int, value: Any) -> Change:
    return lambda columns: columns[name].__setitem__(row, value)


BAD_COLUMNS: list[tuple[Change, list[Any], str]] = [
    (put("Elevation", 17, -5), ["Elevation", 17], "between 0 and 9000 m, got -5"),
    (put("Elevation", 17, 1e300), ["Elevation", 17], "between 0 and 9000"),
    (put("Elevation", 17, 2.5), ["Elevation", 17], "a whole number"),
    (put("Elevation", 17, None), ["Elevation", 17], "is required"),
    (put("Elevation", 17, "high"), ["Elevation", 17], 'got "high"'),
    (put("Elevation", 17, [1]), ["Elevation", 17], "got a list"),
    (put("Elevation", 17, {"a": 1}), ["Elevation", 17], "got an object"),
    (put("Slope", 3, True), ["Slope", 3], "got true"),
    (put("Wilderness_Area", 2, "Raw"), ["Wilderness_Area", 2], 'did you mean "Rawah"?'),
    (without("Aspect"), ["Aspect"], "Aspect is required"),
    (lambda columns: columns.update(Elevaton=[1] * 20), ["Elevaton"], "did you mean Elevation?"),
    (lambda columns: columns["Aspect"].pop(), ["Aspect"], "Aspect has 19 values, other columns have 20"),
    (lambda columns: columns.update(Aspect=5), ["Aspect"], "must be a list"),
    (lambda columns: columns.update(Aspect=None), ["Aspect"], "must be a list"),
    (lambda columns: [values.clear() for values in columns.values()], [], "at least one record"),
    (lambda columns: columns.clear(), ["Elevation"], "Elevation is required"),
]


@pytest.mark.parametrize(("change", "loc", "message"), BAD_COLUMNS)
def test_each_mistake_in_columns_is_named_with_column_and_row(
    service: Service, change: Change, loc: list[Any], message: str
) -> None:
    columns = columns_of([COURSE_RECORD] * 20)
    change(columns)
    reply = service.client.post(URL, json={"columns": columns})
    assert reply.status_code == 422
    found = reply.json()["detail"][0]
    assert found["loc"] == ["body", "columns", *loc]
    assert message in found["msg"]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused_by_row(service: Service, literal: str) -> None:
    body = json.dumps({"columns": columns_of([COURSE_RECORD] * 2)}).replace("2596", literal, 1)
    assert literal in body
    reply = service.client.post(URL, content=body)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "columns", "Elevation", 0]


@pytest.mark.parametrize(
    "body",
    [
        b'{"columns": ',
        b'{"columns": []}',
        b'{"columns": 5}',
        b'{"columns": null}',
        b'{"columns": {"Elevation": [1], "Elevation"}}',
        b'{"columns": {}, "records": []}',
        b'{"columns": {"\\ud800": []}}',
        b'{"columns": {"Elevation": ["\\ud800"]}}',
        b'{"columns": {"Elevation": ' + b"[" * 50_000,
        b'{"columns": {"Elevation": ' + b"[" * 900_000,
        b'{"columns": {"Elevation": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
        b'{"columns": {' + b",".join(b'"%d":[]' % i for i in range(200_000)) + b"}}",
        b'{"columns": {"Elevation": [' + b'"x,",' * 400_000 + b'"x"]}}',
    ],
)
def test_columns_that_make_no_sense_are_refused(service: Service, body: bytes) -> None:
    reply = service.client.post(URL, content=body)
    assert reply.status_code in (413, 422)
    assert reply.json()["detail"]
    assert service.client.get("/livez").status_code == 200


def test_too_many_rows_in_columns(make_service: MakeService) -> None:
    service = make_service(max_records=3)
    reply = service.client.post(URL, json={"columns": columns_of([COURSE_RECORD] * 4)})
    assert reply.status_code == 413
    assert "MAX_RECORDS" in reply.json()["detail"]
    assert service.client.post(URL, json={"columns": columns_of([COURSE_RECORD] * 3)}).status_code == 200


def test_commas_in_texts_are_not_counted_as_rows(make_service: MakeService) -> None:
    service = make_service(max_records=2)
    columns = {"status": ["sold", "sold"], "city": ['a, "b", c', "d, e, f"]}
    assert service.client.post("/models/house_prices/predict", json={"columns": columns}).status_code == 200


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a few records, so that many borders are met."""
    monkeypatch.setattr(record_stream, "PIECE_BYTES", 1000)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", " :\t")])
def test_a_large_body_gives_what_its_records_give_one_by_one(service: Service, separators: tuple[str, str]) -> None:
    url = "/models/house_prices/predict"
    records = records_of(service, "house_prices", 40)
    # Borders inside of texts, which must not be taken for borders of records; and spellings for the closer look.
    records[7]["city"] = '}, {"x": 1}, {'
    records[21]["city"] = "},{"
    records[30]["bed"] = "3"
    body = json.dumps({"records": records}, separators=separators)
    small = service.client.post(url, content=body).json()["predictions"]
    padding = " " * (LARGE_BYTES + 1 - len(body))
    large = service.client.post(url, content=padding + body + "\n")
    assert large.json()["predictions"] == small


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    ("broken", "loc", "message"),
    [
        ('"Elevation": -5', ["records", 12, "Elevation"], "between 0 and 9000 m, got -5"),
        ('"Elevation": [1]', ["records", 12], "record 12 is not a flat JSON object"),
        ('"Elevation": {"a": 1}', ["records", 12], "record 12 is not a flat JSON object"),
        ('"Elevation": NaN', ["records", 12], "record 12 is not a flat JSON object"),
        ('"Elevation": 2596, "x": 1', ["records", 12, "x"], "x is not a feature of covertype"),
        ('"Elevation": {}}, 5, {"x": 1', ["records", 12], "record 12 is not a flat JSON object"),
        ('"Elevation": 2596} {"x": 1', ["records", 12], "followed by a comma"),
        ('"Elevation": "2596', ["records", 12], "record 12 is not a flat JSON object"),
    ],
)
def test_a_mistake_in_a_large_body_is_named_with_its_record(
    service: Service, broken: str, loc: list[Any], message: str
) -> None:
    texts = [json.dumps(COURSE_RECORD)] * 30
    texts[12] = texts[12].replace('"Elevation": 2596', broken)
    assert texts[12] != texts[11]
    body = '{"records": [' + ", ".join(texts) + "]}"
    reply = service.client.post(URL, content=body + " " * LARGE_BYTES)
    assert reply.status_code == 422
    found = reply.json()["detail"][0]
    assert found["loc"] == ["body", *loc]
    assert message in found["msg"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"records": [', "truncated"),
        (b'{"records": []}', "at least one record"),
        (b'{"records": [], "x": 1}', "nothing else"),
        (b'{"x": 1, "records": []}', "nothing else"),
        (b'{"records": 5}', "nothing else"),
        (b"[]", "nothing else"),
        (b'{"records": [{"a": 1},]}', "record 0"),
        (b'{"records": [,]}', "record 0"),
        (b'{"records": [{}' + b",{}" * 10 + b"]}", "is required"),
    ],
)
def test_large_bodies_that_make_no_sense_are_refused(service: Service, body: bytes, message: str) -> None:
    reply = service.client.post(URL, content=b" " * LARGE_BYTES + body)
    assert reply.status_code == 422
    assert message in reply.text


def test_record_that_is_longer_than_any_is_not_read(service: Service) -> None:
    keys = b",".join(b'"k%d":1' % number for number in range(100_000))
    reply = service.client.post("/models/covertype/predict", content=b'{"records":[{' + keys + b"}]}")
    assert reply.status_code == 422
    (detail,) = reply.json()["detail"]
    assert detail["loc"] == ["body", "records", 0]
    assert "of at most 1,048,576 bytes" in detail["msg"]


def test_large_body_that_is_looked_at_closely_is_not_copied_for_each_record(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand records with numbers as texts would take minutes."""

    class Counted(bytes):
        copied = 0

        def __getitem__(self, place: Any) -> Any:
            found = super().__getitem__(place)
            if isinstance(place, slice):
                Counted.copied += len(found)
            return found

    state = service.store.states["covertype"]
    assert state.predictor is not None
    monkeypatch.setattr(record_stream, "PIECE_BYTES", 4096)
    spelt = {key: str(value) for key, value in COURSE_RECORD.items()}
    body = Counted(json.dumps({"records": [spelt] * 500}).encode())
    columns = record_stream.read_records(state.predictor.validator, body, 1000)
    assert {len(values) for values in columns.values()} == {500}
    assert Counted.copied < 3 * len(body)


def test_too_many_records_in_a_large_body(make_service: MakeService) -> None:
    service = make_service(max_records=5000)
    reply = service.client.post(URL, json={"records": [COURSE_RECORD] * 5001})
    assert reply.status_code == 413
    assert "MAX_RECORDS" in reply.json()["detail"]


@pytest.mark.parametrize("url", ["/predict", URL])
def test_gzip_bodies_are_unpacked(service: Service, url: str) -> None:
    plain = service.client.post(url, json=COURSE_RECORD).json()
    body = gzip.compress(json.dumps(COURSE_RECORD).encode())
    half = len(json.dumps(COURSE_RECORD)) // 2
    parts = json.dumps(COURSE_RECORD).encode()
    for packed in (body, gzip.compress(parts[:half]) + gzip.compress(parts[half:])):
        reply = service.client.post(url, content=packed, headers={"Content-Encoding": "gzip"})
        assert reply.json()["probabilities"] == plain["probabilities"]


@pytest.mark.parametrize("url", ["/predict", URL])
def test_decompression_bomb_is_refused_without_unpacking_it(make_service: MakeService, url: str) -> None:
    service = make_service(max_body_bytes=2_000_000)
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    reply = service.client.post(url, content=bomb, headers={"Content-Encoding": "gzip"})
    assert reply.status_code == 413
    assert "MAX_BODY_BYTES" in reply.json()["detail"]


def test_gzip_of_many_members_is_refused_before_they_are_all_unpacked(service: Service) -> None:
    """A megabyte holds 50,000 empty ones."""
    body = gzip.compress(b" ") * (MOST_MEMBERS - 1)
    record = gzip.compress(json.dumps(COURSE_RECORD).encode())
    gzipped = {"Content-Encoding": "gzip"}
    assert service.client.post(URL, content=body + record, headers=gzipped).status_code == 200
    refused = service.client.post(URL, content=body + gzip.compress(b"") + record, headers=gzipped)
    assert refused.status_code == 422
    assert "more than 1,024 members" in refused.text


@pytest.mark.parametrize("body", [b"\x1f\x8b", b"\x1f\x8bnonsense", gzip.compress(b"{}", mtime=0)[:-3]])
def test_damaged_gzip_is_a_422(service: Service, body: bytes) -> None:
    reply = service.client.post(URL, content=body, headers={"Content-Encoding": "gzip"})
    assert reply.status_code == 422
    assert "gzip" in reply.text


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "application/vnd.apache.arrow.file"])
def test_content_types_that_are_not_accepted(service: Service, content_type: str) -> None:
    reply = service.client.post(URL, content=b"x", headers={"Content-Type": content_type})
    assert reply.status_code == 415
    assert "application/json" in reply.json()["detail"]


def test_random_rows_as_columns(service: Service, covertype: UseCase) -> None:
    """Rows drawn as the model's training rows are, with every category."""
    rows = make_rows(covertype, count=500, seed=3)
    names = [column.name for column in covertype.features]
    columns = {name: rows[name].tolist() for name in names}
    by_columns = service.client.post(URL, json={"columns": columns}).json()["columns"]["prediction"]
    records = rows[names].to_dict("records")
    by_records = service.client.post(URL, json={"records": records}).json()["predictions"]
    assert by_columns == [each["prediction"] for each in by_records]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("between", ["5,", ",", '"x",'])
def test_what_is_no_record_in_a_large_body_is_named_by_its_place(service: Service, between: str) -> None:
    texts = [json.dumps(COURSE_RECORD)] * 30
    body = '{"records": [' + ",".join(texts[:12]) + "," + between + ",".join(texts[12:]) + "]}"
    reply = service.client.post(URL, content=body + " " * LARGE_BYTES)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "records", 12]


@pytest.mark.parametrize(
    "url", ["/predict", URL, "/v2/models/covertype/infer", "/invocations", "/models/covertype/invocations"]
)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000_000,
        b"{" * 10_000_000,
        b'{"a":' * 2_000_000,
        b"5" * 10_000_000,
        b" " * 10_000_000,
        b'"' + b"x" * 10_000_000 + b'"',
        b'{"records":[' + b"{}," * 3_000_000 + b"{}]}",
        b'{"inputs":[' + b"{}," * 3_000_000 + b"{}]}",
        b'{"dataframe_split":{"columns":[],"data":[' + b"[]," * 3_000_000 + b"[]]}}",
        b'{"columns":{"Elevation":[' + b"1," * 5_000_000 + b"1]}}",
        json.dumps({str(i): i for i in range(500_000)}).encode(),
    ],
    ids=lambda body: body[:12].decode(),
)
def test_large_nonsense_is_refused_by_every_route(service: Service, url: str, body: bytes) -> None:
    reply = service.client.post(url, content=body)
    assert reply.status_code in (400, 413, 422)
    assert reply.json()
    assert len(reply.content) < 100_000
    assert service.client.post("/predict", json=COURSE_RECORD).status_code == 200
