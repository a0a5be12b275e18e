"""What pushed a prediction, and what it would be otherwise: the numbers behind the charts."""

from datetime import date
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.browser.fake_inference_api import FakeInferenceApi
from tests.unit.ui.test_predict_page import OpenApp, press, text_of
from ui.answers import Explanation
from ui.api_client import ApiProblem
from ui.explanation import pushes
from ui.i18n import Translator
from ui.schema import FormField
from ui.what_if import other_values, varied
from ui.widgets import has_slider, slider_step

ENGLISH = Translator("en")


def test_contributions_come_largest_first_and_the_rest_together() -> None:
    contributions = {f"f{index}": (-1) ** index / 10**index for index in range(10)}
    explanation = Explanation(base_value=0, value=sum(contributions.values()), contributions=contributions)
    fields = [FormField("f0", "number", unit="m"), FormField("f1", "category", categories={"a": "A"})]
    shown = pushes(explanation, fields, {"f0": 2.0, "f1": None}, ENGLISH)
    assert [push.name for push in shown[:2]] == ["F0\n2 m", "F1\nempty"]
    assert shown[-1].name == "2 others together"
    assert sum(push.contribution for push in shown) == pytest.approx(explanation.value)


def test_a_number_between_limits_is_tried_over_its_whole_range() -> None:
    field = FormField("slope", "integer", minimum=0, maximum=90, default=14.0)
    values = other_values(field, 33)
    assert (values[0], values[-1]) == (0, 90)
    assert 33 in values
    assert all(isinstance(value, int) for value in values)


def test_limits_far_from_anything_real_are_not_tried() -> None:
    field = FormField("size", "number", minimum=1, maximum=2e9, default=1800.0)
    values = other_values(field, 2000.0)
    assert values[0] >= 1
    assert values[-1] < 5000
    assert 2000.0 in values


@pytest.mark.parametrize("present", ["2020-02-29", None])
def test_dates_are_tried_around_the_present_or_the_typical_one(present: str | None) -> None:
    field = FormField("sold", "date", default=date(2021, 6, 30))
    values = other_values(field, present)
    assert values == sorted(values)
    assert present is None or present in values
    assert values[0] < "2012" < "2030" < values[-1]


def test_only_the_feature_chosen_varies() -> None:
    fields = [FormField("a", "number"), FormField("b", "number", required=False)]
    assert varied({"a": 1.0}, fields, "a", [1, 2, 3]) == {"a": [1, 2, 3], "b": [None, None, None]}


@pytest.mark.parametrize(
    ("field", "helps"),
    [
        (FormField("a", "integer", minimum=0, maximum=90, default=14.0), True),
        (FormField("a", "number", minimum=0, maximum=500, default=3.0), False),
        (FormField("a", "number", minimum=0, default=3.0), False),
        (FormField("a", "number", minimum=0, maximum=10), False),
        (FormField("a", "category", categories={"x": "X"}), False),
    ],
)
def test_a_slider_is_drawn_where_the_limits_say_something(field: FormField, helps: bool) -> None:
    assert has_slider(field) is helps


def test_a_slider_moves_in_round_steps() -> None:
    assert slider_step(FormField("a", "integer", minimum=0, maximum=9000, default=1.0)) == 1
    assert slider_step(FormField("a", "number", minimum=20, maximum=80, default=40.0)) == pytest.approx(0.1)


def chart_words(app: AppTest) -> str:
    return "\n".join(element.proto.alt for element in app.get("vega_lite_chart"))


def test_the_page_says_what_pushed_and_what_if(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = press(open_app(), "predict")
    assert "is **18.2 %** for a typical case" in text_of(app).replace("\\", "")
    words = chart_words(app)
    assert "Elevation 2596 m: +45.6 percentage points" in words
    assert "Probability of Aspen by Elevation".lower() in words.lower()
    app.selectbox(key="what_if_covertype").set_value("Wilderness_Area").run()
    assert fake_api.received_columns[-1]["Wilderness_Area"] == ["Rawah", "Neota", "Commanche", "Cache"]
    app.selectbox(key="of_covertype").set_value("2").run()
    assert "Probability of Lodgepole Pine by Wilderness area".lower() in chart_words(app).lower()


@pytest.mark.usefixtures("fake_api")
def test_a_slider_moves_its_number(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = open_app()
    assert app.slider(key="slider_field_covertype_Slope").value == 3
    app.slider(key="slider_field_covertype_Slope").set_value(20).run()
    assert app.number_input(key="field_covertype_Slope").value == 20
    app.number_input(key="field_covertype_Slope").set_value(None).run()
    assert app.slider(key="slider_field_covertype_Slope").value == 3
    assert "required field" in str([error.value for error in press(app, "predict").error])
    assert fake_api.received == []


def test_another_version_is_asked_by_its_number(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = open_app()
    assert app.selectbox(key="version_covertype").options == [
        "Champion (version 2)",
        "Version 3 · challenger",
        "Version 1",
    ]
    app.selectbox(key="version_covertype").set_value(1).run()
    assert "Forest cover type, version 1" in text_of(press(app, "predict"))
    assert len(fake_api.received) == 1


def test_a_prediction_without_an_explanation_is_shown_all_the_same(
    fake_api: FakeInferenceApi, open_app: OpenApp
) -> None:
    fake_api.explains = False
    app = press(open_app(), "predict")
    assert "Aspen" in text_of(app)
    assert "What pushed the prediction" not in [header.value for header in app.header]
    fake_api.old = True
    app = press(open_app(), "predict")
    assert "Aspen" in text_of(app)


def test_nothing_is_said_to_push_the_typical_case(
    fake_api: FakeInferenceApi, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flat(use_case: Any, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "reference": "typical record",
            "output": "probability of 5",
            "base_value": 0.73,
            "value": 0.73,
            "contributions": {column.name: 0.0 for column in use_case.features},
        }

    monkeypatch.setattr("tests.browser.fake_inference_api.explanation_of", flat)
    app = press(open_app(), "predict")
    assert "nothing pushed the prediction" in text_of(app)
    assert fake_api.received


def test_only_the_case_itself_is_recorded(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    press(open_app(), "predict")
    assert len(fake_api.received) == 1
    explained, curve = fake_api.unrecorded
    assert explained == fake_api.received[0]
    assert len(curve["columns"]["Elevation"]) > 10


def test_an_explanation_that_fails_leaves_the_answer(
    fake_api: FakeInferenceApi, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ApiProblem("timeout")

    monkeypatch.setattr("ui.api_client.ApiClient.explain", fail)
    app = press(open_app(), "predict")
    assert "Aspen" in text_of(app)
    assert "What if…" in [header.value for header in app.header]
    assert not app.error
    assert fake_api.received
