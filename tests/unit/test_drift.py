"""Drift is found where rows changed, and only there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pipeline.bundle import BundleColumn, Statistics, load_bundle
from pipeline.column_statistics import column_statistics
from pipeline.drift import MIN_ROWS, DriftReport, FeatureDrift, measure_drift, prediction_column
from pipeline.use_case import ColumnType, UseCase
from tests.bundles import make_bundle, make_rows

LIMIT = 0.25
RANDOM = np.random.default_rng(0)


def column(values: Sequence[Any] | NDArray[Any], kind: ColumnType = "number", **others: Any) -> BundleColumn:
    numeric = kind in ("integer", "number", "date")
    series = pd.Series(list(values), dtype=float if numeric else object)
    return BundleColumn(name="x", type=kind, statistics=column_statistics(series, numeric), **others)


def drift(reference: BundleColumn, current: Sequence[Any] | NDArray[Any]) -> FeatureDrift:
    [feature] = measure_drift([reference], {"x": current}, LIMIT).features
    return feature


def draws(shares: dict[str, float], count: int) -> list[str]:
    return [str(value) for value in RANDOM.choice(list(shares), count, p=list(shares.values()))]


def test_rows_of_the_same_world_do_not_drift() -> None:
    reference = column(RANDOM.normal(size=3000))
    found = drift(reference, RANDOM.normal(size=1000))
    assert not found.drifted
    assert found.psi < 0.03
    assert sum(item.current for item in found.bins) == pytest.approx(1, abs=1e-5)
    assert sum(item.reference for item in found.bins) == pytest.approx(1, abs=1e-5)


def test_a_shift_of_one_standard_deviation_is_drift() -> None:
    found = drift(column(RANDOM.normal(size=3000)), RANDOM.normal(loc=1, size=1000))
    assert found.drifted
    assert found.psi > 0.5


def test_chance_alone_is_no_drift_even_with_many_bins_and_few_rows() -> None:
    """Forty soil types and a hundred rows: the index alone would cry wolf."""
    shares = {f"type {index}": 1 / 40 for index in range(40)}
    reference = column(draws(shares, 200), "text")
    assert not any(drift(reference, draws(shares, MIN_ROWS)).drifted for _ in range(50))


def test_too_few_rows_are_listed_and_called_no_drift() -> None:
    report = measure_drift([column(RANDOM.normal(size=3000))], {"x": [99.0] * (MIN_ROWS - 1)}, LIMIT)
    assert (report.enough_rows, report.drifted, report.rows) == (False, [], MIN_ROWS - 1)
    assert report.features[0].psi > LIMIT
    assert measure_drift([column([1.0, 2.0])], {}, LIMIT).rows == 0


def test_a_column_that_stops_coming_is_drift() -> None:
    reference = column(RANDOM.normal(size=3000))
    found = drift(reference, [None] * 200)
    assert found.drifted
    assert (found.missing_share, found.reference_missing_share) == (1.0, 0.0)
    assert found.bins[-1].label == "missing"
    other = BundleColumn(name="y", type="number", statistics=reference.statistics)
    report = measure_drift([reference, other], {"x": RANDOM.normal(size=200)}, LIMIT)
    assert (report.drifted, report.share_drifted) == (["y"], 0.5)


def test_a_column_that_was_always_missing_drifts_once_it_comes() -> None:
    for kind in ("number", "text"):
        reference = column([None] * 300, kind)
        assert not drift(reference, [None] * 200).drifted
        assert drift(reference, [7.0 if kind == "number" else "seven"] * 200).drifted


def test_a_constant_that_changes_is_drift() -> None:
    reference = column([5.0] * 300)
    assert not drift(reference, [5] * 200).drifted
    for value in (4.99, 5.01):
        found = drift(reference, [value] * 200)
        assert found.drifted
        assert [item.label for item in found.bins] == ["< 5", "5", "> 5"]


def test_a_new_value_is_counted_as_other_and_drifts_when_it_is_frequent() -> None:
    reference = column(draws({"a": 0.6, "b": 0.4}, 2000), "text")
    found = drift(reference, draws({"a": 0.4, "b": 0.3, "c": 0.3}, 500))
    assert found.drifted
    assert (found.kind, found.bins[-1].label) == ("categorical", "other")
    assert found.bins[-1].current == pytest.approx(0.3, abs=0.08)


def test_dates_are_read_as_they_are_sent() -> None:
    reference = column(np.arange(18_000, 19_000, dtype=float), "date")
    found = drift(reference, ["2019-05-01"] * 50 + ["2021-12-31"] * 50)
    assert found.bins[0].label.startswith("< 2019-")
    assert (found.bins[0].current, found.bins[-1].current) == (0.5, 0.5)


def test_the_worst_column_is_named_first() -> None:
    base = column(RANDOM.normal(size=3000)).statistics
    columns = [BundleColumn(name=name, type="number", statistics=base) for name in ("calm", "moved", "far")]
    rows = {name: RANDOM.normal(loc=loc, size=500) for name, loc in (("calm", 0), ("moved", 1), ("far", 4))}
    report = measure_drift(columns, rows, LIMIT)
    assert report.drifted == ["far", "moved"]
    assert report.share_drifted == pytest.approx(2 / 3, abs=1e-3)
    assert DriftReport.model_validate_json(report.model_dump_json()) == report


def test_a_bundle_without_distributions_says_nothing() -> None:
    old = BundleColumn(name="x", type="number", statistics=Statistics(minimum=0, maximum=1, median=0.5))
    report = measure_drift([old], {"x": [5.0] * 200}, LIMIT)
    assert (report.features, report.share_drifted, report.enough_rows) == ([], 0.0, True)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one common length, found \[1, 2\]"):
        measure_drift([], {"x": [1.0], "y": [1.0, 2.0]}, LIMIT)


def test_the_answers_of_a_model_drift_too(penguins: UseCase, house_prices: UseCase, tmp_path: Path) -> None:
    for use_case, others in ((penguins, ["Gentoo"] * 200), (house_prices, [1.0] * 200)):
        bundle = load_bundle(make_bundle(use_case, tmp_path / use_case.name))
        rows = make_rows(use_case, 300, seed=5)
        current = {str(name): rows[name].tolist() for name in rows}
        answers = prediction_column(bundle)
        assert answers is not None
        found = measure_drift(bundle.columns, current, LIMIT, prediction=answers, predicted=others)
        assert found.drifted == []
        assert found.prediction is not None
        assert found.prediction.drifted


def test_classes_that_look_like_numbers_are_compared_as_texts(covertype: UseCase, tmp_path: Path) -> None:
    bundle = load_bundle(make_bundle(covertype, tmp_path))
    answers = prediction_column(bundle)
    assert answers is not None
    found = measure_drift([], {}, LIMIT, prediction=answers, predicted=[2, "2"]).prediction
    assert found is not None
    assert {item.label: item.current for item in found.bins}["2"] == 1.0
