"""Deleting what was served long ago: on SQLite and MySQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.settings import PipelineSettings
from pipeline.use_case import UseCase
from pipeline.warehouse import Feedback, PrunedRecord, Warehouse, open_warehouse, tables
from pipeline.warehouse.retention import ROWS_PER_TRANSACTION

NOW = datetime.now(UTC)


@pytest.fixture
def migrated(warehouse: Warehouse, penguins: UseCase) -> Warehouse:
    warehouse.migrate([penguins])
    return warehouse


def logged(request_id: str, days_ago: float, use_case: str = "penguins") -> dict[str, Any]:
    row = {"request_id": request_id, "use_case": use_case, "model_version": 1, "features": {"year": 2007}}
    return row | {"prediction": "Adelie", "at": NOW - timedelta(days=days_ago)}


def judge(warehouse: Warehouse, request_id: str, days_ago: float, use_case: str = "penguins") -> None:
    warehouse.store_feedback(use_case, [Feedback(request_id=request_id, outcome="Adelie")])
    table = tables.feedback
    dated = table.update().where(table.c.request_id == request_id).values(at=NOW - timedelta(days=days_ago))
    warehouse.database.write(lambda connection: connection.execute(dated))


def kept(warehouse: Warehouse, use_case: str = "penguins") -> list[str]:
    return [row["request_id"] for row in warehouse.predictions(use_case, 10_000)]


def outcomes(warehouse: Warehouse) -> set[str]:
    query = tables.feedback.select()
    return {row.request_id for row in warehouse.database.read(lambda connection: connection.execute(query).all())}


def test_what_is_older_than_the_days_kept_is_deleted(migrated: Warehouse) -> None:
    migrated.log_predictions(
        [logged("old", 91), logged("edge", 89), logged("new", 0), logged("other", 200, "covertype")]
    )
    for request_id, days in (("old", 91), ("edge", 1)):
        judge(migrated, request_id, days)

    assert migrated.prune_served(90, 0) == [
        PrunedRecord(use_case="covertype", predictions=1, feedback=0),
        PrunedRecord(use_case="penguins", predictions=1, feedback=1),
    ]

    assert kept(migrated) == ["new", "edge"]
    assert kept(migrated, "covertype") == []
    assert outcomes(migrated) == {"edge"}
    assert len(migrated.judged_predictions("penguins", 10)) == 1
    assert migrated.prune_served(90, 0) == [PrunedRecord(use_case="penguins", predictions=0, feedback=0)]


def test_each_use_case_keeps_its_newest_rows(migrated: Warehouse) -> None:
    busy = [logged(f"busy-{number}", number / 1000) for number in range(2 * ROWS_PER_TRANSACTION + 10)]
    migrated.log_predictions(busy)
    migrated.log_predictions([logged("rare", 80, "covertype")])

    pruned = migrated.prune_served(90, 5)

    assert pruned == [
        PrunedRecord(use_case="covertype", predictions=0, feedback=0),
        PrunedRecord(use_case="penguins", predictions=2 * ROWS_PER_TRANSACTION + 5, feedback=0),
    ]
    assert kept(migrated) == [f"busy-{number}" for number in range(5)]
    assert kept(migrated, "covertype") == ["rare"]


def test_the_stricter_of_the_two_limits_holds(migrated: Warehouse) -> None:
    migrated.log_predictions([logged(str(days), days) for days in range(10)])
    assert migrated.prune_served(7.5, 9)[0].predictions == 2
    assert migrated.prune_served(7.5, 3)[0].predictions == 5
    assert kept(migrated) == ["0", "1", "2"]


def test_nothing_is_deleted_without_a_limit(migrated: Warehouse) -> None:
    assert migrated.prune_served(90, 5) == []
    migrated.log_predictions([logged("ancient", 4000)])
    for days in (0, 1_000_000, 1e12, float("inf")):
        assert migrated.prune_served(days, 0)[0].predictions == 0
    assert kept(migrated) == ["ancient"]


def test_outcomes_that_outlive_their_predictions_are_deleted_in_their_turn(migrated: Warehouse) -> None:
    migrated.log_predictions([logged("late", 100)])
    judge(migrated, "late", 80)
    assert migrated.prune_served(90, 0)[0] == PrunedRecord(use_case="penguins", predictions=1, feedback=0)
    assert outcomes(migrated) == {"late"}
    assert migrated.prune_served(70, 0)[0] == PrunedRecord(use_case="penguins", predictions=0, feedback=1)
    assert outcomes(migrated) == set()


def test_it_may_run_several_times_at_once_while_predictions_arrive(
    settings: PipelineSettings, migrated: Warehouse
) -> None:
    migrated.log_predictions([logged(f"old-{number}", 100) for number in range(2500)])

    def work(number: int) -> None:
        own = open_warehouse(settings)
        try:
            if number % 2:
                own.prune_served(90, 0)
            else:
                own.log_predictions([logged(f"new-{number}-{index}", 0) for index in range(100)])
        finally:
            own.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))

    names = kept(migrated)
    assert len(names) == 300
    assert all(name.startswith("new-") for name in names)
