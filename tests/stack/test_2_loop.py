"""The stack does its work by itself: over HTTP, SQL, S3 and in the browser. In this order."""

import json
import socket

import pytest
import requests
from playwright.sync_api import Page

from pipeline.registry import Registry
from tests.browser.ui_pages import open_ui, predict
from tests.course_client import COURSE_RECORD
from tests.stack.compose_stack import JOBS, ComposeStack

USE_CASES = ("covertype", "house_prices", "penguins")


def test_every_service_is_healthy_and_every_job_is_done(stack: ComposeStack) -> None:
    for service, container in stack.containers().items():
        if service in JOBS:
            assert container["State"]["ExitCode"] == 0
        else:
            assert container["State"]["Health"]["Status"] == "healthy", service


def test_no_service_runs_as_root(stack: ComposeStack) -> None:
    for service in stack.containers():
        if service in JOBS:
            continue
        processes = stack.run("docker", "compose", "top", service).stdout.splitlines()
        # PostgreSQL is handed its volume as root, and its init process stays so.
        owners = {line.split()[1] for line in processes[2:] if line.strip() and "docker-init" not in line}
        assert owners, processes
        assert "root" not in owners, f"{service}: {processes}"


def test_dags_are_loaded_and_switched_on(stack: ComposeStack) -> None:
    assert stack.airflow.import_errors() == []
    dags = {dag["dag_id"]: dag for dag in stack.airflow.call("GET", "/dags")["dags"]}
    assert set(dags) == {f"{step}_{name}" for step in ("collect", "train") for name in USE_CASES} | {
        "prune_predictions"
    }
    assert not [name for name, dag in dags.items() if dag["is_paused"]]


def test_connection_to_mysql_is_defined(stack: ComposeStack) -> None:
    done = stack.inside("airflow-scheduler", "airflow", "connections", "get", "mysql_default", "--output", "json")
    assert json.loads(done.stdout)[0]["host"] == "mysql", done.stderr


def test_batches_arrive_in_mysql(stack: ComposeStack) -> None:
    query = "SELECT DISTINCT use_case FROM collection_ledger WHERE accepted > 0 ORDER BY use_case"
    stack.wait("batch of every use case", lambda: [row[0] for row in stack.sql(query)] == list(USE_CASES))


def test_ledger_reconciles_with_rows_and_lake(stack: ComposeStack) -> None:
    done = stack.inside("airflow-scheduler", "mlops", "audit", "covertype")
    assert done.returncode == 0, done.stdout + done.stderr
    [[delivered, accounted]] = stack.sql(
        "SELECT SUM(delivered), SUM(accepted + duplicate + quarantined) FROM collection_ledger"
    )
    assert delivered == accounted
    assert any(key.startswith("raw/covertype/") for key in stack.keys("lake"))


def test_airflow_trains_and_promotes_a_champion(stack: ComposeStack) -> None:
    registry = Registry(stack.url("MLFLOW_PORT"))
    champion = stack.wait("champion of covertype", lambda: registry.champion("covertype"))
    assert champion.stage == "Production"
    assert champion.metrics["holdout_accuracy" if "holdout_accuracy" in champion.metrics else "accuracy"] > 0.5
    runs = stack.airflow.dag_runs("train_covertype")
    assert runs[0]["run_type"] == "asset_triggered"
    assert any(key.endswith("model.onnx") for key in stack.keys("mlflow"))
    assert stack.sql("SELECT COUNT(*) FROM promotions WHERE action = 'promote'") != [["0"]]


def test_task_logs_can_be_read_in_airflow(stack: ComposeStack) -> None:
    airflow = stack.airflow
    run = airflow.dag_runs("collect_covertype", state="success")[0]
    reply = airflow.call("GET", f"/dags/collect_covertype/dagRuns/{run['dag_run_id']}/taskInstances/poll/logs/1")
    text = json.dumps(reply["content"])
    assert "poll" in text
    assert "Could not read" not in text


def test_the_champion_answers(stack: ComposeStack) -> None:
    def answer() -> requests.Response | None:
        reply = requests.post(f"{stack.api}/predict", json={**COURSE_RECORD, "model": "covertype"}, timeout=10)
        return reply if reply.status_code == 200 else None

    body = stack.wait("prediction", answer).json()
    champion = Registry(stack.url("MLFLOW_PORT")).champion("covertype")
    assert champion is not None
    # A training may promote the next version between the two questions.
    assert body["model_version"] in (champion.version, champion.version - 1)
    assert body["prediction"] in range(1, 8)
    assert "covertype" in requests.get(f"{stack.api}/listar_modelos", timeout=10).json()["modelos_disponibles"]
    assert requests.get(f"{stack.api}/readyz", timeout=10).status_code == 200


def test_predictions_are_stored(stack: ComposeStack) -> None:
    stack.wait("stored prediction", lambda: int(stack.sql("SELECT COUNT(*) FROM predictions")[0][0]))


def test_old_predictions_are_deleted_and_the_others_stay(stack: ComposeStack) -> None:
    stack.sql("UPDATE predictions SET at = at - INTERVAL 200 DAY ORDER BY id LIMIT 1")
    ids = [row[0] for row in stack.sql("SELECT id FROM predictions ORDER BY id")]
    run = stack.airflow.trigger("prune_predictions")

    def ended() -> bool:
        return stack.airflow.dag_runs("prune_predictions", run_id_pattern=run["dag_run_id"])[0]["state"] == "success"

    stack.wait("run of prune_predictions", ended)
    kept = {row[0] for row in stack.sql("SELECT id FROM predictions")}
    assert ids[0] not in kept
    assert kept.issuperset(ids[1:])


@pytest.mark.browser
def test_a_person_predicts_with_the_form(stack: ComposeStack, page: Page) -> None:
    open_ui(page, stack.url("UI_PORT"))
    answer = predict(page, COURSE_RECORD)
    assert "Forest cover type, version" in answer


def test_each_database_user_sees_its_own_only(stack: ComposeStack) -> None:
    for user in ("warehouse", "mlflow"):
        shown = {row[0] for row in stack.sql("SHOW DATABASES", user)}
        assert shown - {"information_schema", "performance_schema"} == {user}


def test_the_ui_cannot_reach_the_databases(stack: ComposeStack) -> None:
    for host, port in (("mysql", 3306), ("postgres", 5432), ("minio", 9000)):
        attempt = f"import socket; socket.create_connection(('{host}', {port}), 3)"
        assert stack.inside("ui", "python", "-c", attempt).returncode != 0
        assert stack.inside("inference-api", "python", "-c", attempt).returncode == 0


def test_ports_are_published_to_this_machine_only(stack: ComposeStack) -> None:
    for container in stack.containers().values():
        for bindings in container["HostConfig"]["PortBindings"].values():
            assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}
    with socket.create_connection(("127.0.0.1", int(stack.settings["UI_PORT"])), timeout=5):
        pass


def test_mlflow_refuses_unknown_hosts(stack: ComposeStack) -> None:
    address = f"{stack.url('MLFLOW_PORT')}/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert requests.get(address, timeout=10).status_code == 200
    assert requests.get(address, headers={"Host": "evil.example"}, timeout=10).status_code == 403
