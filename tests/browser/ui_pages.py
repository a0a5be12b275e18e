"""What a person does on the pages of the UI, for any test that has a Playwright page and the UI's address."""

import re
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import PATIENCE_MS

STARTS = 3


def open_ui(page: Page, url: str, path: str = "", language: str = "en") -> None:
    """Open a page of the UI and wait until it has a title.

    The browser drops what it is loading when a network interface of the machine comes or goes, so a page that does not
    appear is loaded again.
    """
    address = f"{url.rstrip('/')}/{path}?lang={language}"
    for start in range(1, STARTS + 1):
        try:
            page.goto(address)
            page.locator("h1").wait_for(timeout=PATIENCE_MS / STARTS)
            return
        except PlaywrightError:
            if start == STARTS:
                raise


def wait_until_drawn(page: Page) -> None:
    """Wait until nothing on the page moves by itself any more.

    No script runs, Streamlit has fetched the code and the fonts of what is shown, and charts have taken their size.
    """
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    expect(page.locator(".stApp[data-test-script-state='notRunning']")).to_have_count(1)
    page.evaluate("() => document.fonts.ready.then(() => undefined)")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def choose_model(page: Page, title: str) -> None:
    """Choose a model by its title and wait for its form."""
    choose(page, page.locator(".st-key-model"), title)
    page.locator(".st-key-predict button").wait_for()


def field(page: Page, name: str) -> Locator:
    """The input of a field, by the name the API knows it by."""
    return page.locator(f"[class*='st-key-field_'][class$='_{name}'], [class*='st-key-field_'][class*='_{name} ']")


def fill_predict_form(page: Page, values: Mapping[str, Any]) -> None:
    """Enter values by field name: numbers, texts, ISO dates, categories; None empties a field that can be emptied."""
    page.locator(".st-key-predict button").wait_for()
    for name, value in values.items():
        entry = field(page, name)
        if entry.get_by_test_id("stSelectbox").count():
            choose(page, entry, value)
            continue
        box = entry.locator("input").first
        box.fill("" if value is None else str(value))
        box.press("Tab")


def press_predict(page: Page) -> None:
    """Send the form."""
    page.locator(".st-key-predict button").click()


def result(page: Page) -> Locator:
    """The panel with the answer, or with what must be corrected."""
    return page.locator(".st-key-result")


def predict(page: Page, values: Mapping[str, Any]) -> str:
    """Fill the form, send it and give back the text of the answer (label, probabilities, version, request id)."""
    fill_predict_form(page, values)
    press_predict(page)
    expect(result(page)).to_contain_text(re.compile(r"version \d+|versión \d+"))
    # Streamlit fetches the code of a table or chart when the first one is shown, and holds its place until then.
    expect(result(page).get_by_test_id("stSkeleton")).to_have_count(0)
    return result(page).inner_text()


def choose(page: Page, entry: Locator, value: str | None) -> None:
    """Choose an entry of a select box by the value or the words it begins with; None empties the box."""
    box = entry.locator("input").first
    if value is None:
        entry.get_by_role("button", name="Clear value").click()
        return
    # Typing opens the list and filters it; an entry reads "value" or "value — full name".
    box.fill(value)
    page.get_by_role("option", name=re.compile(rf"^{re.escape(value)}( —|$)")).click()
    expect(box).to_have_attribute("aria-expanded", "false")
