"""What goes down comes back, and nothing is lost. After the loop has run."""

import re
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.course_client import COURSE_RECORD
from tests.stack.compose_stack import JOBS, ComposeStack

# Those on the way of a batch from the source to the warehouse first.
SERVICES = (
    "external-data-api",
    "minio",
    "mysql",
    "postgres",
    "airflow-api-server",
    "airflow-dag-processor",
    "airflow-scheduler",
    "mlflow",
    "inference-api",
    "ui",
)


def newest_batch(stack: ComposeStack) -> int:
    return int(stack.sql("SELECT COALESCE(MAX(id), 0) FROM collection_ledger WHERE use_case = 'covertype'")[0][0])


def wait_for_next_batch(stack: ComposeStack) -> None:
    last = stack.wait("ledger", lambda: newest_batch(stack))
    stack.wait("next batch", lambda: newest_batch(stack) > last)


def prediction(stack: ComposeStack) -> dict[str, Any] | None:
    reply = requests.post(f"{stack.api}/predict", json=COURSE_RECORD, timeout=10)
    return reply.json() if reply.status_code == 200 else None


@pytest.mark.parametrize("service", SERVICES)
def test_a_crashed_service_comes_back(stack: ComposeStack, service: str) -> None:
    if service == "airflow-scheduler":
        # With tasks in it, which no one else knows the end of.
        stack.wait("running task", lambda: stack.airflow.dag_runs(state="running"))
    before = stack.containers()[service]["RestartCount"]
    # From inside: `docker kill` counts as the operator's wish, after which no restart policy applies.
    owner = ["--user", "postgres"] if service == "postgres" else []
    stack.run("docker", "compose", "exec", "-T", *owner, service, "sh", "-c", "kill -9 -1")
    stack.wait(f"restart of {service}", lambda: stack.containers()[service]["RestartCount"] > before)
    stack.wait(f"healthy {service}", lambda: stack.is_healthy(service))


def test_the_loop_goes_on_after_the_crashes(stack: ComposeStack) -> None:
    wait_for_next_batch(stack)
    assert stack.wait("prediction", lambda: prediction(stack))["model_name"] == "covertype"


def test_everything_killed_by_the_operator_is_back_after_up(stack: ComposeStack) -> None:
    stack.compose("kill")
    stack.compose("up", "--wait", "--wait-timeout", "300")
    assert stack.wait("prediction", lambda: prediction(stack))["model_name"] == "covertype"


def test_a_second_up_changes_nothing(stack: ComposeStack) -> None:
    before = {name: each["Id"] for name, each in stack.containers().items()}
    started = {name: each["State"]["StartedAt"] for name, each in stack.containers().items() if name not in JOBS}
    stack.compose("up", "--wait", "--wait-timeout", "120")
    after = stack.containers()
    assert {name: each["Id"] for name, each in after.items()} == before
    assert {name: each["State"]["StartedAt"] for name, each in after.items() if name not in JOBS} == started


def test_down_and_up_keeps_everything(stack: ComposeStack) -> None:
    version = stack.wait("prediction", lambda: prediction(stack))["model_version"]
    stack.compose("down")
    assert stack.containers() == {}
    stack.compose("up", "--wait", "--wait-timeout", "300")
    assert stack.wait("prediction", lambda: prediction(stack))["model_version"] >= version
    done = stack.inside("airflow-scheduler", "mlops", "audit", "covertype")
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for_next_batch(stack)


def test_old_runs_of_airflow_are_deleted_with_the_commands_of_the_docs(stack: ComposeStack) -> None:
    operations = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    commands = re.search(r"airflow-scheduler sh -c \\\n +'(airflow db clean .*?)'\n", operations, re.DOTALL)
    assert commands is not None
    runs = "/var/log/airflow/dag_id=collect_covertype"
    stack.inside("airflow-scheduler", "sh", "-c", f"mkdir -p {runs}/old/task && touch -d '40 days ago' {runs}/old")
    done = stack.inside("airflow-scheduler", "sh", "-ec", commands[1])
    assert done.returncode == 0, done.stdout + done.stderr
    left = stack.inside("airflow-scheduler", "ls", runs).stdout.split()
    assert left
    assert "old" not in left
    wait_for_next_batch(stack)


def test_a_backup_brings_everything_back_to_an_empty_machine(stack: ComposeStack, tmp_path: Path) -> None:
    version = stack.wait("prediction", lambda: prediction(stack))["model_version"]
    entries = newest_batch(stack)

    def backup(arguments: str) -> str:
        done = stack.run("sh", "-c", f"docker compose run --rm -T backup {arguments} {tmp_path}/mlops.tar.gz")
        return f"{done.returncode} {done.stderr}"

    assert "the stack runs" in backup("save >")
    stack.compose("stop")
    assert stack.containers()["postgres"]["State"]["ExitCode"] == 0
    assert backup("save >").startswith("0 ")
    assert "there is data in" in backup("load <")
    stack.compose("down", "--volumes")
    assert backup("load <").startswith("0 ")
    stack.compose("up", "--wait", "--wait-timeout", "300")
    assert stack.wait("prediction", lambda: prediction(stack))["model_version"] >= version
    done = stack.inside("airflow-scheduler", "mlops", "audit", "covertype", "--no-refit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert newest_batch(stack) >= entries
    assert stack.airflow.dag_runs("train_covertype", state="success")


def test_down_with_volumes_leaves_nothing(stack: ComposeStack) -> None:
    stack.compose("down", "--volumes")
    for kind in ("container", "volume", "network"):
        label = f"label=com.docker.compose.project={stack.project}"
        left = stack.run(
            "docker", kind, "ls", "--quiet", *(["--all"] if kind == "container" else []), "--filter", label
        )
        assert left.stdout.split() == []
