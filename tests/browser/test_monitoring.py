"""The page Monitoring in a browser."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.fake_inference_api import FakeInferenceApi
from tests.browser.ui_pages import open_ui

pytestmark = pytest.mark.browser


def chart(page: Page, said: str) -> Locator:
    """The chart whose words for a reader who cannot see it hold these."""
    return page.get_by_test_id("stVegaLiteChart").and_(page.get_by_label(re.compile(said)))


@pytest.mark.usefixtures("fake_api")
def test_traffic_predictions_drift_and_live_metric(page: Page, ui_url: str) -> None:
    open_ui(page, ui_url, "monitoring")
    for heading in ("Traffic and latency", "What it predicts", "Drift", "How often it is right"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(5)
    expect(page.get_by_test_id("stTable").first).to_contain_text("drifted")
    # Names of classes, not their codes.
    expect(chart(page, "most frequent is Lodgepole Pine")).to_be_visible()


@pytest.mark.usefixtures("fake_api")
def test_another_feature_is_looked_into(page: Page, ui_url: str) -> None:
    open_ui(page, ui_url, "monitoring")
    box = page.locator("[class*='st-key-drift_feature_'] input")
    box.wait_for()
    box.focus()
    page.keyboard.type("Soil")
    page.keyboard.press("Enter")
    expect(chart(page, "per value of Soil Type")).to_be_visible()


def test_new_traffic_is_shown_without_a_click(page: Page, ui_url: str, fake_api: FakeInferenceApi) -> None:
    fake_api.operations.predictions = 0
    open_ui(page, ui_url, "monitoring")
    # Answers are kept for some seconds, also those of the test before.
    expect(page.get_by_text("Nobody has asked this model in the period")).to_be_visible()
    fake_api.operations.predictions = 10
    expect(page.get_by_test_id("stMetric").filter(has_text="Predictions")).to_contain_text("120")


@pytest.mark.usefixtures("fake_api")
def test_the_period_and_the_model_stay_when_pages_change(page: Page, ui_url: str) -> None:
    open_ui(page, ui_url, "monitoring")
    page.get_by_role("radio", name="7 days").or_(page.get_by_role("button", name="7 days")).click()
    expect(chart(page, "predictions per 420 min")).to_be_visible()
    page.get_by_role("link", name="Data", exact=True).click()
    expect(page.locator("h1")).to_have_text("Data")
    page.get_by_role("link", name="Monitoring", exact=True).click()
    expect(chart(page, "predictions per 420 min")).to_be_visible()
