from datetime import UTC, datetime
from typing import Any, cast

from pipeline.errors import RegistryError
from pipeline.registry import Registry
from pipeline.status import read_status, render_status, render_table
from pipeline.use_case import UseCase
from pipeline.warehouse import LedgerEntry, PromotionRecord, TrainingDecisionRecord, Warehouse

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
        reasons = ["there is no champion yet"]
        return [TrainingDecisionRecord(use_case=name, train=True, reasons=reasons, numbers={"rows": 90}, at=MOMENT)]

    def promotion_history(self, name: str, _: int) -> list[PromotionRecord]:
        record = {
            "use_case": name,
            "action": "promote",
            "to_version": 1,
            "actor": "ada",
            "reason": "better",
            "at": MOMENT,
        }
        return [PromotionRecord.model_validate(record)]


class DeadRegistry:
    def versions(self, _: str) -> Any:
        raise RegistryError("MLflow at http://mlflow:5000 does not answer")


def test_status_is_shown_although_the_registry_is_down(covertype: UseCase) -> None:
    status = read_status(covertype, cast(Warehouse, StoredLoop()), cast(Registry, DeadRegistry()))
    text = render_status(status, "accuracy")
    assert "covertype: 90 rows; deliveries: 1; quarantined rows: 3; champion: none yet" in text
    assert "2026-11-20 12:30:45  train     there is no champion yet" in text
    assert "ada" in text
    assert text.endswith("versions are not shown: MLflow at http://mlflow:5000 does not answer")


def test_numbers_line_up_to_the_right_and_long_texts_are_cut() -> None:
    lines = render_table(["name", "rows"], [["a", 5], ["b" * 200, 12345], ["c", None]]).splitlines()
    assert lines[0].endswith("  rows")
    assert lines[2].endswith("      5")
    assert lines[3].endswith("…  12345")
    assert len(lines[3]) == 107


def test_an_empty_table_says_so() -> None:
    assert render_table(["name"], []) == "none yet"
