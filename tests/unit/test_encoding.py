"""The encoder puts each value where the model expects it, and both of its paths give the same bits."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encoding import FeatureEncoder
from pipeline.slots import LinearSlot, LookupSlot, MissingSlot, NumericSlot, OneHotSlot, Slot

SLOTS: list[Slot] = [
    NumericSlot(column="mass", impute=4.5),
    NumericSlot(column="seen", impute=-1.0),
    MissingSlot(column="mass"),
    LinearSlot(name="sum", terms={"mass": 1.0, "age": -0.2}, impute={"mass": 4.5, "age": 10.0}),
    OneHotSlot(column="sea", categories=["n", "s", "w"]),
    LookupSlot(column="city", values={"Rome": [0.25, 0.5], "Oslo": [1.0, 2.0]}, default=[9.0, 8.0], missing=[7.0, 6.0]),
    MissingSlot(column="city"),
]
ENCODER = FeatureEncoder(SLOTS)


def encode(**record: Any) -> list[float]:
    return [round(float(value), 5) for value in ENCODER.encode_record(record)[0]]


def test_every_value_has_its_slot() -> None:
    row = encode(mass=2, age=5, sea="s", city="Rome", seen="1970-01-11")
    assert row == [2.0, 10.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.25, 0.5, 0.0]
    assert ENCODER.width == len(row)


@pytest.mark.parametrize("missing", [{}, {"mass": None, "city": None}, {"mass": float("nan"), "city": float("nan")}])
def test_missing_values_are_imputed_and_flagged(missing: dict[str, Any]) -> None:
    assert encode(**missing) == [4.5, -1.0, 1.0, 2.5, 0.0, 0.0, 0.0, 7.0, 6.0, 1.0]


def test_unknown_category_is_all_zero_and_unknown_text_the_default() -> None:
    row = encode(mass=1, age=0, sea="east", city="Paris")
    assert row[4:] == [0.0, 0.0, 0.0, 9.0, 8.0, 0.0]


@pytest.mark.parametrize("day", ["1969-12-31", date(1969, 12, 31), -1, -1.0])
def test_date_may_be_text_or_date_or_days(day: Any) -> None:
    assert encode(seen=day)[1] == -1.0


def test_values_in_the_order_of_given_columns() -> None:
    encoder = FeatureEncoder(SLOTS, ("unused", "city", "sea", "age", "mass", "seen"))
    expected = ENCODER.encode_record({"city": "Oslo", "sea": "n", "age": 3, "mass": 8, "seen": 2})
    assert np.array_equal(encoder.encode_values((None, "Oslo", "n", 3, 8, 2)), expected)


def test_columns_of_every_kind_of_array() -> None:
    rows = ENCODER.encode_columns(
        {
            "mass": np.array([1.0, np.nan]),
            "age": [5, None],
            "sea": ("n", None),
            "city": np.array(["Oslo", None], dtype=object),
            "seen": np.array(["1970-01-02", "NaT"], dtype="datetime64[D]"),
        }
    )
    assert rows.dtype == np.float32
    assert np.array_equal(
        rows[0], ENCODER.encode_record({"mass": 1, "age": 5, "sea": "n", "city": "Oslo", "seen": 1})[0]
    )
    assert np.array_equal(rows[1], ENCODER.encode_record({})[0])


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        ENCODER.encode_columns({"mass": [1.0], "age": [1.0, 2.0]})


numbers = st.none() | st.integers(-(2**53), 2**53) | st.floats(-3e38, 3e38)
records = st.fixed_dictionaries(
    {
        "mass": numbers,
        "age": numbers,
        "sea": st.none() | st.sampled_from(["n", "s", "w", "east"]),
        "city": st.none() | st.sampled_from(["Rome", "Oslo", "Paris"]),
        "seen": st.none() | st.dates() | st.dates().map(str),
    }
)


@given(st.lists(records, min_size=1, max_size=8))
def test_one_record_and_columns_give_the_same_bits(rows: list[dict[str, Any]]) -> None:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    together = ENCODER.encode_columns(columns)
    for row, encoded in zip(rows, together, strict=True):
        assert ENCODER.encode_record(row)[0].tobytes() == encoded.tobytes()
