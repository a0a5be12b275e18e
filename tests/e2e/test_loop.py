"""Collect, train, promote, serve, predict: by Airflow, over HTTP and in the browser. In this order, on one stack."""

import re
import subprocess
import sys
from typing import Any

import pytest
import requests
from playwright.sync_api import Page

from local_stack.configuration import PORTS
from pipeline.registry import Registry
from tests.browser.ui_pages import open_ui, predict
from tests.course_client import COURSE_RECORD
from tests.e2e.running_stack import Stack

pytestmark = pytest.mark.e2e


def finished_run(stack: Stack, dag_id: str, last_task: str) -> dict[str, Any] | None:
    """A run whose tasks all did their work, or the failure of the test if one failed."""
    failed = stack.airflow.dag_runs(dag_id, state="failed")
    assert not failed, f"{dag_id} failed:\n{stack.output.read_text()}"
    for run in stack.airflow.dag_runs(dag_id, state="success"):
        states = {task["task_id"]: task["state"] for task in stack.airflow.task_instances(run)}
        if states[last_task] == "success":
            return run
    return None


def mlops(stack: Stack, *arguments: str) -> str:
    command = [sys.executable, "-m", "pipeline", *arguments]
    done = subprocess.run(command, env=stack.environment, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_airflow_collects_trains_and_promotes_by_itself(stack: Stack) -> None:
    stack.wait("collection", lambda: finished_run(stack, "collect_covertype", "store"))
    run = stack.wait("training", lambda: finished_run(stack, "train_covertype", "verify_serving"))
    assert run["run_type"] == "asset_triggered"
    assert stack.airflow.import_errors() == []


def test_every_delivered_row_is_accounted_for(stack: Stack) -> None:
    mlops(stack, "audit", "covertype")


def test_the_version_airflow_promoted_answers_over_http(stack: Stack) -> None:
    reply = requests.post(f"{stack.api}/predict", json=COURSE_RECORD, timeout=10)
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    champion = Registry(stack.configuration.url("mlflow")).champion("covertype")
    assert champion is not None
    assert champion.stage == "Production"
    # A training may promote the next version between the two questions.
    assert answer["model_version"] in (champion.version, champion.version - 1)
    assert answer["model_name"] == "covertype"
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_the_calls_of_the_course_work(stack: Stack) -> None:
    models = requests.get(f"{stack.api}/listar_modelos", timeout=10).json()["modelos_disponibles"]
    assert "covertype" in models
    reply = requests.post(f"{stack.api}/predict", json={**COURSE_RECORD, "model": "covertype"}, timeout=10)
    prediction = reply.json()["prediction"]
    assert isinstance(prediction, int)
    assert 1 <= prediction <= 7


def test_bad_input_is_refused_with_the_name_of_the_field(stack: Stack) -> None:
    reply = requests.post(f"{stack.api}/predict", json={**COURSE_RECORD, "Slope": 900}, timeout=10)
    assert reply.status_code == 422
    assert "Slope" in str(reply.json()["detail"])


@pytest.mark.browser
def test_the_form_in_the_browser_predicts(stack: Stack, page: Page) -> None:
    open_ui(page, stack.configuration.url("ui"))
    answer = predict(page, COURSE_RECORD)
    assert "Forest cover type, version" in answer
    label = requests.post(f"{stack.api}/predict", json=COURSE_RECORD, timeout=10).json()["label"]
    assert label in answer


def test_the_guide_tells_what_happened(stack: Stack) -> None:
    stack.wait("first prediction told", lambda: "covertype: first prediction" in stack.output.read_text())
    told = stack.output.read_text()
    for service in ("airflow", "mlflow", "inference-api", "ui", "external-data-api"):
        assert stack.configuration.url(service) in told
    assert "admin / dev-only-admin" in told
    stages = ["first batch stored", "training", "version 1 promoted", "first prediction"]
    places = [told.index(f"covertype: {stage}") for stage in stages]
    assert places == sorted(places)


def test_ctrl_c_stops_every_process(stack: Stack) -> None:
    before = stack.processes()
    assert len(before) > len(PORTS)
    assert stack.stop() == 0
    assert [process for process in before | stack.processes() if process.is_running()] == []
    assert re.search(r"^stopped$", stack.output.read_text(), re.MULTILINE)
    assert not list(stack.configuration.folder.glob("**/*.tmp"))
