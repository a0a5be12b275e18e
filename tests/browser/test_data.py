"""The page Data in a browser: batches arrive by themselves, and nothing jumps."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import open_page
from tests.browser.fake_inference_api import FakeInferenceApi
from tests.browser.ui_pages import open_ui, wait_until_drawn

pytestmark = pytest.mark.browser


def strip(page: Page, state: str) -> int:
    return page.locator(f".batches li.{state}").count()


def test_a_batch_that_arrives_is_shown_without_a_click(page: Page, ui_url: str, fake_api: FakeInferenceApi) -> None:
    fake_api.operations.batches = 4
    open_ui(page, ui_url, "data")
    expect(page.locator(".batches li.newest")).to_contain_text("Batch 4")
    # The last things drawn; what comes above them would move the strip.
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(4)
    wait_until_drawn(page)
    place = page.locator(".batches").bounding_box()
    fake_api.operations.batches = 5
    expect(page.locator(".batches li.newest")).to_contain_text("Batch 5")
    assert strip(page, "arrived") == 4
    assert strip(page, "later") == 4
    after = page.locator(".batches").bounding_box()
    assert place
    assert after
    assert (after["x"], after["y"], after["width"]) == (place["x"], place["y"], place["width"])
    # What tells of the rows changes with them.
    expect(page.get_by_text("Of all 2,895 rows stored")).to_be_visible()


@pytest.mark.usefixtures("fake_api")
def test_the_countdown_counts(page: Page, ui_url: str) -> None:
    open_ui(page, ui_url, "data")
    line = page.get_by_text(re.compile(r"Next poll in \d:\d\d"))
    expect(line).to_be_visible()
    before = line.inner_text()
    expect(page.get_by_text(before, exact=True)).to_have_count(0)
    expect(line).to_be_visible()


@pytest.mark.usefixtures("fake_api")
def test_refused_rows_and_distributions_are_on_the_page(page: Page, ui_url: str) -> None:
    open_ui(page, ui_url, "data", language="es")
    expect(page.get_by_text("2 filas se entregaron pero no se guardaron")).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(4)
    page.get_by_text("Qué hacer con ellas").click()
    expect(page.get_by_text("use_cases/covertype.yaml")).to_be_visible()


@pytest.mark.usefixtures("fake_api")
def test_a_use_case_is_chosen_with_the_keyboard(page: Page, ui_url: str) -> None:
    open_ui(page, ui_url, "data")
    box = page.locator(".st-key-use_case input")
    box.wait_for()
    box.focus()
    page.keyboard.type("Palmer")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Bill length", exact=False).first).to_be_visible()


def test_a_warehouse_that_comes_back_is_noticed_without_a_click(
    page: Page, ui_url: str, fake_api: FakeInferenceApi
) -> None:
    fake_api.operations.fault = (503, "connection refused")
    open_ui(page, ui_url, "data")
    expect(page.get_by_text("Predictions go on without it")).to_be_visible()
    fake_api.operations.fault = None
    expect(page.locator(".batches")).to_be_visible()


@pytest.mark.parametrize("path", ["data", "monitoring"])
@pytest.mark.usefixtures("fake_api")
def test_a_phone_needs_no_sideways_scrolling(chromium: Browser, ui_url: str, path: str) -> None:
    with open_page(chromium, viewport={"width": 375, "height": 812}, has_touch=True, is_mobile=True) as page:
        open_ui(page, ui_url, path)
        expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
        wait_until_drawn(page)
        main = page.get_by_test_id("stMain")
        assert main.evaluate("element => element.scrollWidth <= element.clientWidth")
