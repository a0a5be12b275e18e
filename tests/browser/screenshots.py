"""Takes the pictures of the UI that the documentation shows, from a UI that is running with real models and data.

Usage: ``python -m tests.browser.screenshots [http://localhost:8503] [docs/images]``
"""

import argparse
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.chromium import open_chromium, open_page
from tests.browser.ui_pages import open_ui, predict, wait_until_drawn

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
WIDTH = 1280
# What a reader takes in at a glance; the rest of a longer page is left out.
MOST_HEIGHT = 2100
# Enough for text and charts, and a quarter of the bytes.
COLOURS = 160


def show_prediction(page: Page) -> None:
    """Predict the example, of which there is more to explain than of the typical case."""
    page.locator(".st-key-fill_example button").first.click()
    # The fields change one by one while the script runs, which begins a moment after the click.
    expect(page.locator(".stApp[data-test-script-state='running']")).to_have_count(1)
    wait_until_drawn(page)
    predict(page, {})
    page.locator(".st-key-result [data-testid='stVegaLiteChart'] canvas, .st-key-result svg.marks").first.wait_for()


def show_batch(page: Page) -> None:
    """Predict a file: examples of the model, and two rows with a mistake."""
    with page.expect_download() as template:
        page.locator(".st-key-template button").first.click()
    header, example = Path(template.value.path()).read_text(encoding="utf-8-sig").splitlines()
    first, rest = example.split(",", 1)
    mistakes = [f"-{first},{rest}", f",{rest}"]
    rows = [f"{int(float(first)) - 10 * step},{rest}" for step in range(60)]
    text = "\n".join([header, *rows, *mistakes])
    upload = page.locator(".st-key-batch_file input[type=file]")
    upload.set_input_files({"name": "cases.csv", "mimeType": "text/csv", "buffer": text.encode()})
    page.locator(".st-key-predict_file button").click()
    page.locator(".st-key-download button").first.wait_for()
    show_charts(page)


def show_charts(page: Page) -> None:
    """Wait for the charts, which Streamlit draws after the rest."""
    page.locator("[data-testid='stVegaLiteChart'] canvas, svg.marks").first.wait_for()


def show_monitoring(page: Page) -> None:
    """Wait for the charts of the last hour."""
    page.get_by_text("1 hour").click()
    show_charts(page)


def show_models(page: Page) -> None:
    """Wait for the metrics of a version."""
    page.get_by_test_id("stMetric").first.wait_for()


PICTURES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "ui-predict": ("", show_prediction),
    "ui-batch": ("batch", show_batch),
    "ui-models": ("models", show_models),
    "ui-data": ("data", show_charts),
    "ui-monitoring": ("monitoring", show_monitoring),
}


def take(page: Page, url: str, path: str, show: Callable[[Page], None], picture: Path) -> None:
    """Open a page of the UI, bring it into the state to show, and save what is seen."""
    page.set_viewport_size({"width": WIDTH, "height": 900})
    open_ui(page, url, path)
    show(page)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    # Away from buttons, which would look pressed.
    page.mouse.move(700, 10)
    # The page scrolls inside the window: only what is in the window is in the picture.
    height = page.get_by_test_id("stMainBlockContainer").evaluate("element => element.scrollHeight")
    page.set_viewport_size({"width": WIDTH, "height": min(int(height), MOST_HEIGHT)})
    page.get_by_test_id("stMain").evaluate("element => element.scrollTo(0, 0)")
    wait_until_drawn(page)
    picture.parent.mkdir(parents=True, exist_ok=True)
    seen = Image.open(BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    seen.quantize(COLOURS, dither=Image.Dither.NONE).save(picture, optimize=True)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="http://localhost:8503")
    parser.add_argument("folder", nargs="?", type=Path, default=IMAGES)
    parser.add_argument("--only", choices=list(PICTURES), help="one picture")
    arguments = parser.parse_args()
    chosen = {arguments.only: PICTURES[arguments.only]} if arguments.only else PICTURES
    with open_chromium() as browser, open_page(browser, reduced_motion="reduce") as page:
        for name, (path, show) in chosen.items():
            take(page, arguments.url, path, show, arguments.folder / f"{name}.png")
            print(f"wrote {arguments.folder / name}.png", flush=True)


if __name__ == "__main__":
    main()
