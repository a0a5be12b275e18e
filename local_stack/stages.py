"""Watching the loop from outside: what warehouse, Airflow and inference API say has happened since the last look."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from local_stack.airflow_client import AirflowClient, failure_reason
from pipeline.use_case import UseCase
from pipeline.warehouse import Warehouse


class Batches:
    """Deliveries as they reach the ledger."""

    def __init__(self, use_case: UseCase, warehouse: Warehouse) -> None:
        self.use_case, self.warehouse = use_case, warehouse
        self._seen = len(warehouse.ledger(use_case))

    def news(self) -> Iterator[str]:
        for entry in self.warehouse.ledger(self.use_case)[self._seen :]:
            what = f"batch {entry.batch_number} stored" if self._seen else "first batch stored"
            self._seen += 1
            yield (
                f"{what}: {entry.delivered} rows = {entry.accepted} new"
                f" + {entry.duplicate} known + {entry.quarantined} quarantined"
            )


class Trainings:
    """Decisions to train, as they are recorded."""

    def __init__(self, use_case: UseCase, warehouse: Warehouse) -> None:
        self.use_case, self.warehouse = use_case, warehouse
        self._since = datetime.now(UTC)

    def news(self) -> Iterator[str]:
        for decision in reversed(self.warehouse.decisions(self.use_case.name)):
            if decision.at > self._since:
                self._since = decision.at
                if decision.train:
                    yield f"training: {'; '.join(decision.reasons)}"


class Promotions:
    """Promotions, rejections and roll backs as they are recorded."""

    def __init__(self, use_case: UseCase, warehouse: Warehouse) -> None:
        self.use_case, self.warehouse = use_case, warehouse
        self._since = datetime.now(UTC)

    def news(self) -> Iterator[str]:
        for record in reversed(self.warehouse.promotion_history(self.use_case.name)):
            if record.at is not None and record.at > self._since:
                self._since = record.at
                what = f"version {record.to_version} " + ("promoted" if record.action == "promote" else record.action)
                yield f"{what}: {_scores(record.decision) or record.reason}"


def _scores(decision: dict[str, Any] | None) -> str:
    """The numbers of an accepted decision in short; a rejected one needs its reasons."""
    if not decision or not decision["accepted"]:
        return ""
    ours, theirs = decision["challenger_score"], decision["opponent_score"]
    return (
        f"{decision['metric']} {ours:.4g} against {theirs:.4g} of the {decision['opponent']}"
        f" on {decision['rows']} held-out rows"
    )


class Failures:
    """Tasks that failed, or that Airflow will try again, each with its reason."""

    def __init__(self, airflow: AirflowClient, logs: Path) -> None:
        self.airflow, self.logs = airflow, logs
        self._seen: set[tuple[str, int]] = set()

    def news(self) -> Iterator[tuple[str, str, bool]]:
        """DAG id, what happened, and whether that was the last try."""
        for task in self.airflow.troubled_tasks():
            key = (task["id"], task["try_number"])
            if key in self._seen:
                continue
            self._seen.add(key)
            final = task["state"] == "failed"
            what = "failed" if final else f"failed at try {task['try_number']} and is tried again"
            yield task["dag_id"], f"task {task['task_id']} {what}: {failure_reason(self.logs, task)}", final


class Predictions:
    """A real prediction over HTTP by each version that comes to be served."""

    def __init__(self, use_case: UseCase, api: str, *, is_default: bool) -> None:
        self.use_case, self.api, self.is_default = use_case, api, is_default
        self._answered: int | None = None

    def news(self) -> Iterator[str]:
        name = self.use_case.name
        model = requests.get(f"{self.api}/models/{name}", timeout=5)
        version = model.json().get("champion_version") if model.ok else None
        if version is None or version == self._answered:
            return
        record: dict[str, Any] = model.json()["input_example"]
        path = "/predict" if self.is_default else f"/models/{name}/predict"
        reply = requests.post(f"{self.api}{path}", json=record, timeout=10)
        if not reply.ok:
            yield f"POST {path} answered {reply.status_code}: {reply.text[:300]}"
            return
        answer = reply.json()
        first = "first prediction" if self._answered is None else "prediction"
        self._answered = answer["model_version"]
        yield (
            f"{first}, by version {answer['model_version']}\n"
            f"    POST {self.api}{path}\n    {json.dumps(record, ensure_ascii=False)}\n"
            f"    → {json.dumps(answer, ensure_ascii=False)}"
        )

    @property
    def answered(self) -> bool:
        return self._answered is not None
