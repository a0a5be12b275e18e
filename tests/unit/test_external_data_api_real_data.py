"""The real data sets: the penguins of the package, and the UCI covertype file turned into named columns."""

import logging
import socket
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest

from external_data_api.real_data import download_covertype, penguins_csv
from pipeline.use_case import UseCase


def uci_row(measurements: list[float], area: int, soil: int) -> list[float]:
    areas, soils = [0.0] * 4, [0.0] * 40
    areas[area], soils[soil] = 1.0, 1.0
    return [*measurements, *areas, *soils]


def test_penguins_package_carries_its_rows() -> None:
    path = penguins_csv()
    assert path is not None
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1 + 344


def test_penguins_are_absent_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert penguins_csv() is None


def test_one_hot_columns_become_names_in_the_order_of_the_uci_file(
    covertype: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first row of the UCI file, and the corners of its one-hot columns.
    first = [2596.0, 51, 3, 258, 0, 510, 221, 232, 148, 6279]
    data = np.array([uci_row(first, 0, 28), uci_row(first, 1, 0), uci_row(first, 2, 39), uci_row(first, 3, 14)])

    def fetch(**_: Any) -> tuple[np.ndarray, np.ndarray]:
        return data, np.array([5, 1, 7, 3], dtype=np.int32)

    monkeypatch.setattr("sklearn.datasets.fetch_covtype", fetch)
    rows = download_covertype(covertype)
    assert rows is not None
    assert list(rows[0]) == ["2596", "51", "3", "258", "0", "510", "221", "232", "148", "6279", "Rawah", "C7745", "5"]
    assert [row[-3:] for row in rows[1:]] == [
        ("Neota", "C2702", "1"),
        ("Commanche", "C8776", "7"),
        ("Cache", "C5151", "3"),
    ]


def test_failed_download_is_logged_and_leaves_the_time_out_alone(
    covertype: UseCase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = socket.getdefaulttimeout()

    def unreachable(**_: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("sklearn.datasets.fetch_covtype", unreachable)
    with caplog.at_level(logging.WARNING):
        assert download_covertype(covertype) is None
    assert "could not be fetched" in caplog.text
    assert "Name or service not known" in caplog.text
    assert socket.getdefaulttimeout() == before
