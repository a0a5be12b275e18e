"""The command line of the service."""

from typing import Any

import pytest
import uvicorn

from inference_api.__main__ import main
from pipeline.settings import load_settings


@pytest.fixture(autouse=True)
def _fresh_settings() -> None:
    load_settings.cache_clear()


def test_help_names_options_with_their_settings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "--port" in text
    assert "API_WORKERS" in text
    assert "8989" in text


@pytest.mark.parametrize("trusted", [None, "10.0.0.0/8"])
def test_forwarded_addresses_are_looked_for_behind_a_trusted_proxy_only(
    monkeypatch: pytest.MonkeyPatch, trusted: str | None
) -> None:
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(uvicorn, "run", lambda _, **options: started.append(options))
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if trusted is not None:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    assert main(["--workers", "1"]) == 0
    assert started[0]["proxy_headers"] is (trusted is not None)


def test_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MAX_RECORDS", "none")
    assert main([]) == 2
    assert "MAX_RECORDS" in capsys.readouterr().err
    load_settings.cache_clear()
