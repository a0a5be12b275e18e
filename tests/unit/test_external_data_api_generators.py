"""Generated rows obey their use case's description, and there is something to learn from them."""

import datetime

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import r2_score
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from external_data_api.generators import generate
from pipeline.errors import ConfigurationError
from pipeline.use_case import Column, UseCase

NAMES = ["covertype", "penguins", "house_prices"]


@pytest.fixture
def use_case(request: pytest.FixtureRequest) -> UseCase:
    found: UseCase = request.getfixturevalue(request.param)
    return found


def table(use_case: UseCase, rows: int, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(list(generate(use_case, rows, seed)), columns=[column.name for column in use_case.columns])


def wrong_values(column: Column, values: set[str]) -> set[str]:
    """The values that the description of the column does not allow."""

    def allowed(value: str) -> bool:
        if value == "":
            return column.nullable
        if column.type == "category":
            return value in (column.categories or {})
        if column.type == "text":
            return True
        if column.type == "date":
            datetime.date.fromisoformat(value)
            return True
        number = int(value) if column.type == "integer" else float(value)
        low = -np.inf if column.minimum is None else column.minimum
        high = np.inf if column.maximum is None else column.maximum
        return bool(low <= number <= high)

    return {value for value in values if not allowed(value)}


@pytest.mark.parametrize("use_case", NAMES, indirect=True)
def test_every_generated_row_is_valid_and_every_declared_category_occurs(use_case: UseCase) -> None:
    rows = table(use_case, 58_100)
    assert len(rows) == 58_100
    for column in use_case.columns:
        values = set(rows[column.name])
        assert not wrong_values(column, values), column.name
        assert values >= set(column.categories or {}), column.name


@pytest.mark.parametrize("use_case", NAMES, indirect=True)
def test_same_seed_same_rows_other_seed_other_rows(use_case: UseCase) -> None:
    assert list(generate(use_case, 300, 7)) == list(generate(use_case, 300, 7))
    assert list(generate(use_case, 300, 7)) != list(generate(use_case, 300, 8))


def test_columns_follow_the_order_of_the_use_case(penguins: UseCase) -> None:
    turned = penguins.model_copy(update={"columns": penguins.columns[::-1]})
    assert [row[::-1] for row in generate(turned, 50, 0)] == list(generate(penguins, 50, 0))


def test_column_the_generator_does_not_know_is_a_clear_error(covertype: UseCase) -> None:
    more = covertype.model_copy(update={"columns": [*covertype.columns, Column(name="Canopy", type="number")]})
    with pytest.raises(ConfigurationError, match=r"column\(s\) Canopy; set COVERTYPE_CSV"):
        list(generate(more, 50, 0))


@pytest.mark.parametrize("seed", [0, 1])
def test_covertype_forest_reaches_a_realistic_accuracy(covertype: UseCase, seed: int) -> None:
    rows = table(covertype, 8_000, seed)
    categories = OneHotEncoder(sparse_output=False).fit_transform(rows[["Wilderness_Area", "Soil_Type"]])
    features = np.hstack([rows.iloc[:, :10].to_numpy(dtype=float), categories])
    target = rows["Cover_Type"]
    forest = RandomForestClassifier(40, max_depth=12, random_state=0).fit(features[:5000], target[:5000])
    assert 0.75 <= forest.score(features[5000:], target[5000:]) <= 0.9


def test_covertype_classes_are_about_equally_frequent(covertype: UseCase) -> None:
    shares = table(covertype, 10_000)["Cover_Type"].value_counts(normalize=True)
    assert shares.min() > 0.12
    assert shares.max() < 0.17


def test_house_prices_depend_on_place_and_house_with_noise(house_prices: UseCase) -> None:
    rows = table(house_prices, 8_000)
    price = np.log(rows["price"].astype(float))
    numbers = rows[["bed", "bath", "acre_lot", "house_size"]].replace("", "nan").astype(float)
    places = rows[["state", "city", "zip_code"]]
    encoder = TargetEncoder()
    known = np.hstack([encoder.fit_transform(places[:5000], price[:5000]), numbers[:5000]])
    unseen = np.hstack([encoder.transform(places[5000:]), numbers[5000:]])
    forest = RandomForestRegressor(20, min_samples_leaf=3, random_state=0).fit(known, price[:5000])
    assert 0.7 <= r2_score(price[5000:], forest.predict(unseen)) <= 0.92


def test_house_prices_have_gaps_and_many_places_but_always_a_price(house_prices: UseCase) -> None:
    rows = table(house_prices, 20_000)
    gaps = (rows == "").mean()
    assert gaps["price"] == gaps["status"] == 0
    assert all(0.05 < gaps[name] < 0.4 for name in ("bed", "bath", "acre_lot", "house_size", "prev_sold_date"))
    assert rows["zip_code"].nunique() > 1_000
    assert rows["city"].nunique() > 80


def test_penguins_species_can_be_told_apart(penguins: UseCase) -> None:
    rows = table(penguins, 600)
    rows = rows[rows["body_mass_g"] != ""]
    features = rows[["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]].astype(float)
    forest = RandomForestClassifier(50, random_state=0).fit(features[:300], rows["species"][:300])
    assert forest.score(features[300:], rows["species"][300:]) > 0.9
