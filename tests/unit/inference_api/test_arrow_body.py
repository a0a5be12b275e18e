"""Arrow streams as bodies and replies, written and read by pyarrow and Polars."""

import gzip
import io
import random
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from inference_api.arrow_messages import ArrowError
from inference_api.arrow_stream import read_stream
from pipeline.use_case import UseCase
from tests.bundles import make_rows
from tests.course_client import COURSE_RECORD

from .conftest import MakeService, Service

URL = "/models/covertype/predict"
ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}


def stream(table: pa.Table, rows_a_batch: int | None = None, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows_a_batch)
    return sink.getvalue()


def table_of(records: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(records)


def read(content: bytes) -> pa.Table:
    with pa.ipc.open_stream(content) as reader:
        table = reader.read_all()
    table.validate(full=True)
    return table


@pytest.mark.parametrize("name", ["covertype", "penguins", "house_prices"])
def test_arrow_gives_the_same_bits_as_records(
    service: Service, name: str, covertype: UseCase, penguins: UseCase, house_prices: UseCase
) -> None:
    use_case = {"covertype": covertype, "penguins": penguins, "house_prices": house_prices}[name]
    rows = make_rows(use_case, 300, seed=5)[[column.name for column in use_case.features]]
    table = pa.Table.from_pandas(rows, preserve_index=False)
    for column in use_case.features:
        if column.type == "date":
            days = table[column.name].cast(pa.int32(), safe=False).cast(pa.date32())
            table = table.set_column(table.schema.get_field_index(column.name), column.name, days)
    url = f"/models/{name}/predict"
    records = service.client.post(url, json={"records": _json_records(table)}).json()["predictions"]
    for body in (stream(table), stream(table, 70)):
        reply = service.client.post(url, content=body, headers=ARROW | {"X-Request-ID": "mine"})
        assert reply.headers["content-type"] == "application/vnd.apache.arrow.stream"
        found = read(reply.content)
        assert found["prediction"].to_pylist() == [record["prediction"] for record in records]
        if use_case.task == "classification":
            assert found["label"].to_pylist() == [record["label"] for record in records]
            for label in records[0]["probabilities"]:
                values = found[f"probability_{label}"].to_pylist()
                assert values == [record["probabilities"][label] for record in records]
        assert found.schema.metadata == {b"model_name": name.encode(), b"model_version": b"1", b"request_id": b"mine"}


def _json_records(table: pa.Table) -> list[dict[str, Any]]:
    return [
        {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in record.items()}
        for record in table.to_pylist()
    ]


def test_reply_is_of_the_form_that_the_client_accepts(service: Service) -> None:
    body = stream(table_of([COURSE_RECORD] * 2))
    as_json = service.client.post(URL, content=body, headers=ARROW | {"Accept": "application/json"})
    columns = as_json.json()["columns"]
    for request in (
        {"content": body, "headers": ARROW},
        {"content": gzip.compress(body), "headers": ARROW | {"Content-Encoding": "gzip"}},
        {"json": {"records": [COURSE_RECORD] * 2}, "headers": {"Accept": ARROW["Content-Type"]}},
        {"json": {"columns": table_of([COURSE_RECORD] * 2).to_pydict()}, "headers": {"Accept": ARROW["Content-Type"]}},
    ):
        assert read(service.client.post(URL, **request).content)["prediction"].to_pylist() == columns["prediction"]
    single = service.client.post(URL, json=COURSE_RECORD, headers={"Accept": ARROW["Content-Type"]})
    assert read(single.content).num_rows == 1


@pytest.mark.parametrize(
    "form",
    [
        pa.float32(), pa.float64(), pa.int16(), pa.int32(), pa.uint64(), pa.string(), pa.large_string(),
        pa.string_view(), pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.uint32(), pa.int64()),
    ],
)  # fmt: skip
def test_a_number_may_be_of_any_type_that_holds_it(service: Service, form: pa.DataType) -> None:
    table = table_of([COURSE_RECORD, COURSE_RECORD | {"Elevation": 2000}])
    plain = service.client.post(URL, content=stream(table), headers=ARROW).content
    values = pa.array(["2596", "2000"]).cast(pa.int64())
    if pa.types.is_dictionary(form):
        column = values.cast(form.value_type).dictionary_encode().cast(form)
    else:
        column = values.cast(form if not pa.types.is_string_view(form) else pa.string()).cast(form)
    table = table.set_column(table.schema.get_field_index("Elevation"), "Elevation", column)
    reply = service.client.post(URL, content=stream(table), headers=ARROW)
    assert read(reply.content).to_pydict() == read(plain).to_pydict()


def test_polars_writes_what_is_taken(service: Service) -> None:
    frame = pl.DataFrame([COURSE_RECORD] * 3).with_columns(pl.col("Soil_Type").cast(pl.Categorical))
    sink = io.BytesIO()
    frame.write_ipc_stream(sink)
    reply = service.client.post(URL, content=sink.getvalue(), headers=ARROW)
    assert pl.read_ipc_stream(io.BytesIO(reply.content)).height == 3


