"""Collection on each pair of warehouse and lake: exactly once, whatever happens."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

from pipeline import collection
from pipeline.collection import (
    ProcessedDelivery,
    audit,
    collect,
    pending,
    poll,
    recover,
    store_delivery,
    validate_delivery,
)
from pipeline.errors import CollectionBusy, LakeError, SourceError, SourceExhausted, SourceRejected
from pipeline.lake import ArchivedDelivery, Lake
from pipeline.settings import PipelineSettings
from pipeline.use_case import UseCase
from pipeline.warehouse import Warehouse, open_warehouse
from tests.integration.deliveries import Crash, DyingLake, MemorySource, Steps, dying, process, reply

GOOD = ["123", "for_sale", "100.5", "3", "2", "0.12", "s", "Adjuntas", "Puerto Rico", "601", "920", "2020-02-29"]


def changed(**values: object) -> list[object]:
    places = {"price": 2, "bed": 3, "acre_lot": 5, "city": 7, "state": 8, "zip_code": 9, "sold": 11}
    row: list[object] = list(GOOD)
    for name, value in values.items():
        row[places[name]] = value
    return row


@pytest.fixture
def migrated(warehouse: Warehouse, house_prices: UseCase) -> Warehouse:
    warehouse.migrate([house_prices])
    return warehouse


def test_each_delivered_row_is_accepted_duplicate_or_quarantined(
    house_prices: UseCase, lake: Lake, migrated: Warehouse
) -> None:
    rows = [GOOD, GOOD, changed(price="100.50"), changed(price="-1"), changed(bed=4), GOOD[:-1], "no row"]

    entry = collect(house_prices, MemorySource(reply(1, rows)), lake, migrated)

    assert (entry.delivered, entry.accepted, entry.duplicate, entry.quarantined) == (7, 2, 2, 3)
    assert migrated.row_count(house_prices) == migrated.read_rows(house_prices).height == 2
    by_index = {found.row_index: found for found in migrated.quarantine(house_prices)}
    assert by_index[3].row == changed(price="-1")
    assert by_index[3].reasons[0]["field"] == "price"
    assert by_index[6].row == "no row"
    assert audit(house_prices, lake, migrated).ok


def test_values_come_back_as_they_were_delivered(house_prices: UseCase, lake: Lake, migrated: Warehouse) -> None:
    texts = [
        'a "b", c',
        "back\\slash \\N \\n",
        "two\nlines\r\n\tand a tab",
        "emoji 😀 ñ 漢",
        "'; DROP TABLE x; --",
        "%s %(a)s %",
    ]
    texts += ["a", "A", "á", "NULL of all", "x" * 255, "😀" * 255]
    rows = [changed(city=text) for text in texts]
    rows += [changed(city="NA", bed=None, sold=""), changed(price="0.1e1", acre_lot="-0.0"), changed(sold="1000-01-01")]
    rows += [changed(price=1 / 3 + 1), changed(price=999999999.9999999, sold="9999-12-31")]

    entry = collect(house_prices, MemorySource(reply(1, rows)), lake, migrated)

    assert entry.accepted == len(rows)
    stored = migrated.read_rows(house_prices)
    assert set(texts) <= set(stored["city"])
    assert set(stored["city"].unique()) == {*texts, "Adjuntas", None}
    assert {1.0, 1 / 3 + 1, 999999999.9999999} <= set(stored["price"])
    assert stored.filter(pl.col("city").is_null()).select("bed", "prev_sold_date").row(0) == (None, None)
    assert {str(day) for day in stored["prev_sold_date"].drop_nulls()} == {"2020-02-29", "1000-01-01", "9999-12-31"}


def test_integers_keep_all_their_digits(covertype: UseCase, lake: Lake, warehouse: Warehouse) -> None:
    columns = [
        column.model_copy(update={"minimum": None, "maximum": None}) if column.type == "integer" else column
        for column in covertype.columns
    ]
    use_case = covertype.model_copy(update={"columns": columns})
    warehouse.migrate([use_case])
    big = [2**63 - 1, -(2**63), 2**53 + 1]
    rows = [[str(value), *(["0"] * 9), "Rawah", "C7745", "5"] for value in big]

    collect(use_case, MemorySource(reply(1, rows)), lake, warehouse)

    assert set(warehouse.read_rows(use_case)["Elevation"]) == set(big)


def test_a_reply_of_no_rows_is_stored_as_such(house_prices: UseCase, lake: Lake, migrated: Warehouse) -> None:
    entry = collect(house_prices, MemorySource(reply(1, [])), lake, migrated)

    assert (entry.delivered, entry.accepted) == (0, 0)
    assert migrated.read_rows(house_prices).height == 0
    assert audit(house_prices, lake, migrated).ok


def test_each_task_may_be_repeated(house_prices: UseCase, lake: Lake, migrated: Warehouse) -> None:
    archived = poll(house_prices, MemorySource(reply(1, [GOOD, changed(price="x")])), lake, migrated)
    # Between tasks, arguments travel as JSON.
    archived = ArchivedDelivery.model_validate_json(archived.model_dump_json())
    processed = validate_delivery(house_prices, lake, archived)
    processed = ProcessedDelivery.model_validate_json(processed.model_dump_json())
    assert validate_delivery(house_prices, lake, archived) == processed

    first = store_delivery(house_prices, lake, migrated, processed)
    again = store_delivery(house_prices, lake, migrated, processed)

    assert first == again
    assert len(migrated.ledger(house_prices)) == len(migrated.quarantine(house_prices)) == 1
    assert migrated.read_rows(house_prices).height == 1


def test_the_same_reply_twice_is_one_delivery_and_another_sample_is_another(
    house_prices: UseCase, lake: Lake, migrated: Warehouse
) -> None:
    source = MemorySource(reply(1, [GOOD]), reply(1, [GOOD]), reply(1, [GOOD, changed(bed="9")]))

    entries = [collect(house_prices, source, lake, migrated) for _ in range(3)]

    assert entries[0] == entries[1]
    assert (entries[2].accepted, entries[2].duplicate) == (1, 1)


def test_a_restarted_source_begins_an_epoch(house_prices: UseCase, lake: Lake, migrated: Warehouse) -> None:
    source = MemorySource(*(reply(number, [GOOD]) for number in (1, 2, 10, 1, 2, 1)))

    epochs = [collect(house_prices, source, lake, migrated).epoch for _ in range(6)]

    assert epochs == [0, 0, 0, 1, 1, 2]


def test_an_unreadable_reply_is_kept_and_reported(house_prices: UseCase, lake: Lake, migrated: Warehouse) -> None:
    body = reply(1, [GOOD])[:-9]
    source = MemorySource(body, reply(1, [GOOD], group_number=2))

    with pytest.raises(SourceError, match=r"not valid JSON.*kept as .*/rejected/"):
        poll(house_prices, source, lake, migrated)
    with pytest.raises(SourceError, match="asked for group 1 and answered for group 2"):
        poll(house_prices, source, lake, migrated)

    assert body in [lake.get(key) for key in lake.list("rejected/house_prices/")]
    assert pending(house_prices, lake, migrated) == []


@pytest.mark.parametrize("error", [SourceExhausted, SourceRejected, SourceError])
def test_a_source_that_fails_still_lets_leftovers_be_stored(
    house_prices: UseCase, lake: Lake, migrated: Warehouse, error: type[Exception]
) -> None:
    source = MemorySource(reply(10, [GOOD]), error("no more"), error("no more"))
    poll(house_prices, source, lake, migrated)

    assert collect(house_prices, source, lake, migrated).batch_number == 10
    assert [entry.batch_number for entry in migrated.ledger(house_prices)] == [10]
    with pytest.raises(error, match="no more"):
        collect(house_prices, source, lake, migrated)


def test_a_delivery_that_cannot_be_read_does_not_block_the_others(
    house_prices: UseCase, lake: Lake, migrated: Warehouse
) -> None:
    source = MemorySource(reply(1, [GOOD]), reply(2, [GOOD]), reply(3, [changed(bed="7")]))
    damaged = poll(house_prices, source, lake, migrated)
    poll(house_prices, source, lake, migrated)
    lake.put(lake.key(damaged.uri), b"{}")

    with pytest.raises(LakeError, match=r"batch=01/.* cannot be read"):
        collect(house_prices, source, lake, migrated)

    assert [entry.batch_number for entry in migrated.ledger(house_prices)] == [2, 3]
    with pytest.raises(LakeError, match=r"batch=01/.* cannot be read"):
        recover(house_prices, lake, migrated)


def test_one_poll_at_a_time_and_a_dead_one_does_not_block_for_ever(
    house_prices: UseCase, lake: Lake, migrated: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with migrated.lease("house_prices/group=1", 60), pytest.raises(CollectionBusy, match="try again"):
        poll(house_prices, MemorySource(reply(1, [GOOD])), lake, migrated)
    monkeypatch.setattr(collection, "LEASE_MARGIN_SECONDS", -4.9)
    with process(), dying(migrated, steps := Steps()):
        die_inside(migrated, steps)

    entry = wait_for(lambda: poll(house_prices, MemorySource(reply(1, [GOOD])), lake, migrated))

    assert entry.batch_number == 1


def die_inside(warehouse: Warehouse, steps: Steps) -> None:
    with warehouse.lease("house_prices/group=1", 0.3):
        steps.crash_at = 0
        raise Crash


def wait_for(attempt: Callable[[], ArchivedDelivery]) -> ArchivedDelivery:
    for _ in range(100):
        try:
            return attempt()
        except CollectionBusy:
            threading.Event().wait(0.05)
    raise AssertionError("the lease never expired")


def test_a_crash_at_any_step_loses_no_row(house_prices: UseCase, lake: Lake, migrated: Warehouse) -> None:
    steps = Steps()
    with dying(migrated, steps):
        collect(house_prices, MemorySource(reply(1, [GOOD])), DyingLake(lake, steps), migrated)
    assert steps.taken > 30
    stride = 4 if migrated.database.is_mysql else 1  # a round is slower there
    for crash_at in range(1, steps.taken + 1, stride):
        rows = [GOOD, changed(bed=str(crash_at)), changed(price="bad")]
        source = MemorySource(reply(2, rows))
        steps = Steps(crash_at)
        with process(), dying(migrated, steps):
            collect(house_prices, source, DyingLake(lake, steps), migrated)
        # The dead poller's lease would have to expire first.
        with migrated.database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE collection_lease SET expires_at = 0")
        recover(house_prices, lake, migrated)
        for body in source.handed_out:
            # Only one that died before it could archive the reply has it asked for again.
            poll(house_prices, MemorySource(body), lake, migrated)
        recover(house_prices, lake, migrated)

    report = audit(house_prices, lake, migrated)

    assert report.problems == []
    assert report.pending == []
    assert report.delivered == report.accepted + report.duplicate + report.quarantined
    assert len(lake.list("raw/house_prices/")) == report.entries
    assert migrated.read_rows(house_prices)["row_hash"].n_unique() == report.accepted


def test_concurrent_runs_give_the_same_tables(
    house_prices: UseCase, lake: Lake, migrated: Warehouse, settings: PipelineSettings
) -> None:
    batches = [
        reply(number, [GOOD] + [changed(bed=str(number * 10 + i), price=f"{100 + i}") for i in range(-3, 12)])
        for number in range(1, 9)
    ]
    source = MemorySource(*batches)

    def run() -> None:
        own = open_warehouse(settings)
        try:
            while True:
                try:
                    collect(house_prices, source, lake, own)
                except CollectionBusy:
                    threading.Event().wait(0.01)
                except SourceExhausted:
                    return
        finally:
            own.close()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(run) for _ in range(4)]:
            future.result()

    report = audit(house_prices, lake, migrated)
    assert report.problems == []
    assert report.entries == len(batches)
    assert report.delivered == sum(len(json.loads(body)["data"]) for body in batches)
    assert migrated.read_rows(house_prices).height == report.accepted


def test_one_delivery_stored_by_many_at_once_is_stored_once(
    house_prices: UseCase, lake: Lake, migrated: Warehouse, settings: PipelineSettings
) -> None:
    rows = [changed(bed=str(bed), price=str(price)) for bed in range(40) for price in range(1, 40)]
    archived = poll(house_prices, MemorySource(reply(1, rows)), lake, migrated)
    processed = validate_delivery(house_prices, lake, archived)
    barrier = threading.Barrier(4)

    def run() -> int:
        own = open_warehouse(settings)
        barrier.wait()
        try:
            return store_delivery(house_prices, lake, own, processed).id
        finally:
            own.close()

    with ThreadPoolExecutor(4) as pool:
        ids = {future.result() for future in [pool.submit(run) for _ in range(4)]}

    assert len(ids) == len(migrated.ledger(house_prices)) == 1
    assert migrated.read_rows(house_prices).height == len(rows)


def test_overlapping_deliveries_stored_at_once_share_their_rows(
    house_prices: UseCase, lake: Lake, migrated: Warehouse, settings: PipelineSettings
) -> None:
    rows = [changed(bed=str(bed), price=str(price)) for bed in range(40) for price in range(1, 40)]
    source = MemorySource(reply(1, rows), reply(1, rows[::-1]), reply(1, rows[500:] + rows[:500]))
    processed = [validate_delivery(house_prices, lake, poll(house_prices, source, lake, migrated)) for _ in range(3)]
    barrier = threading.Barrier(3)

    def run(delivery: ProcessedDelivery) -> int:
        own = open_warehouse(settings)
        barrier.wait()
        try:
            return store_delivery(house_prices, lake, own, delivery).accepted
        finally:
            own.close()

    with ThreadPoolExecutor(3) as pool:
        accepted = sum(future.result() for future in [pool.submit(run, delivery) for delivery in processed])

    assert accepted == len(rows)
    assert audit(house_prices, lake, migrated).problems == []


def test_audit_names_what_was_tampered_with(house_prices: UseCase, lake: Lake, migrated: Warehouse) -> None:
    entry = collect(house_prices, MemorySource(reply(1, [GOOD, changed(bed="4"), changed(price="x")])), lake, migrated)
    with migrated.database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM rows_house_prices WHERE row_index = 1")
        connection.exec_driver_sql("DELETE FROM quarantine")
    lake.put(lake.key(entry.lake_uri), b"{}")

    problems = "\n".join(audit(house_prices, lake, migrated).problems)

    assert "2 accepted, but the table holds 1" in problems
    assert "1 quarantined, but the table holds 0" in problems
    assert "changed after it was archived" in problems
