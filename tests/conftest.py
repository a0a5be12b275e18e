"""Fixtures that every kind of test shares."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.use_case import UseCase, load_use_case

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """The one browser of a test run. Skips where there is none, unless ``REQUIRE_BROWSER=1`` says there must be."""
    # Imported here: Playwright is not installed beside Airflow, where these fixtures are read too.
    from tests.browser.chromium import NO_CHROMIUM, may_skip, open_chromium

    if may_skip():
        pytest.skip(NO_CHROMIUM)
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium: "Browser") -> "Iterator[Page]":
    from tests.browser.chromium import open_page

    with open_page(chromium, viewport={"width": 1280, "height": 900}) as page:
        yield page
