import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from pipeline.dataset import Snapshot, check_trainable, find_snapshot, is_held_out, load_snapshot, take_snapshot
from pipeline.errors import TrainingError
from pipeline.lake import FileLake
from pipeline.use_case import UseCase
from tests.synthetic_rows import InMemoryWarehouse, house_rows, penguin_rows, split_frames


@pytest.fixture
def lake(tmp_path: Path) -> FileLake:
    lake = FileLake(tmp_path / "lake")
    lake.create()
    return lake


def test_same_rows_in_any_order_give_the_same_snapshot(penguins: UseCase, lake: FileLake) -> None:
    rows = penguin_rows()
    first = take_snapshot(penguins, InMemoryWarehouse(rows), lake)
    second = take_snapshot(penguins, InMemoryWarehouse(rows.sample(fraction=1, shuffle=True, seed=1)), lake)
    assert (first.digest, first.uri) == (second.digest, second.uri)
    assert len(lake.list("snapshots/penguins/")) == 2
    pd.testing.assert_frame_equal(load_snapshot(lake, first)[0], load_snapshot(lake, second)[0])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda use_case: {"training": {**use_case["training"], "holdout_share": 0.3}}, id="holdout share"),
        pytest.param(lambda use_case: {"columns": use_case["columns"][:-1]}, id="columns"),
    ],
)
def test_what_a_model_learns_from_decides_the_digest(
    penguins: UseCase, lake: FileLake, change: Callable[[dict], dict]
) -> None:
    document = penguins.model_dump()
    document["columns"] = [column for column in document["columns"] if column["role"] != "ignored"]
    changed = UseCase.model_validate(document | change(document))
    warehouse = InMemoryWarehouse(penguin_rows())
    assert take_snapshot(penguins, warehouse, lake).digest != take_snapshot(changed, warehouse, lake).digest


def test_snapshot_survives_json_and_counts_its_rows(penguins: UseCase, lake: FileLake) -> None:
    taken = take_snapshot(penguins, InMemoryWarehouse(penguin_rows(), batches=3), lake)
    snapshot = Snapshot.model_validate_json(taken.model_dump_json())
    train, holdout = load_snapshot(lake, snapshot)
    assert (len(train), len(holdout)) == (snapshot.train_rows, snapshot.holdout_rows)
    assert snapshot.rows == 240
    assert snapshot.batch_ids == ["1/0/01", "1/0/02", "1/0/03"]
    assert json.loads(lake.get(f"snapshots/penguins/{snapshot.digest}.json"))["digest"] == snapshot.digest


def test_a_row_once_held_out_stays_held_out_as_rows_arrive(penguins: UseCase, lake: FileLake) -> None:
    rows = penguin_rows()
    few = load_snapshot(lake, take_snapshot(penguins, InMemoryWarehouse(rows.head(120)), lake))
    all_rows = load_snapshot(lake, take_snapshot(penguins, InMemoryWarehouse(rows), lake))
    held_out_first = set(few[1].itertuples(index=False, name=None))
    trained_later = set(all_rows[0].itertuples(index=False, name=None))
    assert held_out_first
    assert not held_out_first & trained_later


def test_share_of_held_out_rows() -> None:
    hashes = [f"{value:08x}" + "0" * 24 for value in np.linspace(0, 2**32 - 1, 10_000).astype(int)]
    assert is_held_out(hashes, 0.2).mean() == pytest.approx(0.2, abs=1e-3)


def test_models_see_floats_days_and_none(house_prices: UseCase, lake: FileLake) -> None:
    rows = house_rows(250)
    train, _ = load_snapshot(lake, take_snapshot(house_prices, InMemoryWarehouse(rows), lake))
    assert "street" not in train.columns
    assert train["prev_sold_date"].dropna().between(10_000, 19_000).all()
    assert train["prev_sold_date"].dtype == np.float64
    assert train["city"].dtype == object
    assert {type(value) for value in train["city"]} == {str, type(None)}


def test_too_few_rows_name_numbers_and_remedy(penguins: UseCase, lake: FileLake) -> None:
    with pytest.raises(TrainingError, match=r"20 rows are too few.*24.*mlops collect penguins"):
        take_snapshot(penguins, InMemoryWarehouse(penguin_rows(20)), lake)
    assert lake.list("snapshots/") == []


