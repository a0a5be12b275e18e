"""Rows as the warehouse hands them out, with structure that a model can learn and values missing."""

import hashlib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from pipeline.dataset import is_held_out, model_columns, model_frame
from pipeline.use_case import UseCase

TOWNS = [f"Town {index}" for index in range(40)]


class InMemoryWarehouse:
    """The two readings of a warehouse that a snapshot needs."""

    def __init__(self, rows: pl.DataFrame, batches: int = 2) -> None:
        self.rows = rows
        self.batches = batches

    def read_rows(self, use_case: UseCase) -> pl.DataFrame:  # noqa: ARG002
        return self.rows

    def ledger(self, use_case: UseCase) -> Sequence[Any]:  # noqa: ARG002
        return [SimpleNamespace(group_number=1, epoch=0, batch_number=n) for n in range(1, self.batches + 1)]


def penguin_rows(count: int = 240, seed: int = 0) -> pl.DataFrame:
    """Three species, each of its own size; one measurement in twenty is missing."""
    generator = np.random.default_rng(seed)
    species = generator.integers(0, 3, count)

    def measured(means: list[float], spread: float) -> list[float | None]:
        values = np.array(means)[species] + generator.normal(0, spread, count)
        return [
            None if hide else round(float(v), 1) for v, hide in zip(values, generator.random(count) < 0.05, strict=True)
        ]

    frame = pl.DataFrame(
        {
            "species": [["Adelie", "Chinstrap", "Gentoo"][index] for index in species],
            "island": generator.choice(["Biscoe", "Dream", "Torgersen"], count).tolist(),
            "bill_length_mm": measured([39, 49, 47], 2.5),
            "bill_depth_mm": measured([18.3, 18.4, 15], 1.0),
            "flipper_length_mm": measured([190, 196, 217], 6),
            "body_mass_g": measured([3700, 3730, 5080], 350),
            "sex": [None if hide else "male" for hide in generator.random(count) < 0.4],
            "year": generator.integers(2007, 2010, count),
        }
    )
    return with_hashes(frame)


def house_rows(count: int = 400, seed: int = 0) -> pl.DataFrame:
    """Prices that depend on size, town and a few missing values."""
    generator = np.random.default_rng(seed)
    town = generator.integers(0, len(TOWNS), count)
    size = generator.lognormal(7.4, 0.4, count).round()
    price = np.exp(5 + np.log(size) + town / 40 + generator.normal(0, 0.1, count)).round()

    def hidden(values: Sequence[Any], share: float = 0.1) -> list[Any]:
        return [None if hide else value for value, hide in zip(values, generator.random(count) < share, strict=True)]

    frame = pl.DataFrame(
        {
            "brokered_by": hidden([f"{value}.0" for value in generator.integers(0, 15, count)]),
            "status": generator.choice(["for_sale", "sold"], count).tolist(),
            "price": price,
            "bed": hidden(generator.integers(1, 7, count).astype(float).tolist()),
            "bath": hidden(generator.integers(1, 5, count).astype(float).tolist()),
            "acre_lot": hidden(generator.lognormal(-1, 1, count).tolist()),
            "street": [f"{value}" for value in range(count)],
            "city": hidden([TOWNS[index] for index in town]),
            "state": ["Oregon"] * count,
            "zip_code": hidden([f"97{index:03d}" for index in town]),
            "house_size": hidden(size.tolist()),
            "prev_sold_date": pl.Series(
                hidden(generator.integers(10_000, 19_000, count).tolist()), dtype=pl.Int32
            ).cast(pl.Date),
        }
    )
    return with_hashes(frame)


def with_hashes(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the row hash, as validation does."""
    hashes = [hashlib.blake2b(repr(row).encode(), digest_size=16).hexdigest() for row in frame.iter_rows()]
    return frame.with_columns(pl.Series("row_hash", hashes))


def split_frames(use_case: UseCase, rows: pl.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and held-out rows as a model sees them."""
    frame = model_frame(rows, model_columns(use_case))
    held_out = is_held_out(rows["row_hash"].to_list(), use_case.training.holdout_share)
    return frame[~held_out].reset_index(drop=True), frame[held_out].reset_index(drop=True)


def with_search(use_case: UseCase, *candidates: dict[str, Any], **search: Any) -> UseCase:
    """The use case with another search."""
    document = use_case.model_dump()
    document["training"]["search"] = {"folds": 2, **search, "candidates": list(candidates)}
    return UseCase.model_validate(document)
