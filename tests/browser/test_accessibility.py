"""Every page in light and dark, looked at by axe: names, roles, contrast, order of headings."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import open_page
from tests.browser.ui_pages import choose, open_ui, predict, wait_until_drawn

pytestmark = pytest.mark.browser

PAGES = ("", "batch", "models", "data", "monitoring")
GRAVE = ("serious", "critical")
# Less grave to axe, and how a screen reader finds its way.
ALSO = ("heading-order", "page-has-heading-one")
MISTAKEN = (
    b"island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex\nDream,46,14,217,5200,\nMars,4,1,2,5,\n"
)
FOCUSED = """(() => {
  const element = document.activeElement, style = getComputedStyle(element);
  return {tag: element.tagName, text: element.innerText.slice(0, 50), drawn: style.outlineStyle + style.boxShadow};
})()"""
# Rule, start of the element, why it stays. The shortcut on a button is drawn by Streamlit, paler than the label beside
# it, in colours that no theme option reaches; the button's own label passes.
OF_STREAMLIT = (("color-contrast", "<kbd"),)


def grave_violations(page: Page) -> list[dict[str, Any]]:
    """What axe finds of serious or critical impact: rule, and the elements it is about."""
    result = Axe().run(page, options={"resultTypes": ["violations"]}).response
    found = []
    for violation in result["violations"]:
        ours = [
            f"{node['html'][:200]} {node['failureSummary']}"
            for node in violation["nodes"]
            if not any(violation["id"] == rule and node["html"].startswith(start) for rule, start in OF_STREAMLIT)
        ]
        if (violation["impact"] in GRAVE or violation["id"] in ALSO) and ours:
            found.append({"rule": violation["id"], "help": violation["help"], "elements": ours})
    return found


def drop_a_file_with_mistakes(page: Page) -> None:
    """Predict a file of which one row cannot be predicted, so that all the page has is on it."""
    choose(page, page.locator(".st-key-model"), "Palmer penguins")
    upload = page.locator(".st-key-batch_file input[type=file]")
    upload.set_input_files({"name": "cases.csv", "mimeType": "text/csv", "buffer": MISTAKEN})
    page.get_by_role("button", name="Predict 1 row").click()
    expect(page.get_by_text("1 row predicted by version 2")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.usefixtures("fake_api")
def test_a_page_has_no_grave_violation(chromium: Browser, ui_url: str, path: str, scheme: Any) -> None:
    window: Any = {"width": 1280, "height": 1000}
    with open_page(chromium, viewport=window, color_scheme=scheme, reduced_motion="reduce") as page:
        open_ui(page, ui_url, path)
        if not path:
            predict(page, {})
        if path == "batch":
            drop_a_file_with_mistakes(page)
        wait_until_drawn(page)
        # Streamlit fades what it is about to draw anew, which on a busy machine lasts long enough to be measured.
        page.add_style_tag(content="[data-stale] {opacity: 1 !important; transition: none !important}")
        assert grave_violations(page) == []


@pytest.mark.usefixtures("fake_api")
def test_the_keyboard_shows_where_it_is_in_the_sidebar(page: Page, ui_url: str) -> None:
    open_ui(page, ui_url)
    wait_until_drawn(page)
    # To the first page, over all pages, to the choice of language.
    for _ in range(7):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["drawn"] != "nonenone", focused
