"""Any sequence of polls, repeats, crashes and restarts gives the tables that the archived replies imply."""

import contextlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.archive import archive_key, find_archived, pending, read_delivery
from pipeline.collection import audit, collect, poll, recover, store_delivery, validate_delivery
from pipeline.errors import CollectionBusy
from pipeline.lake import FileLake
from pipeline.use_case import UseCase
from pipeline.validation import validate
from pipeline.warehouse import Warehouse
from tests.integration.conftest import BACKENDS
from tests.integration.deliveries import DyingLake, MemorySource, Steps, dying, process, reply

ROWS: list[object] = [
    ["Adelie", "Dream", "39.1", "18.7", "181", "3750", "male", "2007"],
    ["Adelie", "Dream", " 39.10", "18.70", "181.0", "3.75e3", "male", "2007.0"],  # the same row, spelled otherwise
    ["Adelie", "Dream", "NA", "18.7", "181", "3750", "", "2007"],
    ["Gentoo", "Biscoe", "46.1", "13.2", "211", "4500", "female", "2008"],
    ["Gentoo", "Biscoe", "46.1", "13.2", "211", "4500", "female", "2009"],
    ["Dodo", "Biscoe", "46.1", "13.2", "211", "4500", "female", "2009"],
    ["Gentoo", "Biscoe", "-1", "13.2", "211", "4500", "female", "two thousand"],
    ["too", "short"],
    None,
]


@dataclass(frozen=True)
class Action:
    """One thing that a scheduler or a person does, and where its process dies, if it does."""

    kind: str
    batch_number: int
    rows: tuple[int, ...]
    crash_at: int | None


actions = st.builds(
    Action,
    kind=st.sampled_from(["collect", "collect", "poll", "repeat", "recover"]),
    batch_number=st.integers(1, 4),
    rows=st.lists(st.integers(0, len(ROWS) - 1), max_size=6).map(tuple),
    crash_at=st.none() | st.integers(1, 70),
)


class World:
    """A source, a lake and a warehouse, and everything that was handed out."""

    def __init__(self, use_case: UseCase, lake: FileLake, warehouse: Warehouse) -> None:
        self.use_case, self.lake, self.warehouse = use_case, lake, warehouse
        self.safe: list[bytes] = []

    def perform(self, action: Action) -> None:
        source = MemorySource(reply(action.batch_number, [ROWS[number] for number in action.rows]))
        steps = Steps(action.crash_at)
        lake = DyingLake(self.lake, steps)
        finished = False
        with process(), dying(self.warehouse, steps):
            self._run(action, source, lake)
            finished = True
        # A poll that dies between the reply and its archive loses the reply: only the source could prevent that.
        archived = {self.lake.get(key) for key in self.lake.list("raw/")}
        self.safe += [body for body in source.handed_out if finished or body in archived]
        self._expire_leases()

    def _run(self, action: Action, source: MemorySource, lake: DyingLake) -> None:
        if action.kind == "collect":
            collect(self.use_case, source, lake, self.warehouse)
        elif action.kind == "poll":
            poll(self.use_case, source, lake, self.warehouse)
        elif action.kind == "recover":
            recover(self.use_case, lake, self.warehouse)
        else:
            for key in lake.list("raw/"):
                processed = validate_delivery(self.use_case, lake, find_archived(lake, key))
                store_delivery(self.use_case, lake, self.warehouse, processed)

    def _expire_leases(self) -> None:
        with self.warehouse.database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE collection_lease SET expires_at = 0")

    def check(self) -> None:
        recover(self.use_case, self.lake, self.warehouse)
        keys = self.lake.list("raw/")
        deliveries = [read_delivery(self.lake, find_archived(self.lake, key)) for key in keys]
        assert {self.lake.get(key) for key in keys} >= set(self.safe)
        entries = self.warehouse.ledger(self.use_case)
        assert sorted(archive_key(entry) for entry in entries) == keys
        results = [validate(self.use_case, delivery.rows) for delivery in deliveries]
        expected = set(itertools.chain.from_iterable(result.accepted["row_hash"] for result in results))
        stored = self.warehouse.read_rows(self.use_case)
        assert sorted(stored["row_hash"]) == sorted(expected)
        for entry in entries:
            assert entry.delivered == entry.accepted + entry.duplicate + entry.quarantined
        assert sum(entry.delivered for entry in entries) == sum(len(delivery.rows) for delivery in deliveries)
        assert sum(entry.quarantined for entry in entries) == sum(len(result.quarantined) for result in results)
        report = audit(self.use_case, self.lake, self.warehouse)
        assert report.problems == []
        assert pending(self.use_case, self.lake, self.warehouse) == []


def check_sequence(use_case: UseCase, warehouse: Warehouse, folder: Path, sequence: list[Action]) -> None:
    with warehouse.database.engine.begin() as connection:
        for table in ("rows_penguins", "quarantine", "collection_ledger", "collection_lease"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    lake = FileLake(folder / f"lake-{len(list(folder.iterdir()))}")
    lake.create()
    world = World(use_case, lake, warehouse)
    for action in sequence:
        with contextlib.suppress(CollectionBusy):
            world.perform(action)
    world.check()


checked = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.parametrize("settings", BACKENDS[:1], indirect=True)
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=checked)
@given(sequence=st.lists(actions, min_size=1, max_size=8))
def test_any_sequence_on_sqlite(
    penguins: UseCase, warehouse: Warehouse, tmp_path: Path, sequence: list[Action]
) -> None:
    warehouse.migrate([penguins])
    check_sequence(penguins, warehouse, tmp_path, sequence)


@pytest.mark.parametrize("settings", BACKENDS[1:], indirect=True)
@hypothesis_settings(max_examples=10, deadline=None, suppress_health_check=checked)
@given(sequence=st.lists(actions, min_size=1, max_size=8))
def test_any_sequence_on_mysql(penguins: UseCase, warehouse: Warehouse, tmp_path: Path, sequence: list[Action]) -> None:
    warehouse.migrate([penguins])
    check_sequence(penguins, warehouse, tmp_path, sequence)
