"""The quick and the close reading of a request agree, and mistakes are named with their place."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from inference_api import request_schema
from inference_api.errors import MOST_MISTAKES, Refusal
from inference_api.request_schema import (
    HINTED_KEYS,
    LONGEST_HINTED_KEY,
    RecordValidator,
    parse_json,
    requested_model,
)
from pipeline.bundle import Bundle, load_bundle


@pytest.fixture
def bundle(bundles: dict[str, Path]) -> Bundle:
    return load_bundle(bundles["house_prices"])


@pytest.fixture
def validator(bundle: Bundle) -> RecordValidator:
    return RecordValidator(bundle)


def details(refused: pytest.ExceptionInfo[Refusal]) -> list[dict[str, Any]]:
    assert refused.value.status == 422
    assert isinstance(refused.value.detail, list)
    return refused.value.detail


def test_quick_and_close_reading_give_the_same_values(validator: RecordValidator, bundle: Bundle) -> None:
    body = msgspec.json.encode(bundle.input_example)
    quick = validator.read_plain(body, "house_prices")
    assert quick is not None
    assert quick == validator.read_one(body, named=True)
    assert validator.read(b'{"records": [' + body + b"]}", 10) == ([quick], True)


@pytest.mark.parametrize("missing", ["NA", "", " null "])
def test_text_that_stands_for_missing_is_missing_on_every_path(
    validator: RecordValidator, bundle: Bundle, missing: str
) -> None:
    body = msgspec.json.encode({**bundle.input_example, "city": missing})
    city = validator.columns.index("city")
    rows, many = validator.read(body, 10)
    assert not many
    assert rows[0][city] is None
    assert validator.read_plain(body, "house_prices") is None  # left to the close reading


def test_optional_fields_may_be_left_out(validator: RecordValidator) -> None:
    rows, _ = validator.read(b'{"status": "sold"}', 1)
    assert [value for value in rows[0] if value is not None] == ["sold"]


def test_every_mistake_of_every_record_is_named(validator: RecordValidator) -> None:
    records = [{"status": "sold"}, {"status": "gone", "bed": -1, "Bath": 2}, 5]
    with pytest.raises(Refusal) as refused:
        validator.read(msgspec.json.encode({"records": records}), 10)
    found = {tuple(entry["loc"]): entry["msg"] for entry in details(refused)}
    assert set(found) == {
        ("body", "records", 1, "status"),
        ("body", "records", 1, "bed"),
        ("body", "records", 1, "Bath"),
        ("body", "records", 2),
    }
    assert found["body", "records", 1, "Bath"] == "Bath is not a feature of house_prices: did you mean bath?"
    assert "must be a JSON object with the features of house_prices" in found["body", "records", 2]


def test_list_of_mistakes_is_bounded(validator: RecordValidator) -> None:
    with pytest.raises(Refusal) as refused:
        validator.read(msgspec.json.encode({"records": [{}] * 10_000}), 10_000)
    assert len(details(refused)) == MOST_MISTAKES + 1


def test_bogus_keys_are_not_all_compared_with_the_features(
    validator: RecordValidator, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []

    def close(word: str, *_: Any, **__: Any) -> list[str]:
        compared.append(word)
        return []

    monkeypatch.setattr(request_schema, "get_close_matches", close)
    bogus = {"x" * 1000: 1} | {f"bogus{i}": 1 for i in range(20_000)}
    for body in ({"status": "sold"} | bogus, {"records": [bogus]}, {"records": [], **bogus}):
        with pytest.raises(Refusal) as refused:
            validator.read(msgspec.json.encode(body), 10)
        assert len(details(refused)) == MOST_MISTAKES + 1
        assert len(compared) <= HINTED_KEYS
        assert all(len(key) <= LONGEST_HINTED_KEY for key in compared)
        compared.clear()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is empty"),
        (b'{"status": "sold"', "truncated"),
        (b'{"status": sold}', "byte 11"),
        (b"status=sold&bed=3", "byte 0"),
        (b"\xff\xfe{", "byte 0"),
        (b'{"status": "' + b"\xff" + b'"}', "Send a JSON object"),
        (b"[1, 2]", "must be a JSON object"),
        (b'"sold"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"records": []}', "at least one record"),
        (b'{"records": [], "more": 1}', "more is not allowed here"),
        (b'{"bed": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"bed": 1' + b"0" * 5000 + b"}", "bed must be a number between 0 and 500, got Infinity"),
        (b'{"bed": Infinity, "status": "sold"}', "bed must be a number between 0 and 500, got Infinity"),
        (b'{"bed": 1e999, "status": "sold"}', "bed must be a number between 0 and 500, got Infinity"),
    ],
)
def test_unreadable_body_is_a_422_that_says_why(validator: RecordValidator, body: bytes, message: str) -> None:
    with pytest.raises(Refusal) as refused:
        validator.read(body, 10)
    assert any(message in entry["msg"] for entry in details(refused)), details(refused)
    if b"records" not in body:
        with pytest.raises(Refusal) as refused_alone:
            validator.read_one(body, named=True)
        assert details(refused_alone) == details(refused)


@pytest.mark.parametrize("count", [11, 100_000])
def test_more_records_than_allowed(validator: RecordValidator, count: int) -> None:
    with pytest.raises(Refusal, match="at most 10 records") as refused:
        validator.read(b'{"records":[' + b",".join([b'{"status":"sold"}'] * count) + b"]}", 10)
    assert refused.value.status == 413


def test_large_body_of_anything_but_flat_records_is_refused_before_it_takes_memory() -> None:
    with pytest.raises(Refusal) as refused:
        parse_json(b'{"records":[' + b"[]," * 500_000 + b"[]]}")
    assert '{"records": [...]}' in details(refused)[0]["msg"]


def test_model_of_a_body() -> None:
    assert requested_model(b'{"model": "penguins", "x": {"y": 1}}') == "penguins"
    assert requested_model(b'{"x": 1}') is None
    assert requested_model(b"nonsense") is None
    assert requested_model(b'{"model": 5}') == 5


@pytest.mark.parametrize(
    "body",
    [
        b'{"x": NaN, "model": "penguins"}',
        b'\xef\xbb\xbf{"model": "penguins"}',
        '{"model": "penguins"}'.encode("utf-16"),
        b'{"x": ' + b"1" * 5000 + b', "model": "penguins"}',
    ],
    ids=["NaN", "byte order mark", "UTF-16", "many digits"],
)
def test_model_of_a_body_that_is_not_quite_json(body: bytes) -> None:
    assert requested_model(body) == "penguins"


def test_integer_of_thousands_of_digits_is_named_with_its_field(validator: RecordValidator) -> None:
    with pytest.raises(Refusal) as refused:
        validator.read_one(b'{"acre_lot": ' + b"1" * 5000 + b"}", named=True)
    assert ["body", "acre_lot"] in [entry["loc"] for entry in details(refused)]


def test_column_named_model_or_like_a_keyword_belongs_to_the_record(bundle: Bundle) -> None:
    columns = [
        bundle.columns[0].model_copy(update={"name": name, "type": "text", "nullable": False})
        for name in ("model", "class", "self")
    ]
    validator = RecordValidator(bundle.model_copy(update={"columns": columns}))
    body = b'{"model": "T", "class": "A", "self": "me"}'
    assert validator.read_plain(body, "cars") == ("T", "A", "me")
    assert validator.read_one(body, named=True) == ("T", "A", "me")