BAD_COLUMNS = [
    (pa.array([1, 2, -5, 4]), ["Elevation", 2], "between 0 and 9000 m, got -5"),
    (pa.array([1, 2, 2**62, 4]), ["Elevation", 2], "between 0 and 9000 m"),
    (pa.array([1, 2.5, 3, 4]), ["Elevation", 1], "a whole number"),
    (pa.array([1, 2, 3, np.nan]), ["Elevation", 3], "got NaN"),
    (pa.array([1, 2, 3, np.inf]), ["Elevation", 3], "got Infinity"),
    (pa.array([1, 2, None, 4]), ["Elevation", 2], "is required"),
    (pa.array(["1", "2", "x", "4"]), ["Elevation", 2], 'got "x"'),
    (pa.array([True, False, True, True]), ["Elevation", 0], "got true"),
    (pa.array([0, 1, 2, 3], pa.date32()), ["Elevation", 0], "a whole number"),
    (pa.nulls(4), ["Elevation", 0], "is required"),
]


@pytest.mark.parametrize(("column", "loc", "message"), BAD_COLUMNS)
def test_each_mistake_is_named_with_column_and_row(
    service: Service, column: pa.Array, loc: list[Any], message: str
) -> None:
    table = table_of([COURSE_RECORD] * 4)
    table = table.set_column(table.schema.get_field_index("Elevation"), "Elevation", column)
    reply = service.client.post(URL, content=stream(table), headers=ARROW)
    assert reply.status_code == 422
    found = reply.json()["detail"][0]
    assert found["loc"] == ["body", "columns", *loc]
    assert message in found["msg"]


def test_unknown_missing_and_wrong_categories(service: Service) -> None:
    table = table_of([COURSE_RECORD, COURSE_RECORD | {"Wilderness_Area": "Raw"}])
    reply = service.client.post(URL, content=stream(table), headers=ARROW)
    assert 'did you mean "Rawah"?' in reply.json()["detail"][0]["msg"]
    reply = service.client.post(URL, content=stream(table.rename_columns({"Slope": "Slop"})), headers=ARROW)
    assert {entry["loc"][-1] for entry in reply.json()["detail"]} == {"Slop", "Slope", 1}


@pytest.mark.parametrize(
    ("day", "message"), [(0, None), (-400_000, "a date"), (86_400_000_000 // 2, "a date"), (None, None)]
)
def test_dates_are_checked(service: Service, day: int | None, message: str | None) -> None:
    form = pa.timestamp("us") if day and day > 10_000_000 else pa.date32()
    table = pa.table({"status": ["sold"], "prev_sold_date": pa.array([day], form)})
    reply = service.client.post("/models/house_prices/predict", content=stream(table), headers=ARROW)
    assert reply.status_code == (200 if message is None else 422)
    if message:
        assert message in reply.json()["detail"][0]["msg"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "it is empty"),
        (b"{}", "it is no Arrow IPC stream"),
        (b"ARROW1\x00\x00", "it is no Arrow IPC stream"),
        (b"\xff\xff\xff\xff", "damaged"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f", "damaged"),
        (stream(pa.table({"Elevation": [[1]]})), "column Elevation is of a type"),
        (stream(pa.table({"Elevation": [1] * 100}), compression="zstd"), "compressed"),
        (stream(pa.table([[1], [2]], names=["Elevation", "Elevation"])), "one name"),
    ],
)
def test_streams_that_cannot_be_read(service: Service, body: bytes, message: str) -> None:
    reply = service.client.post(URL, content=body, headers=ARROW)
    assert reply.status_code == 422
    assert message in reply.json()["detail"][0]["msg"]


def test_a_stream_without_rows_is_refused(service: Service) -> None:
    reply = service.client.post(URL, content=stream(table_of([COURSE_RECORD])[:0]), headers=ARROW)
    assert reply.status_code == 422
    assert "at least one record" in reply.text


def test_too_many_rows(make_service: MakeService) -> None:
    service = make_service(max_records=3)
    reply = service.client.post(URL, content=stream(table_of([COURSE_RECORD] * 4), 2), headers=ARROW)
    assert reply.status_code == 413


def test_any_damage_is_an_error_and_nothing_worse() -> None:
    table = pa.table(
        {
            "number": pa.array([1, 2, None, 4], pa.int16()),
            "text": ["a", "bé", None, ""],
            "name": pa.array(["a", "b", "a", None]).dictionary_encode(),
            "view": pa.array(["a", "b" * 30, None, "c" * 20], pa.string_view()),
            "day": pa.array([1, 2, 3, 4], pa.date32()),
        }
    )
    whole = stream(table)
    draw = random.Random(0)
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            damaged[draw.randrange(len(damaged))] = draw.choice([0, 1, 127, 128, 255, draw.randrange(256)])
        if draw.random() < 0.2:
            del damaged[draw.randrange(len(damaged)) :]
        try:
            found = read_stream(bytes(damaged), 100, table.column_names)
        except ArrowError:
            continue
        assert all(len(part) <= 100 for parts in found.values() for part in parts)
