"""Takes the picture of the UI that the README shows, from a UI that is running with a real model.

Usage: ``python -m tests.browser.screenshots [http://localhost:8503] [docs/images/ui-predict.png]``
"""

import argparse
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.chromium import open_chromium
from tests.browser.ui_pages import open_ui, predict

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "images" / "ui-predict.png"


def take_prediction(page: Page, url: str, picture: Path) -> None:
    """Predict the typical case that the form starts with and save what the page shows."""
    open_ui(page, url)
    predict(page, {})
    page.locator(".st-key-result [data-testid='stVegaLiteChart'] canvas, .st-key-result svg.marks").first.wait_for()
    # Away from the button, which would look pressed.
    page.mouse.move(700, 10)
    picture.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=picture, animations="disabled")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="http://localhost:8503")
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE)
    arguments = parser.parse_args()
    with open_chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1080}, locale="en-US")
        take_prediction(page, arguments.url, arguments.picture)
    print(f"wrote {arguments.picture}")


if __name__ == "__main__":
    main()
