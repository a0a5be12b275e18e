"""Links to the other services, and times as a person reads them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pipeline.settings import UiSettings, load_settings
from ui.i18n import Translator
from ui.links import api_address, links
from ui.times import clock, duration, now


def settings(**urls: Any) -> UiSettings:
    return UiSettings(**urls)


def addresses(page: str, **urls: Any) -> list[str]:
    return [link.url for link in links(settings(**urls), page, "covertype", Translator("en"))]


def test_links_lead_to_the_thing_shown() -> None:
    urls = {
        "airflow_public_url": "http://localhost:8080/",
        "mlflow_public_url": "https://mlflow.example.org",
        "grafana_public_url": "http://localhost:3000",
    }
    assert addresses("data", **urls) == [
        "http://localhost:8080/dags/collect_covertype",
        "https://mlflow.example.org/#/models/covertype",
        "http://localhost:3000/d/inference?var-model=covertype",
    ]
    assert addresses("models", **urls)[0] == "http://localhost:8080/dags/train_covertype"


def test_a_service_that_the_settings_do_not_name_has_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIRFLOW", "MLFLOW", "GRAFANA"):
        monkeypatch.delenv(f"{name}_PUBLIC_URL", raising=False)
    assert addresses("data") == []
    assert addresses("data", mlflow_public_url="http://m") == ["http://m/#/models/covertype"]


def test_commands_name_the_address_people_reach() -> None:
    inside = {"inference_api_url": "http://inference-api:8989/"}
    assert api_address(settings(**inside)) == "http://inference-api:8989"
    assert api_address(settings(**inside, inference_api_public_url="http://localhost:8989/")) == "http://localhost:8989"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (9.4, "0:09"), (245, "4:05"), (3723, "1:02:03"), (-3, "0:00")]
)
def test_a_countdown_reads_like_a_clock(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_moment_of_another_day_has_its_date() -> None:
    assert len(clock(now())) == len("14:05:10")
    assert clock(datetime(2026, 3, 1, 14, 5, tzinfo=UTC)) == "2026-03-01 14:05"
    assert clock((now() - timedelta(days=400)).replace(tzinfo=None)).count("-") == 2


@pytest.mark.usefixtures("fake_api")
def test_the_sidebar_shows_the_address_that_people_use(
    open_app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENCE_API_PUBLIC_URL", "https://models.example/api")
    load_settings.cache_clear()
    assert "`https://models.example/api`" in [caption.value for caption in open_app().sidebar.caption][-1]
