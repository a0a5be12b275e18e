"""The few calls of Airflow's REST API that tell how the DAGs are doing."""

import json
from pathlib import Path
from typing import Any

import requests


class AirflowClient:
    """Signs in once and asks.

    Parameters
    ----------
    url : of the API server.
    user, password : of the Simple auth manager.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._credentials = {"username": user, "password": password}
        self._session = requests.Session()

    def call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """One call below ``/api/v2``; signs in first, and again once the token has run out."""
        if "Authorization" not in self._session.headers:
            self._sign_in()
        address = f"{self.url}/api/v2{path}"
        reply = self._session.request(method, address, timeout=10, **arguments)
        if reply.status_code == 401:
            self._sign_in()
            reply = self._session.request(method, address, timeout=10, **arguments)
        reply.raise_for_status()
        return dict(reply.json())

    def _sign_in(self) -> None:
        reply = self._session.post(f"{self.url}/auth/token", json=self._credentials, timeout=10)
        reply.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"

    def dag_runs(self, dag_id: str = "~", **filters: Any) -> list[dict[str, Any]]:
        """Runs of one DAG, or of all, the newest last."""
        parameters = {"limit": 100, "order_by": "-run_after", **filters}
        return list(reversed(self.call("GET", f"/dags/{dag_id}/dagRuns", params=parameters)["dag_runs"]))

    def task_instances(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        """Tasks of one run."""
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances"
        return list(self.call("GET", path)["task_instances"])

    def troubled_tasks(self) -> list[dict[str, Any]]:
        """Tasks of any run that failed or wait for another try."""
        states = {"state": ["failed", "up_for_retry"], "limit": 100, "order_by": "-start_date"}
        return list(self.call("GET", "/dags/~/dagRuns/~/taskInstances", params=states)["task_instances"])

    def trigger(self, dag_id: str, **conf: Any) -> dict[str, Any]:
        """Start a run by hand."""
        return self.call("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})

    def import_errors(self) -> list[str]:
        """What is wrong with DAG files that could not be read."""
        return [error["stack_trace"] for error in self.call("GET", "/importErrors")["import_errors"]]


def failure_reason(logs: Path, task: dict[str, Any]) -> str:
    """Last error of a task's own log, in one line, with the path of the log."""
    folder = logs / f"dag_id={task['dag_id']}" / f"run_id={task['dag_run_id']}" / f"task_id={task['task_id']}"
    attempts = sorted(folder.glob("attempt=*.log"), key=lambda path: path.stat().st_mtime)
    if not attempts:
        return f"no log in {folder}"
    reason = "no error in the log"
    for line in attempts[-1].read_text(encoding="utf-8", errors="replace").splitlines():
        reason = _error_of(line) or reason
    return f"{reason} ({attempts[-1]})"


def _error_of(line: str) -> str | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    details = record.get("error_detail")
    if details:
        return f"{details[0]['exc_type']}: {details[0]['exc_value']}"
    return str(record["event"]) if record.get("level") in ("error", "critical") else None
