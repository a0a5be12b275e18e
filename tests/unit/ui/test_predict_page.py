"""The Predict page, as a person uses it."""

from collections.abc import Callable
from datetime import date

import pytest
from streamlit.testing.v1 import AppTest

from pipeline.settings import load_settings
from tests.browser.fake_inference_api import EXAMPLES, FakeInferenceApi

OpenApp = Callable[..., AppTest]


def text_of(app: AppTest) -> str:
    return "\n".join(element.value for element in app.main.markdown)


def errors_of(app: AppTest) -> str:
    return "\n".join(element.value.replace("\\", "") for element in app.error)


def press(app: AppTest, key: str) -> AppTest:
    return app.button(key=key).click().run()


def test_a_prediction_shows_label_probabilities_version_and_request(
    fake_api: FakeInferenceApi, open_app: OpenApp
) -> None:
    app = press(open_app(), "predict")
    assert not app.exception
    assert not app.error
    assert "Aspen" in text_of(app)
    assert "Forest cover type, version 2" in text_of(app)
    assert "0f3c8a52d1" in text_of(app)
    table = app.table[0].value
    assert table.iloc[0].tolist() == ["5 — Aspen", "73.0 %"]
    assert table.iloc[4].tolist() == ["6 — Douglas\\-fir", r"\< 0.1 %"]
    assert len(table) == 7
    assert fake_api.received == [EXAMPLES["covertype"]]


@pytest.mark.usefixtures("fake_api")
def test_the_form_starts_with_typical_values_and_full_names(open_app: OpenApp) -> None:
    app = open_app()
    assert app.number_input(key="field_covertype_Elevation").value == 2596
    area = app.selectbox(key="field_covertype_Wilderness_Area")
    assert area.value == "Rawah"
    assert "Rawah — Rawah Wilderness" in area.options


