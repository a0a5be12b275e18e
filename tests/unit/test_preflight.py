"""The checks of the first container of the stack."""

import os
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.settings import DEVELOPMENT_SECRET_PREFIX
from tests.docker_scripts import load_script

FERNET_KEY = "Zm9ydHktdHdvLWlzLXRoZS1hbnN3ZXItdG8tYWxsLS0="


@pytest.fixture(scope="module")
def preflight() -> ModuleType:
    return load_script("preflight")


@pytest.fixture
def own_secrets(preflight: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in preflight.SECRETS:
        monkeypatch.delenv(f"{name}_FILE", raising=False)
        monkeypatch.setenv(name, FERNET_KEY if name == "AIRFLOW_FERNET_KEY" else "one-of-our-own")
    monkeypatch.setenv("ENVIRONMENT", "production")


def test_it_knows_the_prefix_the_services_refuse(preflight: ModuleType) -> None:
    assert preflight.DEVELOPMENT_SECRET_PREFIX == DEVELOPMENT_SECRET_PREFIX


@pytest.mark.usefixtures("own_secrets")
def test_own_secrets_are_fit_for_production(preflight: ModuleType) -> None:
    assert preflight.check_settings() == []


@pytest.mark.usefixtures("own_secrets")
@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("API_KEY", "dev-only-api-key", "API_KEY still has its development default"),
        ("POSTGRES_PASSWORD", "", "POSTGRES_PASSWORD is empty"),
        ("WAREHOUSE_PASSWORD", "p@ss/word", "WAREHOUSE_PASSWORD becomes part of a URL"),
        ("MINIO_ROOT_PASSWORD", "short", "MINIO_ROOT_PASSWORD must have at least 8 characters"),
        ("AIRFLOW_FERNET_KEY", "c2hvcnQ=", "AIRFLOW_FERNET_KEY must be 32 bytes"),
        ("AIRFLOW_FERNET_KEY", "a", "AIRFLOW_FERNET_KEY must be 32 bytes"),
        ("ENVIRONMENT", "staging", "ENVIRONMENT must be development or production"),
    ],
)
def test_a_bad_setting_is_named(
    preflight: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(name, value)
    (told,) = preflight.check_settings()
    assert told.startswith(problem)


@pytest.mark.usefixtures("own_secrets")
def test_a_secret_may_come_from_a_file(preflight: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("API_KEY")
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "api_key"))
    assert preflight.check_settings() == [f"API_KEY_FILE: cannot read {tmp_path}/api_key: No such file or directory"]
    (tmp_path / "api_key").write_text("one-of-our-own\n", encoding="utf-8")
    assert preflight.check_settings() == []


def test_a_full_disk_is_told_in_megabytes(preflight: ModuleType, tmp_path: Path) -> None:
    assert preflight.check_disk(tmp_path, 0) == []
    (told,) = preflight.check_disk(tmp_path, 10**9)
    assert "MIN_FREE_DISK_MB" in told


def test_a_volume_that_has_its_owner_is_left_alone(
    preflight: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preflight.hand_over(tmp_path, os.getuid())
    assert capsys.readouterr().out == ""
