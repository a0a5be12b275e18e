"""The Models page."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from tests.browser.fake_inference_api import FakeInferenceApi

OpenApp = Callable[..., AppTest]


@pytest.mark.usefixtures("fake_api")
def test_each_model_shows_its_champion_and_versions_newest_first(open_app: OpenApp) -> None:
    app = open_app("models")
    assert [header.value for header in app.subheader] == ["Forest cover type", "House prices", "Palmer penguins"]
    table = app.dataframe[0].value
    assert table["Version"].tolist() == [3, 2, 1]
    assert table["Aliases"].tolist() == ["challenger", "champion", ""]
    assert table["Stage"].tolist() == ["None", "Production", "Archived"]
    assert table["Accuracy"].tolist() == [0.8538, 0.8712, 0.7841]
    assert table["Created (UTC)"].tolist() == ["2026-11-23 10:30", "2026-11-22 10:30", "2026-11-21 10:30"]
    assert [metric.label for metric in app.metric[:2]] == ["Accuracy", "F1 (macro)"]


def test_refresh_shows_what_changed(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.without_champion = {"penguins"}
    app = open_app("models", language="es")
    assert app.subheader[-1].value == "penguins"
    assert "aún sin modelo" in app.markdown[-1].value
    assert "Aún no se ha registrado ninguna versión." in [caption.value for caption in app.caption]
    fake_api.without_champion = set()
    app.button(key="refresh").click().run()
    assert "versión 2" in app.markdown[-1].value


def test_one_model_that_fails_leaves_the_others(
    fake_api: FakeInferenceApi, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = fake_api.answer
    monkeypatch.setattr(
        fake_api,
        "answer",
        lambda method, path, *sent: (
            (503, {"detail": "registry is down"}) if path.endswith("penguins") else answer(method, path, *sent)
        ),
    )
    app = open_app("models")
    assert len(app.dataframe) == 2
    assert "registry is down" in app.warning[0].value
    assert app.button(key="retry_penguins")


def test_an_api_that_fails_is_one_message(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.fault = (500, "boom")
    app = open_app("models")
    assert len(app.error) == 1
    assert not app.exception
