"""Settings come from the environment, secrets also from files, and mistakes name the variable."""

from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from pipeline.settings import InferenceApiSettings, PipelineSettings, load_settings


@pytest.fixture(autouse=True)
def _fresh() -> None:
    load_settings.cache_clear()


def test_a_value_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECT_INTERVAL_SECONDS", "10")
    assert load_settings(PipelineSettings).collect_interval_seconds == 10


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DAY", "")
    assert load_settings(PipelineSettings).source_day is None


def test_a_secret_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\n", encoding="utf-8")
    monkeypatch.setenv("WAREHOUSE_PASSWORD_FILE", str(secret))
    password = load_settings(PipelineSettings).warehouse_password
    assert password is not None
    assert password.get_secret_value() == "s3cret"


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_secret_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text, encoding="utf-8")
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ConfigurationError, match=r"API_KEY_FILE: .*key is empty"):
        load_settings(PipelineSettings)


def test_a_missing_secret_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY_FILE", "/nowhere/key")
    with pytest.raises(ConfigurationError, match="API_KEY_FILE: cannot read /nowhere/key"):
        load_settings(PipelineSettings)


def test_a_secret_and_its_file_contradict_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x", encoding="utf-8")
    monkeypatch.setenv("API_KEY", "y")
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ConfigurationError, match="API_KEY or API_KEY_FILE, not both"):
        load_settings(PipelineSettings)


def test_production_refuses_a_development_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(ConfigurationError, match="API_KEY still has its development default"):
        load_settings(PipelineSettings)
    monkeypatch.setenv("API_KEY", "a-key-of-my-own")
    assert load_settings(PipelineSettings).environment == "production"


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "do-not-show")
    assert "do-not-show" not in repr(load_settings(InferenceApiSettings))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WAREHOUSE_URL", "postgresql://x"),
        ("LAKE_URL", "/tmp/lake"),
        ("COLLECT_INTERVAL_SECONDS", "0"),
        ("SOURCE_GROUP_NUMBER", "six"),
        ("ENVIRONMENT", "staging"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        load_settings(PipelineSettings)


def test_a_wrong_secret_is_not_shown_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "do-not-show")
    monkeypatch.setenv("SOURCE_TIMEOUT_SECONDS", "-1")
    with pytest.raises(ConfigurationError) as error:
        load_settings(PipelineSettings)
    assert "do-not-show" not in str(error.value)
