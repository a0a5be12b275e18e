"""What happened to a model, and one version in full, with MLflow up or down."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from inference_api.collaborators import Records
from pipeline.errors import RegistryError
from pipeline.use_case import UseCase
from pipeline.version_documents import VersionDocuments
from pipeline.warehouse import PromotionRecord, Warehouse
from tests.unit.inference_api.conftest import MakeService, MemoryRegistry, Service
from tests.unit.inference_api.recorded import make_warehouse

DECISION = {"accepted": True, "checks": [], "reasons": ["better"]}
EVALUATION = {"metric": "accuracy", "intervals": {"accuracy": [0.8, 0.9]}, "classes": []}


@dataclass
class Documents:
    """What runs wrote; counts how often it is asked for, and can be down."""

    known: dict[str, VersionDocuments] = field(default_factory=dict)
    asked: int = 0
    down: bool = False
    release: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.release.set()

    def __call__(self, run_id: str) -> VersionDocuments:
        self.asked += 1
        self.release.wait(30)
        if self.down:
            raise RegistryError("MLflow at http://user:secret@mlflow:5000 does not answer")
        return self.known.get(run_id, VersionDocuments())


@pytest.fixture
def warehouse(covertype: UseCase, tmp_path: Path) -> Iterator[Warehouse]:
    warehouse, _ = make_warehouse(tmp_path, [covertype])
    yield warehouse
    warehouse.close()


@pytest.fixture
def documents() -> Documents:
    return Documents()


@pytest.fixture
def shown(make_service: MakeService, warehouse: Warehouse, documents: Documents, covertype: UseCase) -> Service:
    records = Records(warehouse=lambda: warehouse, use_cases=lambda: {"covertype": covertype}, documents=documents)
    return make_service(records=records)


def record(warehouse: Warehouse, action: Any, version: int, **values: Any) -> None:
    warehouse.record_promotion(
        PromotionRecord(use_case="covertype", action=action, to_version=version, actor="ada", reason="why", **values)
    )


def test_history_tells_newest_first_who_did_what_and_why(shown: Service, warehouse: Warehouse) -> None:
    record(warehouse, "promote", 1)
    record(warehouse, "rollback", 2, from_version=1, decision=DECISION)
    warehouse.record_decision("covertype", False, ["too few rows"], {"rows": 12, "share": None})
    warehouse.record_decision("covertype", True, ["forced"], {"rows": 13})

    history = shown.client.get("/models/covertype/history").json()

    assert [item["action"] for item in history["promotions"]] == ["rollback", "promote"]
    newest = history["promotions"][0]
    assert set(newest) == {"at", "action", "from_version", "to_version", "actor", "reason", "decision"}
    assert (newest["from_version"], newest["to_version"], newest["actor"], newest["decision"]) == (
        1,
        2,
        "ada",
        DECISION,
    )
    assert [item["reasons"] for item in history["training_decisions"]] == [["forced"], ["too few rows"]]
    assert history["training_decisions"][1]["numbers"] == {"rows": 12, "share": None}
    assert history["training_decisions"][1]["at"].endswith("Z")


def test_history_is_at_most_fifty_of_each(shown: Service, warehouse: Warehouse) -> None:
    for number in range(60):
        warehouse.record_decision("covertype", False, [str(number)], {})
    decisions = shown.client.get("/models/covertype/history").json()["training_decisions"]
    assert [item["reasons"][0] for item in decisions] == [str(number) for number in range(59, 9, -1)]


def test_history_of_an_unknown_model_names_those_there_are(shown: Service) -> None:
    reply = shown.client.get("/models/nothing/history")
    assert reply.status_code == 404
    assert "covertype" in reply.json()["detail"]


def test_use_case_without_a_model_has_a_history(
    make_service: MakeService, warehouse: Warehouse, documents: Documents, covertype: UseCase
) -> None:
    records = Records(lambda: warehouse, lambda: {"covertype": covertype}, documents)
    service = make_service(records=records, registry=MemoryRegistry())
    assert service.client.get("/models/covertype/history").json() == {"promotions": [], "training_decisions": []}
    assert service.client.get("/models/covertype/versions/1").status_code == 404


def test_version_is_shown_with_all_that_its_training_wrote(shown: Service, documents: Documents) -> None:
    info = shown.registry.known["covertype"][0]
    shown.registry.known["covertype"][0] = info.model_copy(
        update={
            "tags": {**info.tags, "rows": "1200", "dataset_digest": "d1", "git_sha": "abc"},
            "metrics": {"accuracy": 0.85},
        }
    )
    shown.store.refresh()
    documents.known[info.run_id] = VersionDocuments(evaluation=EVALUATION, model_card="# Card", decision=DECISION)

    version = shown.client.get("/models/covertype/versions/1").json()

    assert version == {
        "name": "covertype",
        "version": 1,
        "aliases": ["champion"],
        "stage": "None",
        "created_at": "2026-01-01T00:00:00Z",
        "run_id": info.run_id,
        "dataset_digest": "d1",
        "git_sha": "abc",
        "rows": 1200,
        "metrics": {"accuracy": 0.85},
        "intervals": {"accuracy": [0.8, 0.9]},
        "evaluation": EVALUATION,
        "model_card": "# Card",
        "decision": DECISION,
        "problem": None,
    }


def test_version_is_shown_while_mlflow_is_down_with_what_the_warehouse_knows(
    shown: Service, documents: Documents, warehouse: Warehouse
) -> None:
    record(warehouse, "reject", 1, decision=DECISION)
    documents.down = True
    reply = shown.client.get("/models/covertype/versions/1")
    assert reply.status_code == 200
    assert reply.json()["decision"] == DECISION
    assert reply.json()["evaluation"] is None
    assert "does not answer" in reply.json()["problem"]
    assert "secret" not in reply.text


def test_version_of_which_mlflow_holds_nothing_says_so(shown: Service) -> None:
    version = shown.client.get("/models/covertype/versions/1").json()
    assert (version["evaluation"], version["intervals"], version["decision"]) == (None, {}, None)
    assert "neither evaluation nor model card" in version["problem"]


def test_documents_of_a_compared_version_are_asked_for_once(
    shown: Service, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_api.history_routes.VERSION_SECONDS", -1)
    run_id = shown.registry.known["covertype"][0].run_id
    ask: Callable[[], Any] = lambda: shown.client.get("/models/covertype/versions/1").json()  # noqa: E731
    documents.known[run_id] = VersionDocuments(evaluation=EVALUATION)
    ask()
    # Not compared yet: the decision comes later.
    documents.known[run_id] = VersionDocuments(evaluation=EVALUATION, decision=DECISION)
    assert ask()["decision"] == DECISION
    documents.down = True
    assert ask()["problem"] is None
    assert documents.asked == 2


def test_registry_that_hangs_is_not_waited_for(
    shown: Service, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_api.history_routes.DOCUMENT_SECONDS", 0.01)
    monkeypatch.setattr("inference_api.history_routes.VERSION_SECONDS", -1)
    run_id = shown.registry.known["covertype"][0].run_id
    documents.known[run_id] = VersionDocuments(evaluation=EVALUATION, decision=DECISION)
    documents.release.clear()
    assert "takes longer" in shown.client.get("/models/covertype/versions/1").json()["problem"]
    documents.release.set()
    monkeypatch.setattr("inference_api.history_routes.DOCUMENT_SECONDS", 30)
    assert shown.client.get("/models/covertype/versions/1").json()["problem"] is None
    # The second one got what the first one had begun.
    assert documents.asked == 1


def test_unknown_version_names_those_there_are(shown: Service) -> None:
    reply = shown.client.get("/models/covertype/versions/9")
    assert reply.status_code == 404
    assert "has no version 9; versions: 1" in reply.json()["detail"]
    assert shown.client.get("/models/covertype/versions/one").status_code == 422
