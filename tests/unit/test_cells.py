"""What a number may be, whatever its column says."""

import polars as pl
import pytest

from pipeline.cells import LARGEST_NUMBER, parse_column
from pipeline.use_case import Column, UseCase


@pytest.mark.parametrize("text", ["3.4e38", "-3.4e38", repr(LARGEST_NUMBER)])
def test_the_largest_numbers_of_a_model_are_taken(house_prices: UseCase, text: str) -> None:
    values, problems = parse_column(without_limits(house_prices), pl.Series([text]), {})
    assert (values.to_list(), problems) == ([float(text)], {})


@pytest.mark.parametrize("text", ["3.5e38", "-1e39"])
def test_a_number_that_is_infinite_to_a_model_is_refused(house_prices: UseCase, text: str) -> None:
    _, problems = parse_column(without_limits(house_prices), pl.Series(["1", text]), {})
    assert problems == {1: f"'{text}' is too large, the most a model can take in is ±3.403e+38"}


def without_limits(house_prices: UseCase) -> Column:
    price = next(column for column in house_prices.columns if column.name == "price")
    return price.model_copy(update={"minimum": None, "maximum": None})
