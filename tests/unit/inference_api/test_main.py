"""The command line of the service."""

import pytest

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


def test_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MAX_RECORDS", "none")
    assert main([]) == 2
    assert "MAX_RECORDS" in capsys.readouterr().err
    load_settings.cache_clear()
