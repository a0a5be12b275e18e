"""What a bundle says about the rows its model was made for."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.bundle import Bundle, load_bundle
from pipeline.column_statistics import column_statistics, histogram
from pipeline.use_case import UseCase
from tests.bundles import make_bundle
from tests.unit.test_bundle import content


def test_the_bins_of_numbers_hold_about_equally_many() -> None:
    found = histogram(np.random.default_rng(0).lognormal(size=5000))
    assert len(found.shares) == 10
    np.testing.assert_allclose(found.shares, 0.1, atol=0.002)


def test_a_value_that_most_rows_hold_has_a_bin_of_its_own() -> None:
    found = histogram(np.array([0.0] * 70 + list(range(1, 31))))
    assert found.edges[0] > 0
    assert found.shares[0] == pytest.approx(0.7)
    assert sum(found.shares) == pytest.approx(1)


def test_a_constant_tells_what_is_above_from_what_is_below() -> None:
    found = histogram(np.full(50, 7.0))
    assert found.shares == [0.0, 1.0, 0.0]
    assert list(np.searchsorted(found.edges, [6.999, 7.0, 7.001], side="right")) == [0, 1, 2]


def test_missing_and_infinite_values_count_as_missing() -> None:
    found = column_statistics(pd.Series([1.0, 2.0, np.nan, np.inf]), numeric=True)
    assert (found.maximum, found.missing_share) == (2.0, 0.5)
    nothing = column_statistics(pd.Series([None, None], dtype=object), numeric=False)
    assert (nothing.frequencies, nothing.missing_share) == (None, 1.0)


def test_values_of_an_open_list_are_bounded_and_their_shares_are_of_all_rows() -> None:
    found = column_statistics(pd.Series([f"v{index}" for index in range(1000)], dtype=object), numeric=False)
    assert len(found.frequencies or {}) == 200
    assert sum((found.frequencies or {}).values()) == pytest.approx(0.2)


def test_a_bundle_describes_its_target_and_its_predictions(
    house_prices: UseCase, penguins: UseCase, tmp_path: Path
) -> None:
    houses = load_bundle(make_bundle(house_prices, tmp_path / "houses"))
    assert houses.target_unit == "USD"
    for statistics in (houses.target_statistics, houses.prediction_statistics):
        assert statistics is not None
        assert statistics.histogram is not None
    birds = load_bundle(make_bundle(penguins, tmp_path / "birds"))
    assert birds.target_statistics is not None
    assert set(birds.target_statistics.frequencies or {}) == set(penguins.classes)
    mass = next(column for column in birds.columns if column.name == "body_mass_g").statistics
    assert 0.02 < mass.missing_share < 0.3
    assert (tmp_path / "birds" / "bundle.json").stat().st_size < 20_000


def test_a_bundle_without_distributions_is_read() -> None:
    bundle = Bundle.model_validate(content())
    assert (bundle.target_unit, bundle.target_statistics, bundle.columns[0].statistics.histogram) == (None, None, None)


def test_a_histogram_whose_parts_do_not_fit_is_refused() -> None:
    changed = content()
    for wrong, message in (
        ({"edges": [1, 2], "shares": [0.5, 0.5]}, "2 edges make 3 bins, found 2"),
        ({"edges": [2, 1], "shares": [0.5, 0.25, 0.25]}, "must rise"),
    ):
        changed["columns"][0]["statistics"]["histogram"] = wrong
        with pytest.raises(ValueError, match=message):
            Bundle.model_validate(changed)
