import stat
from pathlib import Path

import pytest

from local_stack.configuration import PORTS, Configuration, read_settings
from local_stack.services import read_services, services, write_services


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.write_text(
        "COLLECT_INTERVAL_SECONDS=300\nSOURCE_URL=http://external-data-api:8000\nAPI_KEY=from-the-file\n"
        "WAREHOUSE_URL=mysql+pymysql://mlops@mysql:3306/mlops\nWAREHOUSE_PASSWORD=dev-only-warehouse\n"
    )
    return path


def configure(folder: Path, settings: dict[str, str]) -> Configuration:
    ports = {service: usual for service, (_, usual) in PORTS.items()}
    return Configuration(folder=folder, ports=ports, settings=settings, stack_id="abc")


def test_the_pace_of_a_demonstration_replaces_that_of_the_env_file(dotenv: Path) -> None:
    assert read_settings({}, dotenv)["COLLECT_INTERVAL_SECONDS"] == "60"


def test_a_sourced_env_file_is_no_choice_of_the_caller(dotenv: Path) -> None:
    assert read_settings({"COLLECT_INTERVAL_SECONDS": "300"}, dotenv)["COLLECT_INTERVAL_SECONDS"] == "60"


def test_the_environment_overrides_everything(dotenv: Path) -> None:
    environ = {"COLLECT_INTERVAL_SECONDS": "5", "API_KEY": "mine", "SOURCE_URL": "http://course:80"}
    settings = read_settings(environ, dotenv)
    assert settings["COLLECT_INTERVAL_SECONDS"] == "5"
    assert settings["API_KEY"] == "mine"
    assert settings["SOURCE_URL"] == "http://course:80"


def test_without_an_env_file_the_defaults_do(tmp_path: Path) -> None:
    assert read_settings({}, tmp_path / "absent")["AIRFLOW_ADMIN_PASSWORD"] == "dev-only-admin"


def test_addresses_of_containers_become_local_files_and_ports(tmp_path: Path, dotenv: Path) -> None:
    environment = configure(tmp_path, read_settings({}, dotenv)).environment()
    assert environment["WAREHOUSE_URL"] == f"sqlite:///{tmp_path}/warehouse.db"
    assert environment["LAKE_URL"] == f"file://{tmp_path}/lake"
    assert environment["SOURCE_URL"] == "http://localhost:8000"
    assert "WAREHOUSE_PASSWORD" not in environment


def test_links_lead_to_this_stack_unless_the_caller_knows_better(
    tmp_path: Path, dotenv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_PUBLIC_URL", "https://mlflow.example.org")
    monkeypatch.setenv("AIRFLOW_PUBLIC_URL", "")
    environment = configure(tmp_path, read_settings({}, dotenv)).environment()
    assert environment["AIRFLOW_PUBLIC_URL"] == "http://localhost:8080"
    assert environment["MLFLOW_PUBLIC_URL"] == "https://mlflow.example.org"


def test_another_source_replaces_the_simulated_one(tmp_path: Path, dotenv: Path) -> None:
    configuration = configure(tmp_path, read_settings({"SOURCE_URL": "http://course:80"}, dotenv))
    assert configuration.environment()["SOURCE_URL"] == "http://course:80"
    assert "external-data-api" not in [service.name for service in services(configuration)]


def test_airflow_keys_survive_a_restart_and_are_private(tmp_path: Path) -> None:
    settings = read_settings({}, tmp_path / "absent")
    first = configure(tmp_path, settings).environment()["AIRFLOW__CORE__FERNET_KEY"]
    assert configure(tmp_path, settings).environment()["AIRFLOW__CORE__FERNET_KEY"] == first
    assert stat.S_IMODE((tmp_path / "airflow" / "keys.json").stat().st_mode) == 0o600


def test_python_may_write_its_byte_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in configure(tmp_path, read_settings({}, tmp_path / "absent")).environment()


def test_services_are_found_again_with_their_addresses_and_logins(tmp_path: Path) -> None:
    listed = services(configure(tmp_path, read_settings({}, tmp_path / "absent")))
    write_services(tmp_path / "services.json", listed)
    found = {service.name: service for service in read_services(tmp_path / "services.json")}
    assert found["airflow-api-server"].url == "http://localhost:8080"
    assert found["airflow-api-server"].login == "admin / dev-only-admin"
    assert list(found.values()) == listed


@pytest.mark.parametrize(("given", "share"), [({}, "1"), ({"COVERTYPE_SAMPLE_SHARE": "0.3"}, "0.3")])
def test_batches_of_a_small_file_are_delivered_whole(tmp_path: Path, given: dict[str, str], share: str) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("1,2\n")
    settings = read_settings({"COVERTYPE_CSV": str(rows), **given}, tmp_path / "absent")
    assert settings["COVERTYPE_SAMPLE_SHARE"] == share


def test_a_large_file_is_sampled_as_the_source_does(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    with rows.open("wb") as file:
        file.truncate(10_000_000)
    assert "COVERTYPE_SAMPLE_SHARE" not in read_settings({"COVERTYPE_CSV": str(rows)}, tmp_path / "absent")
