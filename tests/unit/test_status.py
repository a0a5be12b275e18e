from datetime import UTC, datetime
from typing import Any, cast

from pipeline.errors import RegistryError
from pipeline.registry import Registry
from pipeline.status import _drift, read_status, render_status, render_table
from pipeline.use_case import UseCase
from pipeline.warehouse import JudgedPrediction, LedgerEntry, PromotionRecord, TrainingDecisionRecord, Warehouse

MOMENT = datetime(2026, 11, 20, 12, 30, 45, 123456, tzinfo=UTC)


class StoredLoop:
    """A warehouse with one delivery, one decision and one promotion."""

    def ledger(self, use_case: UseCase) -> list[LedgerEntry]:
        entry = LedgerEntry(
            id=1,
            use_case=use_case.name,
            group_number=1,
            epoch=1,
            batch_number=3,
            payload_sha256="0" * 64,
            lake_uri="file:///lake/raw",
            delivered=100,
            accepted=90,
            duplicate=7,
            quarantined=3,
            received_at=MOMENT,
            stored_at=MOMENT,
        )
        return [entry]

    def row_count(self, _: UseCase) -> int:
        return 90

    def decisions(self, name: str, _: int) -> list[TrainingDecisionRecord]:
        numbers = {"rows": 90, "new_rows_share": 0.345, "drifted_share": 0.5, "last_training_age_days": 1.25}
        reasons = ["drift in the 90 rows since version 1 was trained"]
        return [TrainingDecisionRecord(use_case=name, train=True, reasons=reasons, numbers=numbers, at=MOMENT)]

    def promotion_history(self, name: str, _: int) -> list[PromotionRecord]:
        record = {
            "use_case": name,
            "action": "promote",
            "to_version": 1,
            "actor": "ada",
            "reason": "better",
            "at": MOMENT,
            "decision": {
                "checks": [
                    {"name": "parity", "passed": True, "value": 0.0, "limit": 0.001, "detail": "0.000% disagree"},
                    {"name": "class_regression", "passed": False, "value": 0.2, "limit": 0.05, "detail": "class 4: …"},
                ]
            },
        }
        return [PromotionRecord.model_validate(record)]

    def judged_predictions(self, _: str, __: int) -> list[JudgedPrediction]:
        return [JudgedPrediction(2, 1, "1"), JudgedPrediction(2, 1, "3"), JudgedPrediction(1, 2, "2")]


class DeadRegistry:
    def versions(self, _: str) -> Any:
        raise RegistryError("MLflow at http://mlflow:5000 does not answer")


def test_status_is_shown_although_the_registry_is_down(covertype: UseCase) -> None:
    status = read_status(covertype, cast(Warehouse, StoredLoop()), cast(Registry, DeadRegistry()))
    text = render_status(status, "accuracy")
    assert "covertype: 90 rows; deliveries: 1; quarantined rows: 3; champion: none yet" in text
    words = " ".join(text.split())
    assert "2026-11-20 12:30:45 train 90 34% 1.25 50% drift in the 90 rows since" in words
    assert "Checks of version 1\n" in text
    assert "passed parity 0 0.001 0.000% disagree" in words
    assert "FAILED class_regression 0.2 0.05 class 4: …" in words
    assert "ada" in text
    assert text.endswith("versions are not shown: MLflow at http://mlflow:5000 does not answer")


def test_drift_is_shown_column_by_column() -> None:
    drifted = {"missing_share": 1.0, "reference_missing_share": 0.05, "psi": 2.5, "drifted": True}
    calm = {"missing_share": 0.0, "reference_missing_share": 0.0, "psi": 0.01, "drifted": False}
    features = [{"name": "Slope"} | calm, {"name": "Aspect"} | drifted]
    report = {"rows": 500, "limit": 0.25, "enough_rows": True, "features": features, "drifted": ["Aspect"]}
    lines = _drift({"version": 2, "report": report, "problem": None}).splitlines()
    assert lines[0] == (
        "500 rows collected since champion version 2 was trained: 1 of 2 columns drifted (index 0.25 or more)"
    )
    assert [line.split() for line in lines[3:]] == [
        ["Aspect", "2.500", "yes", "5%", "100%"],
        ["Slope", "0.010", "no", "0%", "0%"],
    ]
    assert _drift({"version": 2, "report": None, "problem": "drift is unknown: no tag"}) == "drift is unknown: no tag"
    assert _drift({"version": 2, "report": report | {"enough_rows": False}, "problem": None}).count("too few rows") == 1


def test_live_accuracy_is_shown_version_by_version_beside_the_held_out_one(covertype: UseCase) -> None:
    status = read_status(covertype, cast(Warehouse, StoredLoop()), cast(Registry, DeadRegistry()))
    assert [(item["version"], item["rows"], item["value"]) for item in status["live"]["versions"]] == [
        (2, 2, 0.5),
        (1, 1, 1.0),
    ]
    text = " ".join(render_status(status, "accuracy").split())
    assert "version outcomes accuracy 95 % interval" in text
    assert "2 2 0.5 0.09453 to 0.9055 1 1 1 0.2065 to 1" in text
    assert "held-out" not in text
    status["live"]["held_out"] = 0.88
    assert "champion on the held-out rows: 0.88" in render_status(status, "accuracy")
    assert "no feedback yet" in render_status(status | {"live": None}, "accuracy")


def test_numbers_line_up_to_the_right_and_long_texts_are_cut() -> None:
    lines = render_table(["name", "rows"], [["a", 5], ["b" * 200, 12345], ["c", None]]).splitlines()
    assert lines[0].endswith("  rows")
    assert lines[2].endswith("      5")
    assert lines[3].endswith("…  12345")
    assert len(lines[3]) == 107


def test_an_empty_table_says_so() -> None:
    assert render_table(["name"], []) == "none yet"
