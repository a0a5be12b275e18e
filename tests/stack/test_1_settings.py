"""Wrong settings: each ends with its name and what to do, where a person looks."""

import socket
from pathlib import Path

import pytest
import yaml

from tests.stack.compose_stack import ROOT, ComposeError, ComposeStack

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SECRET = "a-secret-of-our-own"
FERNET_KEY = "Zm9ydHktdHdvLWlzLXRoZS1hbnN3ZXItdG8tYWxsLS0="
SECRETS = (
    "MYSQL_ROOT_PASSWORD",
    "WAREHOUSE_PASSWORD",
    "MLFLOW_DB_PASSWORD",
    "POSTGRES_PASSWORD",
    "MINIO_ROOT_PASSWORD",
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_SECRET_KEY",
    "API_KEY",
    "JUPYTER_TOKEN",
    "GRAFANA_ADMIN_PASSWORD",
)


def test_committed_settings_are_complete(project: ComposeStack) -> None:
    project.compose("config", "--quiet")
    project.compose("-f", "docker-compose.yml", "-f", "docker-compose.dev.yml", "config", "--quiet")


@pytest.mark.parametrize("name", [*SECRETS, "ENVIRONMENT", "MINIO_ROOT_USER"])
def test_missing_variable_is_named(project: ComposeStack, name: str) -> None:
    with pytest.raises(ComposeError, match=f"required variable {name} is missing a value: set it"):
        project.compose("config", "--quiet", settings={name: ""})


def test_production_refuses_every_development_secret(project: ComposeStack) -> None:
    with pytest.raises(ComposeError, match='"preflight" didn\'t complete successfully'):
        project.compose("up", "--detach", "postgres", settings={"ENVIRONMENT": "production"})
    logs = project.compose("logs", "preflight")
    for name in SECRETS:
        assert f"{name} still has its development default" in logs
    assert project.containers()["postgres"]["State"]["Status"] == "created"


def test_production_starts_with_secrets_of_its_own(project: ComposeStack) -> None:
    own = {name: f"{SECRET}-{number}" for number, name in enumerate(SECRETS)}
    own["AIRFLOW_FERNET_KEY"] = FERNET_KEY
    output = project.compose("run", "--rm", "-T", "preflight", settings=own | {"ENVIRONMENT": "production"})
    assert "settings are fit for production" in output


def test_password_that_would_break_a_url_is_refused(project: ComposeStack) -> None:
    with pytest.raises(ComposeError, match="WAREHOUSE_PASSWORD becomes part of a URL"):
        project.compose("run", "--rm", "-T", "preflight", settings={"WAREHOUSE_PASSWORD": "p@ss/word"})


def test_full_disk_is_refused(project: ComposeStack) -> None:
    with pytest.raises(ComposeError, match="MB are free on Docker's disk"):
        project.compose("run", "--rm", "-T", "preflight", settings={"MIN_FREE_DISK_MB": "1000000000"})


def test_taken_port_is_named(project: ComposeStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ComposeError, match=rf"127\.0\.0\.1:{port}.*(already in use|already allocated)"):
            project.compose("up", "--detach", "minio", settings={"MINIO_CONSOLE_PORT": str(port)})


def test_another_password_on_an_old_volume_is_explained(project: ComposeStack) -> None:
    project.compose("up", "--wait", "postgres")
    project.compose("rm", "--stop", "--force", "postgres")
    project.compose("up", "--detach", "postgres", settings={"POSTGRES_PASSWORD": "another-one"})
    # The log tells at once; "unhealthy" comes after the time that a first start may take. Not with --wait-timeout: when
    # that time ends between two looks, Compose 2.40 takes the service for healthy (one run of twenty).
    explanation = "the volume postgres_data was made with another POSTGRES_PASSWORD"
    project.wait("explanation", lambda: explanation in project.compose("logs", "postgres"))
    assert not project.is_healthy("postgres")


def test_the_check_before_up_refuses_what_up_would_and_leaves_what_runs(project: ComposeStack) -> None:
    project.compose("up", "--wait", "postgres")
    before = project.containers()["postgres"]["Id"]
    for settings, problem in (
        ({"ENVIRONMENT": "production"}, "API_KEY still has its development default"),
        ({"POSTGRES_PASSWORD": "another-one"}, "the volume postgres_data was made with another POSTGRES_PASSWORD"),
    ):
        done = project.run("sh", "docker/check.sh", timeout=1200, settings=settings)
        assert done.returncode != 0
        assert problem in done.stderr
    assert "will not be refused" in project.run("sh", "docker/check.sh").stdout
    assert project.containers()["postgres"]["Id"] == before
    assert project.is_healthy("postgres")


def test_secrets_from_files_replace_those_of_the_environment(project: ComposeStack, tmp_path: Path) -> None:
    files = ("-f", "docker-compose.yml", "-f", "docker-compose.secrets.yml")
    for number, name in enumerate(SECRETS):
        (tmp_path / name.lower()).write_text(
            FERNET_KEY if "FERNET" in name else f"{SECRET}-{number}\n", encoding="utf-8"
        )
    project.settings |= {"SECRETS_DIR": str(tmp_path), "ENVIRONMENT": "production"}
    services = yaml.safe_load(project.compose(*files, "config"))["services"]
    told = [name for name, service in services.items() if "dev-only-" in str(service["environment"])]
    assert told == []
    assert "fit for production" in project.compose(*files, "run", "--rm", "-T", "preflight")
    # Started and asked with the passwords of the files.
    project.compose(*files, "up", "--wait", "postgres")
    project.compose(*files, "build", "airflow-init", timeout=1200)
    project.compose(*files, "run", "--rm", "-T", "airflow-init")
    (tmp_path / "api_key").write_text("dev-only-again", encoding="utf-8")
    with pytest.raises(ComposeError, match="API_KEY still has its development default"):
        project.compose(*files, "run", "--rm", "-T", "preflight")


def test_half_made_tables_of_mlflow_are_made_again(project: ComposeStack) -> None:
    project.compose("build", "mlflow-init", timeout=1200)
    project.compose("up", "--wait", "mysql", "minio")
    # As the kill of a first migration leaves them: MySQL cannot roll back.
    project.sql("CREATE TABLE secrets (secret_id INT PRIMARY KEY); CREATE TABLE runs (run_uuid INT)", "mlflow")
    assert "tables created" in project.compose("run", "--rm", "-T", "mlflow-init")
    assert "tables are up to date" in project.compose("run", "--rm", "-T", "mlflow-init")


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_container_is_locked_down(project: ComposeStack, name: str) -> None:
    service = yaml.safe_load(project.compose("--profile", "*", "config"))["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert int(service["mem_limit"]) > 0
    assert service["logging"]["options"]["max-size"]
    assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", []))
    # A service that starts as root and goes on as another user could not be told to stop, and would be killed.
    assert "SETUID" not in service.get("cap_add", []) or "KILL" in service["cap_add"]
    is_job = name in ("preflight", "mlflow-init", "airflow-init", "pipeline-init", "backup")
    assert service["restart"] == ("no" if is_job else "unless-stopped")
    assert is_job or "healthcheck" in service
