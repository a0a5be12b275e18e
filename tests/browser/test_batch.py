"""The Batch page in a browser: from a file on disk to a file on disk."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.fake_inference_api import FakeInferenceApi
from tests.browser.ui_pages import choose, open_ui

pytestmark = pytest.mark.browser

HEADER = "id;island;bill_length_mm;bill_depth_mm;flipper_length_mm;body_mass_g;sex"


def open_batch(page: Page, url: str, file: Path, language: str = "en") -> None:
    open_ui(page, url, "batch", language)
    choose(page, page.locator(".st-key-model"), "Palmer penguins")
    expect(page.get_by_role("button", name=re.compile("template|plantilla"))).to_be_visible()
    page.locator(".st-key-batch_file input[type=file]").set_input_files(file)


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


@pytest.mark.usefixtures("fake_api")
def test_a_file_is_checked_predicted_and_downloaded(page: Page, ui_url: str, tmp_path: Path) -> None:
    rows = [f"{number};Biscoe;46.5;14;217;5200;male" for number in range(4999)]
    open_batch(page, ui_url, write(tmp_path / "cases.csv", *rows, "bad;Mars;99;14;217;5200;male"))
    expect(page.get_by_text("4,999 of 5,000 rows can be predicted")).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    page.get_by_role("button", name="Predict 4,999 rows").click()
    expect(page.get_by_text("4,999 rows predicted by version 2")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the predictions").click()
    assert download.value.suggested_filename == "cases_predictions.csv"
    with Path(download.value.path()).open(newline="") as file:
        answers = list(csv.DictReader(file, delimiter=";"))
    assert [answer["id"] for answer in answers] == [*(str(number) for number in range(4999)), "bad"]
    assert {answer["prediction"] for answer in answers[:-1]} == {"Gentoo"}
    assert answers[-1]["prediction"] == ""
    assert "Mars is not on the list" in answers[-1]["problem"]


def test_a_long_prediction_shows_progress_and_can_be_cancelled(
    page: Page, ui_url: str, fake_api: FakeInferenceApi, tmp_path: Path
) -> None:
    rows = [f"{number};Biscoe;46.5;14;217;5200;male" for number in range(40_000)]
    open_batch(page, ui_url, write(tmp_path / "cases.csv", *rows))
    expect(page.get_by_text("All 40,000 rows can be predicted")).to_be_visible()
    fake_api.delay_seconds = 0.5
    page.get_by_role("button", name="Predict 40,000 rows").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled after")).to_be_visible()
    assert len(fake_api.received_columns) < 20


@pytest.mark.usefixtures("fake_api")
def test_wrong_names_are_answered_with_the_right_ones(page: Page, ui_url: str, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text("Island,bill length\nDream,40\n")
    open_batch(page, ui_url, file, "es")
    expect(page.get_by_text("cambia Island por island")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)


@pytest.mark.usefixtures("fake_api")
def test_the_template_has_the_columns_of_the_model(page: Page, ui_url: str) -> None:
    open_ui(page, ui_url, "batch")
    choose(page, page.locator(".st-key-model"), "House prices")
    page.get_by_role("button", name="Columns and what they may hold").click()
    expect(page.get_by_text("brokered_by")).to_be_visible()
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download a template").click()
    header = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()[0]
    assert header.split(",")[:3] == ["brokered_by", "status", "bed"]