def test_column_that_the_warehouse_lacks_is_named(penguins: UseCase, lake: FileLake) -> None:
    with pytest.raises(TrainingError, match="no column sex"):
        take_snapshot(penguins, InMemoryWarehouse(penguin_rows().drop("sex")), lake)


def test_order_of_the_keys_of_its_json_does_not_matter(penguins: UseCase, lake: FileLake) -> None:
    snapshot = take_snapshot(penguins, InMemoryWarehouse(penguin_rows()), lake)
    expected, _ = load_snapshot(lake, snapshot)
    shuffled = snapshot.model_copy(update={"columns": dict(sorted(snapshot.columns.items()))})
    train, _ = load_snapshot(lake, shuffled)
    assert list(train.columns) == list(expected.columns)


def test_changed_snapshot_is_refused(penguins: UseCase, lake: FileLake) -> None:
    snapshot = take_snapshot(penguins, InMemoryWarehouse(penguin_rows()), lake)
    other = take_snapshot(penguins, InMemoryWarehouse(penguin_rows(seed=1)), lake)
    lake.put(lake.key(snapshot.uri), lake.get(other.uri))
    with pytest.raises(TrainingError, match="was changed after it was taken"):
        load_snapshot(lake, snapshot)
    lake.put(lake.key(snapshot.uri), b"not parquet")
    with pytest.raises(TrainingError, match="cannot be read"):
        load_snapshot(lake, snapshot)


def test_a_snapshot_of_which_one_value_was_changed_is_refused(penguins: UseCase, lake: FileLake) -> None:
    """Its row hashes, of which the digest is made, are as they were."""
    snapshot = take_snapshot(penguins, InMemoryWarehouse(penguin_rows()), lake)
    buffer = io.BytesIO()
    frame = pl.read_parquet(io.BytesIO(lake.get(snapshot.uri)))
    frame.with_columns(pl.lit("Gentoo").alias("species")).write_parquet(buffer)
    lake.put(lake.key(snapshot.uri), buffer.getvalue())
    with pytest.raises(TrainingError, match="was changed after it was taken"):
        load_snapshot(lake, snapshot)
    load_snapshot(lake, snapshot.model_copy(update={"file_sha256": None}))


def test_one_class_only_is_refused(penguins: UseCase) -> None:
    train, holdout = split_frames(penguins, penguin_rows().filter(pl.col("species") == "Gentoo"))
    with pytest.raises(TrainingError, match=r"all .* training rows have the class 'Gentoo'"):
        check_trainable(penguins, train, holdout)


def test_nothing_held_out_is_refused(penguins: UseCase) -> None:
    train, holdout = split_frames(penguins, penguin_rows())
    with pytest.raises(TrainingError, match="0 held-out rows"):
        check_trainable(penguins, train, holdout.head(0))


@pytest.mark.parametrize("value", [np.inf, -1e39])
def test_infinity_is_refused_by_name(penguins: UseCase, value: float) -> None:
    train, holdout = split_frames(penguins, penguin_rows())
    train["body_mass_g"] = train["body_mass_g"].astype(float)
    train.loc[0, "body_mass_g"] = value
    with pytest.raises(TrainingError, match="infinite values in body_mass_g"):
        check_trainable(penguins, train, holdout)


def test_a_snapshot_is_found_where_the_lake_is_now(penguins: UseCase, lake: FileLake, tmp_path: Path) -> None:
    taken = take_snapshot(penguins, InMemoryWarehouse(penguin_rows()), lake)
    (tmp_path / "lake").rename(tmp_path / "moved")
    moved = FileLake(tmp_path / "moved")
    found = find_snapshot(moved, "penguins", taken.digest)
    assert found.uri == moved.uri(f"snapshots/penguins/{taken.digest}.parquet")
    assert len(load_snapshot(moved, found)[0]) == taken.train_rows


def test_a_damaged_description_of_a_snapshot_is_named(lake: FileLake) -> None:
    lake.put("snapshots/penguins/abc.json", b'{"digest": 1}')
    with pytest.raises(TrainingError, match=r"snapshots/penguins/abc\.json describes no snapshot"):
        find_snapshot(lake, "penguins", "abc")
