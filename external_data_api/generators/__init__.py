"""Seeded generators: invented rows with the real columns, for machines that do not have the real data."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from external_data_api.generators.covertype import covertype_columns
from external_data_api.generators.house_prices import house_prices_columns
from external_data_api.generators.penguins import penguins_columns
from pipeline.errors import ConfigurationError
from pipeline.use_case import UseCase

# Each draws so many rows and returns the values of every column as strings, "" where one is missing.
Generator = Callable[[int, np.random.Generator], dict[str, list[str]]]

GENERATORS: dict[str, Generator] = {
    "covertype": covertype_columns,
    "house_prices": house_prices_columns,
    "penguins": penguins_columns,
}


def generate(use_case: UseCase, rows: int, seed: int) -> Iterator[Sequence[str]]:
    """Draw rows of a use case, each with its values in the order of the use case's columns.

    Raises
    ------
    ConfigurationError
        The use case's file names a column that its generator does not know.
    """
    columns = GENERATORS[use_case.name](rows, np.random.default_rng(seed))
    unknown = [column.name for column in use_case.columns if column.name not in columns]
    if unknown:
        raise ConfigurationError(
            f"use case {use_case.name}: its generator does not know the column(s) {', '.join(unknown)}; "
            f"set {use_case.name.upper()}_CSV to a file that has them"
        )
    return zip(*(columns[column.name] for column in use_case.columns), strict=True)
