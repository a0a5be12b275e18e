"""The UI against an inference API of the tests' own, over real HTTP."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from pipeline.settings import load_settings
from tests.browser.fake_inference_api import FakeInferenceApi, serve_fake_api
from ui.session import forget_answers

APP = Path(__file__).resolve().parents[3] / "ui" / "app.py"


@pytest.fixture(scope="session", autouse=True)
def _components_looked_for_once() -> Iterator[None]:
    """Whenever an app is opened, Streamlit reads the metadata of every installed package: most of a test's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def fake_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeInferenceApi]:
    with serve_fake_api() as api:
        monkeypatch.setenv("INFERENCE_API_URL", api.url)
        monkeypatch.setenv("UI_TIMEOUT_SECONDS", "2")
        load_settings.cache_clear()
        forget_answers()
        yield api
    load_settings.cache_clear()


@pytest.fixture
def open_app() -> Callable[..., AppTest]:
    """Open a page of the app as a browser would, in English."""

    def open_page(page: str = "predict", language: str = "en") -> AppTest:
        app = AppTest.from_file(APP, default_timeout=20)
        app.query_params["lang"] = language
        app.run()
        if page != "predict":
            app.switch_page(f"views/{page}.py").run()
        return app

    return open_page
