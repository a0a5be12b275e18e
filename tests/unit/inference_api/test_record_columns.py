"""Records as columns: numbers as machine numbers, and nothing else changed."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from inference_api.answers import Rows
from inference_api.fields import Field
from inference_api.record_columns import RecordColumns, compact
from pipeline.bundle import BundleColumn

FIELDS = [
    Field(BundleColumn(name="rooms", type="integer", nullable=True)),
    Field(BundleColumn(name="area", type="number", nullable=True)),
    Field(BundleColumn(name="city", type="text", nullable=True)),
    Field(BundleColumn(name="sold", type="date", nullable=True)),
]
FULL = (3, 20.5, "x", date(2020, 1, 2))
EMPTY = (None, None, None, None)
LARGE = (2**53, -1e30, "", date(1970, 1, 1))


@pytest.mark.parametrize(
    "pieces",
    [
        [[FULL]],
        [[FULL, LARGE], [FULL]],
        [[FULL], [EMPTY, FULL], [LARGE]],
        [[EMPTY], [FULL]],
        [[EMPTY, EMPTY]],
    ],
)
def test_records_come_back_as_they_were_added(pieces: list[list[tuple[Any, ...]]]) -> None:
    records = RecordColumns(FIELDS)
    for piece in pieces:
        records.add(piece)
    columns = records.columns()
    assert list(columns) == ["rooms", "area", "city", "sold"]
    added = [row for piece in pieces for row in piece]
    assert list(Rows(columns)) == added
    assert [list(map(type, row)) for row in Rows(columns)] == [list(map(type, row)) for row in added]


def test_numbers_become_arrays() -> None:
    rooms, area, city, _ = FIELDS
    whole = compact(rooms, [1, 2])
    assert isinstance(whole, np.ndarray)
    assert whole.dtype == np.int64
    some = compact(area, (1, None))
    assert isinstance(some, np.ndarray)
    np.testing.assert_array_equal(some, [1.0, np.nan])
    assert compact(rooms, [1, None]) == [1, None]
    assert compact(city, ["a"]) == ["a"]