def test_wrong_values_are_explained_and_nothing_is_sent(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = open_app(language="es")
    app.number_input(key="field_covertype_Elevation").set_value(-1.0)
    app.number_input(key="field_covertype_Slope").set_value(91.0)
    app.number_input(key="field_covertype_Aspect").set_value(None)
    app.selectbox(key="field_covertype_Soil_Type").set_value(None)
    press(app, "predict")
    said = errors_of(app)
    assert "4 campos necesitan otro valor" in said
    assert "Elevation: no puede ser negativo (-1). Se admite un número entero entre 0 y 9000 m." in said
    assert "Slope: 91 está fuera de rango. Se admite un número entero entre 0 y 90 °." in said
    assert "Aspect: campo obligatorio." in said
    assert "Soil type: campo obligatorio." in said
    assert fake_api.received == []


def test_a_corrected_form_is_sent(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = open_app()
    app.number_input(key="field_covertype_Elevation").set_value(9001.0)
    assert "Elevation" in errors_of(press(app, "predict"))
    app.number_input(key="field_covertype_Elevation").set_value(3000.0)
    press(app, "predict")
    assert not app.error
    assert fake_api.received[0]["Elevation"] == 3000


@pytest.mark.usefixtures("fake_api")
def test_example_and_typical_values_fill_the_form(open_app: OpenApp) -> None:
    app = open_app()
    app.number_input(key="field_covertype_Elevation").set_value(1.0)
    press(app, "fill_example")
    assert app.number_input(key="field_covertype_Elevation").value == EXAMPLES["covertype"]["Elevation"]
    app.number_input(key="field_covertype_Elevation").set_value(None)
    press(app, "fill_typical")
    assert app.number_input(key="field_covertype_Elevation").value == 2596


def test_optional_fields_may_stay_empty(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = open_app()
    app.selectbox(key="model").set_value("penguins").run()
    app.number_input(key="field_penguins_bill_length_mm").set_value(None)
    press(app, "predict")
    assert "Gentoo penguin" in text_of(app)
    assert fake_api.received == [{"island": "Biscoe", "flipper_length_mm": 217.0}]


def test_a_regression_takes_text_and_dates_and_shows_a_number(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = open_app()
    app.selectbox(key="model").set_value("house_prices").run()
    app.text_input(key="field_house_prices_city").set_value("Ponce")
    app.date_input(key="field_house_prices_prev_sold_date").set_value(date(2020, 2, 29))
    press(app, "predict")
    assert "152,300.50" in text_of(app)
    assert not app.table
    assert fake_api.received == [{"status": "sold", "bed": 3.0, "city": "Ponce", "prev_sold_date": "2020-02-29"}]


@pytest.mark.usefixtures("fake_api")
def test_the_result_of_one_model_is_not_shown_for_another(open_app: OpenApp) -> None:
    app = press(open_app(), "predict")
    app.selectbox(key="model").set_value("penguins").run()
    assert "Aspen" not in text_of(app)


@pytest.mark.usefixtures("fake_api")
def test_values_survive_a_look_at_another_page(open_app: OpenApp) -> None:
    app = open_app()
    app.number_input(key="field_covertype_Elevation").set_value(3000.0)
    press(app, "predict")
    app.switch_page("views/models.py").run()
    app.switch_page("views/predict.py").run()
    assert app.number_input(key="field_covertype_Elevation").value == 3000


def test_mistakes_only_the_api_finds_are_said_at_their_field(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.predict_fault = (
        422,
        [
            {"loc": ["body", "Slope"], "msg": "Slope must be at most 60", "type": "out_of_range"},
            {"loc": ["body", "colour"], "msg": "colour is not a feature", "type": "extra_forbidden"},
        ],
    )
    app = press(open_app(), "predict")
    assert "Slope: must be at most 60" in errors_of(app)
    assert "colour is not a feature" in errors_of(app)
    assert ":small[:red[Slope\\: must be at most 60]]" in text_of(app)


def test_a_failed_prediction_offers_a_retry_with_the_same_values(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.predict_fault = (500, "internal error; quote request id 17")
    app = open_app()
    app.number_input(key="field_covertype_Elevation").set_value(3000.0)
    press(app, "predict")
    assert "failed while answering (HTTP 500)" in errors_of(app)
    assert "quote request id 17" in errors_of(app)
    fake_api.predict_fault = None
    press(app, "retry_predict")
    assert "Aspen" in text_of(app)
    assert fake_api.received[0]["Elevation"] == 3000


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ((500, "boom"), "failed while answering"),
        ((404, "Not Found"), "is not the inference API this page needs"),
    ],
)
def test_a_faulty_api_is_one_message_and_a_retry(
    fake_api: FakeInferenceApi, open_app: OpenApp, fault: tuple[int, str], said: str
) -> None:
    fake_api.fault = fault
    app = open_app()
    assert len(app.error) == 1
    assert said in errors_of(app)
    assert not app.exception
    fake_api.fault = None
    press(app, "retry_page")
    assert not app.error
    assert app.number_input(key="field_covertype_Elevation").value == 2596


@pytest.mark.usefixtures("fake_api")
def test_an_api_that_is_down_is_one_message_with_its_address(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENCE_API_URL", "http://127.0.0.1:9")
    load_settings.cache_clear()
    app = open_app(language="es")
    assert len(app.error) == 1
    assert "La API de inferencia no responde en http://127.0.0.1:9" in errors_of(app)
    assert app.button(key="retry_page").label == "Reintentar"


def test_a_slow_api_is_a_message_with_the_time_waited(
    fake_api: FakeInferenceApi, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UI_TIMEOUT_SECONDS", "0.2")
    load_settings.cache_clear()
    fake_api.delay_seconds = 1
    assert "took longer than 0.2 s" in errors_of(open_app())


def test_before_the_first_model_the_page_says_what_is_missing(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.served = []
    app = open_app()
    assert "There is no model to answer yet" in app.warning[0].value
    assert not app.error
    fake_api.served = ["covertype"]
    press(app, "retry_page")
    assert not app.warning


def test_a_model_without_a_champion_leaves_the_others_usable(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.without_champion = {"covertype"}
    app = open_app()
    assert app.selectbox(key="model").value == "house_prices"
    app.selectbox(key="model").set_value("covertype").run()
    assert "covertype (no model yet)" in app.selectbox(key="model").options
    assert "There is no model to answer yet" in app.warning[0].value
    app.selectbox(key="model").set_value("penguins").run()
    assert "Gentoo" in text_of(press(app, "predict"))


def test_a_model_that_is_gone_falls_back_to_one_that_is_there(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = open_app()
    app.selectbox(key="model").set_value("penguins").run()
    fake_api.served = ["covertype"]
    fake_api.fault = (404, "there is no model 'penguins'")
    press(app, "predict")
    assert "does not know this model" in errors_of(app)
    fake_api.fault = None
    press(app, "retry_predict")
    assert not app.exception
    assert app.selectbox(key="model").value == "covertype"


def test_wrong_settings_are_a_message(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UI_TIMEOUT_SECONDS", "soon")
    load_settings.cache_clear()
    app = open_app()
    load_settings.cache_clear()
    assert "UI_TIMEOUT_SECONDS" in errors_of(app)
    assert not app.exception


@pytest.mark.usefixtures("fake_api")
def test_the_language_can_be_changed(open_app: OpenApp) -> None:
    app = open_app()
    assert app.title[0].value == "Predict"
    app.sidebar.segmented_control(key="lang").set_value("es").run()
    assert app.title[0].value == "Predecir"
