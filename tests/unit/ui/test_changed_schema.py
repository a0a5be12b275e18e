"""A model whose next version asks for other values than the one that a visit began with."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pipeline.use_case import UseCase
from tests.browser import fake_inference_api
from tests.browser.fake_inference_api import FakeInferenceApi
from ui.session import forget_answers

OpenApp = Callable[..., AppTest]
CODES = {"1": "first", "2": "second"}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Slope", {"type": "string", "enum": list(CODES), "x-categories": CODES, "default": "1"}),
        ("Soil_Type", {"type": "number", "minimum": 0, "maximum": 10, "default": 5}),
        ("Soil_Type", {"type": "string", "enum": list(CODES), "x-categories": CODES, "default": "2"}),
        ("Slope", {"type": "string", "default": "steep"}),
        ("Slope", {"type": "string", "format": "date", "default": 11000}),
    ],
)
def test_a_field_of_another_kind_is_drawn_anew(
    fake_api: FakeInferenceApi, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch, name: str, rule: dict[str, Any]
) -> None:
    app = open_app()
    app.button(key="fill_example").click().run()
    app.number_input(key="field_covertype_Elevation").set_value(3000.0)
    app.button(key="predict").click().run()
    before = fake_inference_api.record_schema

    def changed(use_case: UseCase) -> dict[str, Any]:
        schema = before(use_case)
        return {**schema, "properties": {**schema["properties"], name: rule}}

    monkeypatch.setattr(fake_inference_api, "record_schema", changed)
    forget_answers()
    app.run()
    assert not app.exception
    assert "error of its own" not in "".join(error.value for error in app.error)
    assert app.number_input(key="field_covertype_Elevation").value == 3000
    app.button(key="predict").click().run()
    assert not app.error
    expected = "2000-02-13" if rule["default"] == 11000 else rule["default"]
    assert fake_api.received[-1][name] == expected
