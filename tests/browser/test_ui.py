"""The UI in a browser: what a person sees, and that nothing leaves the machine."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import open_page
from tests.browser.fake_inference_api import EXAMPLES, FakeInferenceApi
from tests.browser.ui_pages import (
    choose,
    choose_model,
    field,
    fill_predict_form,
    open_ui,
    predict,
    press_predict,
    wait_until_drawn,
)
from tests.browser.ui_pages import result as result_of

pytestmark = pytest.mark.browser


def test_a_filled_form_is_predicted(page: Page, ui_url: str, fake_api: FakeInferenceApi) -> None:
    open_ui(page, ui_url)
    record = {**EXAMPLES["covertype"], "Elevation": 3001, "Wilderness_Area": "Neota", "Soil_Type": "C7201"}
    answer = predict(page, record)
    assert fake_api.received == [record]
    assert "Aspen" in answer
    assert "5 — Aspen" in answer
    assert "73.0 %" in answer
    assert "Forest cover type, version 2" in answer
    assert re.search(r"Answered in: \d+ ms", answer)
    assert "0f3c8a52d1" in answer
    expect(result_of(page).get_by_test_id("stVegaLiteChart")).to_be_visible()


def test_wrong_values_stay_in_the_form_and_are_explained(page: Page, ui_url: str, fake_api: FakeInferenceApi) -> None:
    open_ui(page, ui_url, language="es")
    fill_predict_form(page, {"Elevation": -1, "Slope": 95, "Aspect": None, "Hillshade_Noon": 1.5, "Soil_Type": None})
    press_predict(page)
    expect(result_of(page)).to_contain_text("5 campos necesitan otro valor")
    for message in (
        "Elevation: no puede ser negativo (-1). Se admite un número entero entre 0 y 9000 m.",
        "Slope: 95 está fuera de rango. Se admite un número entero entre 0 y 90 °.",
        "Aspect: campo obligatorio. Se admite un número entero entre 0 y 360 °.",
        "Hillshade noon: 1.5 no es un número entero. Se admite un número entero entre 0 y 255.",
        "Soil type: campo obligatorio. Se admite uno de los 40 valores de la lista.",
    ):
        expect(result_of(page)).to_contain_text(message)
        expect(page.locator(".st-key-form")).to_contain_text(message)
    expect(field(page, "Elevation").locator("input")).to_have_value("-1")
    assert fake_api.received == []


@pytest.mark.usefixtures("fake_api")
@pytest.mark.parametrize(
    ("language", "wrong", "right"),
    [("en", "One field needs another value", "Aspen"), ("es", "Un campo necesita otro valor", "Aspen")],
)
def test_what_came_of_a_press_is_in_sight_of_the_button(
    page: Page, ui_url: str, language: str, wrong: str, right: str
) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    open_ui(page, ui_url, language=language)
    for elevation, words in ((-1, wrong), (3000, right)):
        fill_predict_form(page, {"Elevation": elevation})
        press_predict(page)
        expect(page.locator(".st-key-predict button")).to_be_in_viewport()
        expect(result_of(page).get_by_text(words).first).to_be_in_viewport()


def test_a_regression_with_text_and_date(page: Page, ui_url: str, fake_api: FakeInferenceApi) -> None:
    open_ui(page, ui_url)
    choose_model(page, "House prices")
    answer = predict(page, {"city": "Ponce", "prev_sold_date": "2020-02-29", "bed": None, "status": "for_sale"})
    assert "152,300.50" in answer
    assert fake_api.received == [{"status": "for_sale", "city": "Ponce", "prev_sold_date": "2020-02-29"}]


def test_an_api_that_comes_back_is_noticed_without_a_click(page: Page, ui_url: str, fake_api: FakeInferenceApi) -> None:
    fake_api.served = []
    # Answers are kept for some seconds; refreshing drops those of the test before.
    open_ui(page, ui_url, "models")
    page.get_by_role("button", name=re.compile("Refresh|Retry")).first.click()
    expect(page.get_by_text("There is no model to answer yet")).to_be_visible()
    fake_api.reset()
    expect(page.get_by_text("Forest cover type")).to_be_visible()


def test_a_failed_prediction_is_a_message_and_can_be_retried(
    page: Page, ui_url: str, fake_api: FakeInferenceApi
) -> None:
    open_ui(page, ui_url)
    fill_predict_form(page, EXAMPLES["covertype"])
    fake_api.predict_fault = (503, "no version of covertype has been promoted yet")
    press_predict(page)
    expect(result_of(page)).to_contain_text("no version of covertype has been promoted yet")
    fake_api.predict_fault = None
    page.get_by_role("button", name="Retry").click()
    expect(result_of(page)).to_contain_text("Aspen")
    expect(page.get_by_text("Traceback")).to_have_count(0)


def test_a_slider_moves_with_the_keyboard_and_the_number_follows(
    page: Page, ui_url: str, fake_api: FakeInferenceApi
) -> None:
    open_ui(page, ui_url)
    slider = page.locator("[class*='st-key-slider_'][class*='_Slope']").get_by_role("slider")
    expect(slider).to_have_value("3")
    slider.press("ArrowRight")
    expect(field(page, "Slope").locator("input[type=text], input[type=number]")).to_have_value("4")
    predict(page, {"Aspect": 90})
    assert (fake_api.received[0]["Slope"], fake_api.received[0]["Aspect"]) == (4, 90)


def test_why_and_what_if_are_shown_beside_a_prediction(page: Page, ui_url: str, fake_api: FakeInferenceApi) -> None:
    open_ui(page, ui_url)
    predict(page, {"Slope": 7})
    why, what_if = page.locator(".st-key-why"), page.locator(".st-key-what_if")
    expect(why).to_contain_text("The probability of Aspen is 18.2 % for a typical case")
    expect(why.get_by_test_id("stVegaLiteChart")).to_be_visible()
    expect(what_if.get_by_test_id("stVegaLiteChart")).to_be_visible()
    # The feature with the largest contribution comes first.
    assert sorted(set(fake_api.received_columns[0]["Elevation"])) == fake_api.received_columns[0]["Elevation"]
    choose(page, what_if.locator("[class*='st-key-what_if_']"), "Wilderness area")
    expect(what_if).to_contain_text("Wilderness area takes each of its values")
    assert fake_api.received_columns[-1]["Wilderness_Area"] == ["Rawah", "Neota", "Commanche", "Cache"]
    assert set(fake_api.received_columns[-1]["Elevation"]) == {2596}


def test_another_version_is_asked_when_it_is_chosen(page: Page, ui_url: str, fake_api: FakeInferenceApi) -> None:
    open_ui(page, ui_url)
    choose(page, page.locator("[class*='st-key-version_covertype']"), "Version 3 · challenger")
    answer = predict(page, {})
    assert "Forest cover type, version 3" in answer
    assert len(fake_api.received) == 1


def test_an_older_api_still_predicts(page: Page, ui_url: str, fake_api: FakeInferenceApi) -> None:
    fake_api.old = True
    open_ui(page, ui_url, "models")
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_text("of an older release")).to_be_visible()
    page.get_by_role("link", name="Predict").click()
    assert "Aspen" in predict(page, {})
    expect(page.locator(".st-key-why")).to_have_count(0)
    fake_api.old = False
    page.get_by_role("link", name="Models").click()
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_text("of an older release")).to_have_count(0)


@pytest.mark.usefixtures("fake_api")
def test_the_language_is_kept_in_the_address(page: Page, ui_url: str) -> None:
    open_ui(page, ui_url)
    page.get_by_text("Español").click()
    expect(page.locator("h1")).to_have_text("Predecir")
    page.reload()
    expect(page.locator("h1")).to_have_text("Predecir")
    page.get_by_role("link", name="Modelos").click()
    expect(page.locator("h1")).to_have_text("Modelos")


@pytest.mark.usefixtures("fake_api")
def test_the_browser_asks_nobody_but_the_ui(page: Page, ui_url: str) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    open_ui(page, ui_url)
    predict(page, {})
    open_ui(page, ui_url, "models")
    page.get_by_role("tab", name="Report").click()
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
    assert hosts - {""} == {urlsplit(ui_url).netloc}


@pytest.mark.usefixtures("fake_api")
def test_a_phone_shows_the_form_in_one_column(chromium: Browser, ui_url: str) -> None:
    with open_page(chromium, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as page:
        open_ui(page, ui_url)
        page.locator(".st-key-predict button").wait_for()
        wait_until_drawn(page)
        boxes = [field(page, name).bounding_box() for name in ("Elevation", "Aspect")]
        assert boxes[0]
        assert boxes[1]
        assert boxes[0]["x"] == boxes[1]["x"]
        assert boxes[0]["y"] < boxes[1]["y"]
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_what_was_chosen_and_entered_stays_in_another_language(
    page: Page, ui_url: str, fake_api: FakeInferenceApi
) -> None:
    open_ui(page, ui_url)
    version = page.locator("[class*='st-key-version_covertype']")
    choose(page, version, "Version 1")
    fill_predict_form(page, {"Elevation": 3001})
    page.get_by_text("Español").click()
    expect(version.locator("input").first).to_have_value("Versión 1")
    assert "Forest cover type, versión 1" in predict(page, {"Aspect": 90})
    assert (fake_api.received[0]["Elevation"], fake_api.received[0]["Aspect"]) == (3001, 90)
