"""What is accepted, what is quarantined, and that nothing is dropped."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.use_case import UseCase
from pipeline.validation import WHOLE_ROW, validate

TREE = ["2596", "51", "3", "258", "0", "510", "221", "232", "148", "6279", "Rawah", "C7745", "5"]
HOUSE = ["123", "for_sale", "100.5", "3", "2", "0.12", "s", "Adjuntas", "Puerto Rico", "601", "920", "2020-02-29"]


def with_value(row: list[str], place: int, value: Any) -> list[Any]:
    return [*row[:place], value, *row[place + 1 :]]


def reasons_of(use_case: UseCase, row: Any) -> dict[str, str]:
    result = validate(use_case, [row])
    assert result.delivered == 1
    return {found["field"]: found["reason"] for quarantined in result.quarantined for found in quarantined.reasons}


def test_accepted_rows_are_typed_and_keep_their_place(house_prices: UseCase) -> None:
    result = validate(house_prices, [with_value(HOUSE, 2, "x"), HOUSE])

    assert result.accepted["row_index"].to_list() == [1]
    row = result.accepted.row(0, named=True)
    assert (row["price"], row["brokered_by"], str(row["prev_sold_date"])) == (100.5, "123", "2020-02-29")
    assert len(row["row_hash"]) == 32
    assert [quarantined.row_index for quarantined in result.quarantined] == [0]
    assert result.quarantined[0].row == with_value(HOUSE, 2, "x")


@pytest.mark.parametrize("value", ["2596", " 2596 ", "2596.0", "2.596e3", "+2596", 2596, 2596.0])
def test_spellings_of_one_integer_are_one_row(covertype: UseCase, value: Any) -> None:
    result = validate(covertype, [TREE, with_value(TREE, 0, value)])

    assert result.accepted["row_hash"].n_unique() == 1
    assert result.accepted["Elevation"].to_list() == [2596, 2596]


def test_nested_cells_never_reach_polars(covertype: UseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    nested: Any = "2596"
    for _ in range(200):
        nested = [nested]
    build = pl.Series.__init__

    def build_flat(series: pl.Series, *given: Any, **options: Any) -> None:
        assert not any(cell is nested for values in given if isinstance(values, list) for cell in values)
        build(series, *given, **options)

    monkeypatch.setattr(pl.Series, "__init__", build_flat)
    result = validate(covertype, [TREE, with_value(TREE, 0, nested)])
    assert result.accepted.height == 1
    assert [found["field"] for found in result.quarantined[0].reasons] == ["Elevation"]


@pytest.mark.parametrize("place", range(13))
def test_a_change_of_any_value_changes_the_hash(covertype: UseCase, place: int) -> None:
    other = {10: "Neota", 11: "C2702", 12: "2"}.get(place, "17")

    assert validate(covertype, [TREE, with_value(TREE, place, other)]).accepted["row_hash"].n_unique() == 2


def test_hashes_are_those_of_rows_stored_before(covertype: UseCase, house_prices: UseCase) -> None:
    assert validate(covertype, [TREE]).accepted["row_hash"].item() == "1b333346a33381541495d76fb2ea2a7f"
    with_gaps = with_value(with_value(HOUSE, 11, ""), 5, "-0.0")
    assert validate(house_prices, [with_gaps]).accepted["row_hash"].item() == "5668e18d6511acd887d7eff4332a0c13"


def test_a_missing_value_and_a_neighbour_are_not_confused(house_prices: UseCase) -> None:
    rows = [with_value(with_value(HOUSE, 7, "a"), 8, ""), with_value(with_value(HOUSE, 7, ""), 8, "a")]

    assert validate(house_prices, rows).accepted["row_hash"].n_unique() == 2


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("2596.5", "'2596.5' is not a whole number from 0 to 9000 m"),
        ("high", "'high' is not a whole number from 0 to 9000 m"),
        ("9001", "'9001' is above the maximum, it must be a whole number from 0 to 9000 m"),
        ("-1", "'-1' is below the minimum, it must be a whole number from 0 to 9000 m"),
        ("9223372036854775808", "is not a whole number"),
        ("9007199254740993.0", "is not a whole number"),
        ("1e400", "is not a whole number"),
        ("inf", "is not a whole number"),
        ("12 000", "is not a whole number"),
        ("0x10", "is not a whole number"),
        ("1" * 5000, "(5002 characters) is not a whole number"),
        ("5\x00", "is not a whole number"),
        ("", "the value is missing, it must be a whole number from 0 to 9000 m"),
        ("NA", "the value is missing"),
        ("NaN", "the value is missing"),
        ("null", "the value is missing"),
        ("None", "the value is missing"),
        (None, "the value is missing"),
        (float("nan"), "the value is missing"),
        (True, "True is a JSON boolean, a text or a number is expected"),
        (["1"], "['1'] is a JSON list, a text or a number is expected"),
        ({"a": 1}, "is a JSON object"),
        ("\ud800", "is not valid Unicode text"),
        (2596.5, "'2596.5' is not a whole number"),
        (10**30, "is not a whole number"),
    ],
)
def test_a_bad_integer_says_what_is_allowed(covertype: UseCase, value: Any, says: str) -> None:
    reasons = reasons_of(covertype, with_value(TREE, 0, value))

    assert list(reasons) == ["Elevation"]
    assert says in reasons["Elevation"]


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (1, "sale", "'sale' is not one of for_sale, ready_to_build, sold"),
        (1, "For_Sale", "is not one of"),
        (2, "inf", "'inf' is not a finite number from 1 to 1000000000 USD"),
        (2, "1e999", "is not a finite number"),
        (2, "1,5", "is not a finite number"),
        (2, "0.5", "below the minimum"),
        (11, "2021-02-29", "'2021-02-29' is not a date written YYYY-MM-DD"),
        (11, "29/02/2020", "is not a date"),
        (11, "2020-02-29T10:30:00", "is not a date"),
        (11, "0999-12-31", "is not a date"),
        (7, "x" * 256, "(258 characters) is not a text of 1 to 255 characters"),
        (7, "a\x00b", "without control characters"),
        (7, "a\x7fb", "without control characters"),
    ],
)
def test_other_bad_values_say_what_is_allowed(house_prices: UseCase, place: int, value: Any, says: str) -> None:
    (reason,) = reasons_of(house_prices, with_value(HOUSE, place, value)).values()

    assert says in reason


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (7, 'a, "b" \\ \n\t\''),
        (7, "😀" * 255),
        (7, None),
        (7, "NA"),
        (11, "2020-02-29 00:00:00"),
        (11, "nan"),
        (5, "1e-3"),
        (9, 601),
    ],
)
def test_unusual_values_that_are_allowed(house_prices: UseCase, place: int, value: Any) -> None:
    assert reasons_of(house_prices, with_value(HOUSE, place, value)) == {}


def test_each_bad_field_has_one_reason(covertype: UseCase) -> None:
    row = with_value(with_value(with_value(TREE, 0, "-5"), 10, "Rocky"), 12, None)

    assert sorted(reasons_of(covertype, row)) == ["Cover_Type", "Elevation", "Wilderness_Area"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (TREE[:-1], "12 values, the use case has 13 columns"),
        ([*TREE, "1"], "14 values"),
        ([], "0 values"),
        ("a text", "must be a list of 13 values, found str: 'a text'"),
        (None, "found NoneType"),
        ({"Elevation": 1}, "found dict"),
    ],
)
def test_a_row_of_another_shape_is_quarantined_whole(covertype: UseCase, row: Any, says: str) -> None:
    assert says in reasons_of(covertype, row)[WHOLE_ROW]


def test_a_category_may_be_spelled_like_a_missing_value(penguins: UseCase) -> None:
    sex = penguins.columns[6].model_copy(update={"categories": {"NA": "not assessed", "male": "Male"}})
    use_case = penguins.model_copy(update={"columns": [*penguins.columns[:6], sex, penguins.columns[7]]})
    row = ["Adelie", "Dream", "39.1", "18.7", "181", "3750", "NA", "2007"]

    assert validate(use_case, [row, with_value(row, 6, "nan")]).accepted["sex"].to_list() == ["NA", None]


def test_limits_of_dates_and_large_integers_are_exact(house_prices: UseCase, covertype: UseCase) -> None:
    sold = house_prices.columns[-1].model_copy(update={"minimum": 0.0, "maximum": 1.0})
    houses = house_prices.model_copy(update={"columns": [*house_prices.columns[:-1], sold]})
    days = [with_value(HOUSE, 11, day) for day in ("1969-12-31", "1970-01-01", "1970-01-02", "1970-01-03")]
    result = validate(houses, days)
    assert result.accepted["row_index"].to_list() == [1, 2]
    assert "a date from 1970-01-01 to 1970-01-02" in result.quarantined[0].reasons[0]["reason"]
    elevation = covertype.columns[0].model_copy(update={"minimum": None, "maximum": 2.0**53})
    trees = covertype.model_copy(update={"columns": [elevation, *covertype.columns[1:]]})
    assert validate(trees, [with_value(TREE, 0, str(2**53 + 1))]).accepted.is_empty()


def test_no_rows_give_empty_typed_columns(house_prices: UseCase) -> None:
    result = validate(house_prices, [])

    assert result.delivered == 0
    assert result.accepted.schema["prev_sold_date"] == pl.Date


cells = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["1", "2007", "Adelie", "Dream", "male", "", "NA", "45.5", "inf", "-0", "1e5"]),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.lists(st.text(max_size=2), max_size=2),
)


@given(rows=st.lists(st.lists(cells, min_size=8, max_size=8) | st.lists(cells, max_size=9) | cells, max_size=12))
def test_every_row_is_accepted_or_quarantined_for_a_reason(penguins: UseCase, rows: list[Any]) -> None:
    result = validate(penguins, rows)

    indexes = [*result.accepted["row_index"], *(found.row_index for found in result.quarantined)]
    assert sorted(indexes) == list(range(len(rows)))
    names = {column.name for column in penguins.columns} | {WHOLE_ROW}
    for found in result.quarantined:
        assert found.row is rows[found.row_index]
        assert found.reasons
        assert {reason["field"] for reason in found.reasons} <= names
    # Nothing about a row depends on its neighbours.
    for index, digest in zip(result.accepted["row_index"], result.accepted["row_hash"], strict=True):
        assert validate(penguins, [rows[index]]).accepted["row_hash"].to_list() == [digest]
