"""Fixtures that every kind of test shares."""

import os
import tempfile
from pathlib import Path

import pytest

from pipeline.use_case import UseCase, load_use_case

# A test that forgets to name its MLflow store must not leave a database in the repository.
os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{tempfile.gettempdir()}/mlflow-of-no-test.db")

USE_CASES = Path(__file__).resolve().parents[1] / "use_cases"


@pytest.fixture(scope="session")
def covertype() -> UseCase:
    return load_use_case(USE_CASES / "covertype.yaml")


@pytest.fixture(scope="session")
def penguins() -> UseCase:
    return load_use_case(USE_CASES / "penguins.yaml")


@pytest.fixture(scope="session")
def house_prices() -> UseCase:
    return load_use_case(USE_CASES / "house_prices.yaml")
