"""Chooses the rows each use case publishes: a CSV file, else the real data set, else the generator's."""

import json
import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from external_data_api.csv_file import read_rows
from external_data_api.generators import GENERATORS, generate
from external_data_api.real_data import download_covertype, penguins_csv
from pipeline.errors import ConfigurationError
from pipeline.settings import ExternalDataApiSettings
from pipeline.use_case import UseCase

logger = logging.getLogger(__name__)

# Written as Latin script stands in the file, not as \uXXXX.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class NoData(ConfigurationError):
    """Nobody gave the use case a file, and there is no generator for it. Its rows may come from another server."""


@dataclass(frozen=True)
class Dataset:
    """The rows of one use case, in the order in which they are dealt into batches.

    Parameters
    ----------
    kind : whether the rows come from a file of the user's, are the real data set, or were generated.
    origin : where they come from, for people.
    rows : each row as a JSON array of strings: encoded once, so that a reply is a join of bytes.
    sample_share : share of a batch that one call returns.
    """

    kind: Literal["csv", "real", "generated"]
    origin: str
    rows: Sequence[bytes]
    sample_share: float


def open_dataset(use_case: UseCase, settings: ExternalDataApiSettings) -> Dataset:
    """Choose and load the rows of a use case.

    Raises
    ------
    NoData
        There is no data for the use case.
    ConfigurationError
        The CSV file is wrong, or there are fewer rows than batches.
    """
    dataset = (
        _from_csv(use_case, settings) or _from_real_data(use_case, settings) or _from_generator(use_case, settings)
    )
    if len(dataset.rows) < settings.batch_count:
        raise ConfigurationError(
            f"use case {use_case.name}: {dataset.origin} holds {len(dataset.rows)} rows, too few for "
            f"{settings.batch_count} batches; set BATCH_COUNT to at most the number of rows"
        )
    return dataset


def csv_variable(use_case_name: str) -> str:
    """Name of the setting that gives a use case its CSV file."""
    return f"{use_case_name.upper()}_CSV"


def _from_csv(use_case: UseCase, settings: ExternalDataApiSettings) -> Dataset | None:
    path = settings.use_case_csv.get(use_case.name)
    if path is None:
        return None
    rows = read_rows(path, _names(use_case), csv_variable(use_case.name))
    return Dataset("csv", str(path), _deal(rows, settings), _sample_share(use_case, settings))


def _from_real_data(use_case: UseCase, settings: ExternalDataApiSettings) -> Dataset | None:
    if use_case.name == "penguins" and (path := penguins_csv()) is not None:
        rows = read_rows(path, _names(use_case), csv_variable(use_case.name))
        # 344 rows make batches of 34: a tenth would be 4 penguins, too few to ever train on. So the whole batch.
        share = _sample_share(use_case, settings, default=1.0)
        return Dataset("real", "Palmer penguins (package palmerpenguins)", _deal(rows, settings), share)
    if (
        use_case.name == "covertype"
        and settings.source_download
        and (downloaded := download_covertype(use_case)) is not None
    ):
        origin = "UCI Covertype (scikit-learn's fetch_covtype)"
        return Dataset("real", origin, _deal(downloaded, settings), _sample_share(use_case, settings))
    return None


def _from_generator(use_case: UseCase, settings: ExternalDataApiSettings) -> Dataset:
    if use_case.name not in GENERATORS:
        raise NoData(
            f"use case {use_case.name} has no data: set {csv_variable(use_case.name)} to a CSV file with the columns "
            f"{', '.join(_names(use_case))}, or SOURCE_URL to the server that has its rows"
        )
    rows = [_encode(row).encode() for row in generate(use_case, settings.source_rows, settings.source_seed)]
    origin = f"seeded generator (seed {settings.source_seed}): invented rows, not observations"
    return Dataset("generated", origin, rows, _sample_share(use_case, settings))


def _sample_share(use_case: UseCase, settings: ExternalDataApiSettings, default: float | None = None) -> float:
    share = settings.use_case_sample_share.get(use_case.name, default)
    return settings.sample_share if share is None else share


def _deal(rows: Iterable[Sequence[str]], settings: ExternalDataApiSettings) -> list[bytes]:
    encoded = [_encode(row).encode() for row in rows]
    if settings.source_shuffle:
        # Files are often sorted by class: in the file's order the first batches would hold one class only.
        random.Random(settings.source_seed).shuffle(encoded)
    return encoded


def _names(use_case: UseCase) -> list[str]:
    return [column.name for column in use_case.columns]
