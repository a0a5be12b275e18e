"""Each field accepts every lossless spelling of a value, and otherwise says in words what it accepts."""

from datetime import date
from typing import Any

import msgspec
import pytest

from inference_api.fields import LONGEST_TEXT, Field, FieldError
from inference_api.signature import SignatureColumn
from pipeline.bundle import BundleColumn

ELEVATION = Field(BundleColumn(name="Elevation", type="integer", unit="m", minimum=0, maximum=9000))
AREA = Field(BundleColumn(name="area", type="number", unit="acre", minimum=0.5, nullable=True))
FREE = Field(BundleColumn(name="free", type="number"))
ISLAND = Field(BundleColumn(name="island", type="category", categories={"Biscoe": "Biscoe Island", "5": "Five"}))
CITY = Field(BundleColumn(name="city", type="text", nullable=True))
REVIEW = Field(SignatureColumn(name="review", type="text", dtype="object"))
NOTE = Field(SignatureColumn(name="note", type="text", dtype="object", nullable=True))
FLAG = Field(SignatureColumn(name="flag", type="integer", dtype="bool", minimum=0, maximum=1))
SOLD = Field(BundleColumn(name="sold", type="date", minimum=0, maximum=20_000))


@pytest.mark.parametrize("spelling", [7, 7.0, "7", " 7 ", "7.0", "+7", "7e0", "007"])
def test_integer_in_every_lossless_spelling(spelling: Any) -> None:
    value = ELEVATION.read(spelling)
    assert value == 7
    assert isinstance(value, int)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (ELEVATION, -5, "Elevation must be a whole number between 0 and 9000 m, got -5"),
        (ELEVATION, "9001", 'Elevation must be a whole number between 0 and 9000 m, got "9001"'),
        (ELEVATION, 7.5, "Elevation must be a whole number between 0 and 9000 m, got 7.5"),
        (ELEVATION, "high", 'Elevation must be a whole number between 0 and 9000 m, got "high"'),
        (ELEVATION, True, "Elevation must be a whole number between 0 and 9000 m, got true"),
        (ELEVATION, "1_0", 'Elevation must be a whole number between 0 and 9000 m, got "1_0"'),
        (ELEVATION, float("nan"), "Elevation must be a whole number between 0 and 9000 m, got NaN"),
        (ELEVATION, [1], "Elevation must be a whole number between 0 and 9000 m, got a list"),
        (ELEVATION, None, "Elevation is required: a whole number between 0 and 9000 m"),
        (ELEVATION, "", "Elevation is required: a whole number between 0 and 9000 m"),
        (AREA, 0.25, "area must be a number of at least 0.5 acre, got 0.25"),
        (AREA, float("inf"), "area must be a number of at least 0.5 acre, got Infinity"),
        (AREA, "1e999", 'area must be a number of at least 0.5 acre, got "1e999"'),
        (FREE, 1e39, "free must be a number, got 1e+39"),
        pytest.param(FREE, 10**5000, "free must be a number, got a number too large to show", id="huge"),
        (ISLAND, "biscoe", 'island must be one of "Biscoe", "5", got "biscoe"; did you mean "Biscoe"?'),
        (ISLAND, True, 'island must be one of "Biscoe", "5", got true'),
        (CITY, {"a": 1}, "city must be a text of 1 to 255 characters without control characters, got an object"),
        (CITY, "a\x00b", "without control characters, got"),
        (CITY, "x" * 256, "city must be a text of 1 to 255 characters"),
        (REVIEW, "x" * (LONGEST_TEXT + 1), "review must be a text of 0 to 100,000 characters without control"),
        (REVIEW, "a\x00b", "without control characters, got"),
        (REVIEW, None, "review is required: a text of 0 to 100,000 characters"),
        (FLAG, 2, "flag must be true or false, or 1 or 0, got 2"),
        (FLAG, "yes", 'flag must be true or false, or 1 or 0, got "yes"'),
        (SOLD, "2024-13-01", 'sold must be a date YYYY-MM-DD between 1970-01-01 and 2024-10-04, got "2024-13-01"'),
        (SOLD, "1969-12-31", "sold must be a date YYYY-MM-DD between 1970-01-01 and 2024-10-04"),
        (SOLD, 19_000, "sold must be a date YYYY-MM-DD between 1970-01-01 and 2024-10-04, got 19000"),
    ],
)
def test_refusal_says_what_is_allowed(field: Field, value: Any, message: str) -> None:
    with pytest.raises(FieldError) as refused:
        field.read(value)
    assert message in str(refused.value)
    assert len(str(refused.value)) < 250


def test_category_and_text_may_be_numbers() -> None:
    assert ISLAND.read(5) == "5"
    assert CITY.read(90210) == "90210"


@pytest.mark.parametrize("missing", [None, "", "  ", "NA", "null"])
@pytest.mark.parametrize("field", [AREA, CITY])
def test_nullable_field_takes_what_collection_takes_for_missing(field: Field, missing: Any) -> None:
    assert field.read(missing) is None


@pytest.mark.parametrize("spelling", ["2020-02-29", "2020-02-29T00:00:00", " 2020-02-29"])
def test_date(spelling: str) -> None:
    assert SOLD.read(spelling) == date(2020, 2, 29)


@pytest.mark.parametrize("text", [" Private", "NA", "None", "", "two\nlines\t", "x" * LONGEST_TEXT, " "])
def test_text_for_a_model_of_others_is_taken_as_it_is(text: str) -> None:
    assert REVIEW.read(text) == text
    # As it is by the quick reading as well.
    assert msgspec.json.decode(msgspec.json.encode(text), type=REVIEW.annotation) == text


def test_missing_text_for_a_model_of_others_is_null_or_an_empty_cell() -> None:
    assert (NOTE.read(None), NOTE.read(""), NOTE.read("NA")) == (None, None, "NA")
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'""', type=NOTE.annotation)


@pytest.mark.parametrize(("value", "read"), [(True, 1), (False, 0), ("True", 1), ("false", 0), (1, 1), ("0", 0)])
def test_boolean_for_a_model_of_others_in_every_spelling(value: Any, read: int) -> None:
    assert FLAG.read(value) == read
    assert type(FLAG.read(value)) is int
