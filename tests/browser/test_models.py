"""The Models page in a browser: a newcomer's questions, and the roll back."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import open_page
from tests.browser.fake_inference_api import API_KEY, FakeInferenceApi
from tests.browser.ui_pages import open_ui, wait_until_drawn

pytestmark = pytest.mark.browser


@pytest.mark.usefixtures("fake_api")
def test_why_a_version_was_not_promoted_is_there_without_a_click(page: Page, ui_url: str) -> None:
    open_ui(page, ui_url, "models")
    card = page.locator(".st-key-version_covertype_3_card")
    expect(card).to_contain_text("not promoted")
    expect(card).to_contain_text("lower than the champion's by 0.017")
    card.get_by_text("All 3 checks, 1 failed").click()
    expect(card.get_by_text("Enough held-out rows")).to_be_visible()


@pytest.mark.usefixtures("fake_api")
def test_every_tab_can_be_opened_with_the_keyboard(page: Page, ui_url: str) -> None:
    open_ui(page, ui_url, "models", "es")
    first = page.get_by_role("tab", name="Versiones y por qué")
    first.wait_for()
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Comparar el campeón con")).to_be_visible()
    for tab, heading in (("Informe", "Aciertos y errores por clase"), ("Historial", "Promociones")):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()


def test_a_roll_back_needs_the_key_and_the_page_follows(page: Page, ui_url: str, fake_api: FakeInferenceApi) -> None:
    open_ui(page, ui_url, "models")
    page.get_by_role("tab", name="Roll back").click()
    page.get_by_role("button", name="Roll back…").click()
    key = page.locator(".st-key-rollback_key input")
    key.fill("a guess")
    page.get_by_role("button", name="Yes, roll back to version 1").click()
    expect(page.get_by_text("The API key is wrong")).to_be_visible()
    expect(key).to_have_value("")
    assert fake_api.champions["covertype"] == 2
    key.fill(API_KEY)
    key.press("Enter")
    expect(page.get_by_text("Version 1 of Forest cover type is the champion now")).to_be_visible()
    expect(page.locator(".st-key-champion")).to_contain_text("version 1")
    assert fake_api.champions["covertype"] == 1
    # What is kept of answers would show the next test a champion of this one.
    fake_api.reset()
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator(".st-key-champion")).to_contain_text("version 2")


@pytest.mark.usefixtures("fake_api")
def test_a_phone_shows_every_tab_within_its_width(chromium: Browser, ui_url: str) -> None:
    with open_page(chromium, viewport={"width": 375, "height": 812}, has_touch=True, is_mobile=True) as page:
        open_ui(page, ui_url, "models")
        for name in ("Versions and why", "Compare", "Report", "Roll back"):
            page.get_by_role("tab", name=name).click()
            expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
            wait_until_drawn(page)
            assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth <= window.innerWidth")
