"""The real data sets, where this machine has them or may fetch them."""

import http.client
import importlib.util
import logging
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigurationError
from pipeline.use_case import UseCase

logger = logging.getLogger(__name__)

DOWNLOAD_TIMEOUT_SECONDS = 30
# Columns of the UCI file: ten measurements, then one 0/1 column per wilderness area and per soil type.
MEASUREMENTS, AREAS, SOILS = 10, 4, 40


def penguins_csv() -> Path | None:
    """Path of the CSV file inside the ``palmerpenguins`` package, without importing it (it would import pandas)."""
    package = importlib.util.find_spec("palmerpenguins")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).with_name("data") / "penguins.csv"
    return path if path.is_file() else None


def download_covertype(use_case: UseCase) -> list[Sequence[str]] | None:
    """Fetch the 581,012 rows of the UCI Covertype data set; None, and a logged reason, where that does not work.

    References
    ----------
    J. Blackard, "Covertype", UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50K5N
    """
    timeout = socket.getdefaulttimeout()
    # scikit-learn sets none: a network that drops packets would block the start for ever.
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
    try:
        from sklearn.datasets import fetch_covtype

        data, target = fetch_covtype(return_X_y=True, n_retries=1)
        return list(_named_rows(use_case, data, target))
    except (OSError, ImportError, http.client.HTTPException) as error:
        logger.warning("the real covertype rows could not be fetched (%s); serving generated rows", error)
        return None
    finally:
        socket.setdefaulttimeout(timeout)


def _named_rows(use_case: UseCase, data: np.ndarray, target: np.ndarray) -> Iterator[Sequence[str]]:
    categories = {column.name: list(column.categories or {}) for column in use_case.columns}
    areas, soils = categories["Wilderness_Area"], categories["Soil_Type"]
    if (len(areas), len(soils)) != (AREAS, SOILS):
        raise ConfigurationError(
            f"the real covertype rows need {AREAS} wilderness areas and {SOILS} soil types in the order of the UCI file"
        )
    numbers = data[:, :MEASUREMENTS].astype(int)
    columns = [list(map(str, numbers[:, index].tolist())) for index in range(MEASUREMENTS)]
    columns.append([areas[index] for index in data[:, MEASUREMENTS : MEASUREMENTS + AREAS].argmax(axis=1).tolist()])
    columns.append([soils[index] for index in data[:, MEASUREMENTS + AREAS :].argmax(axis=1).tolist()])
    columns.append(list(map(str, target.tolist())))
    return zip(*columns, strict=True)
