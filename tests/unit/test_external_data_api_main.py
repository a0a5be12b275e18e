"""``python -m external_data_api``: help, and a mistake told in one line instead of a traceback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from external_data_api.__main__ import main
from pipeline.settings import load_settings


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("USE_CASES_DIR", str(Path(__file__).resolve().parents[2] / "use_cases"))
    monkeypatch.setenv("SOURCE_STATE_DIR", str(tmp_path))
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    for name in ("MIN_UPDATE_TIME", "SAMPLE_SHARE", "SOURCE_SEED", "BATCH_COUNT", "<NAME>_CSV", "<NAME>_SAMPLE_SHARE"):
        assert name in text


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("COVERTYPE_CSV", "/nowhere/rows.csv", "COVERTYPE_CSV=/nowhere/rows.csv: there is no such file"),
        ("PENGUINS_SAMPLE_SHARE", "7", "PENGUINS_SAMPLE_SHARE must be above 0 and at most 1 (found '7')"),
        ("PENGUINS_SAMPLE_SHARE", "half", "PENGUINS_SAMPLE_SHARE must be above 0 and at most 1 (found 'half')"),
        ("SAMPLE_SHARE", "0", "SAMPLE_SHARE"),
        ("USE_CASES_DIR", "/nowhere", "set USE_CASES_DIR"),
    ],
)
def test_wrong_setting_is_named_and_ends_with_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert main([]) == 2
    assert message in capsys.readouterr().err


def test_serves_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setenv("SOURCE_PORT", "18123")
    monkeypatch.setenv("SOURCE_ROWS", "100")
    monkeypatch.setattr("uvicorn.run", lambda app, **options: served.update(options, title=app.title))
    assert main([]) == 0
    assert served == {"title": "External data API", "host": "127.0.0.1", "port": 18123}
