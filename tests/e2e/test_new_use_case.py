"""A fourth use case from one YAML file and one CSV, as docs/new-use-case.md has it: rows, model, API and form."""

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.ui_pages import field, open_ui, predict
from tests.e2e.small_stack import SmallStack

pytestmark = pytest.mark.e2e
GOOD = {"alcohol": 14.5, "acidity": 3.5, "colour": "red", "bottled": "2021-05-30"}
POOR = {"alcohol": 8.5, "acidity": 8.5, "colour": None, "bottled": "2012-01-01"}


@pytest.fixture(scope="module")
def trained(small_stack: SmallStack) -> SmallStack:
    """The whole loop by hand; `train` waits until the API serves the result."""
    collected = small_stack.mlops("collect", "wine", "--all")
    assert "0 quarantined" in collected
    trained = small_stack.mlops("train", "wine")
    assert "version 1 is the champion" in trained
    return small_stack


def test_its_rows_and_its_model_are_accounted_for(trained: SmallStack) -> None:
    audit = trained.mlops("audit", "wine")
    assert "400 delivered = 400 accepted" in audit
    assert "every version is accounted for" in audit


def test_the_api_serves_it_with_its_limits(trained: SmallStack) -> None:
    url = f"{trained.url('inference-api')}/models/wine"
    answers = [requests.post(f"{url}/predict", json=record, timeout=10).json() for record in (GOOD, POOR)]
    assert [(answer["prediction"], answer["label"]) for answer in answers] == [("good", "Good"), ("poor", "Poor")]
    refused = requests.post(f"{url}/predict", json={**GOOD, "alcohol": 40}, timeout=10)
    assert refused.status_code == 422
    assert "alcohol" in str(refused.json()["detail"])


@pytest.mark.browser
def test_it_is_a_form_in_the_browser(trained: SmallStack, page: Page) -> None:
    open_ui(page, trained.url("ui"))
    expect(page.locator(".st-key-model input")).to_have_value("Wine quality")
    expect(field(page, "colour").get_by_test_id("stSelectbox")).to_be_visible()
    answer = predict(page, GOOD)
    assert "Wine quality, version 1" in answer
    assert "Good" in answer
