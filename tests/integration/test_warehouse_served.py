"""What was served and what was collected, as it is looked at: on SQLite and MySQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import URL

from inference_api.app import create_app
from inference_api.metrics import ServiceMetrics
from inference_api.prediction_log import PredictionLog
from pipeline.collection import collect, poll
from pipeline.errors import SourceError, SourceExhausted, WarehouseError
from pipeline.lake import Lake
from pipeline.settings import InferenceApiSettings, PipelineSettings
from pipeline.use_case import UseCase, load_use_cases
from pipeline.warehouse import Feedback, Warehouse, open_warehouse
from pipeline.warehouse.collected import BLOCKS
from pipeline.warehouse.database import Database
from tests.integration.conftest import BACKENDS
from tests.integration.deliveries import MemorySource, reply

ROW = ["Adelie", "Dream", "39.1", "18.7", "181", "3750", "male", "2007"]
USE_CASES = Path(__file__).resolve().parents[2] / "use_cases"
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
mysql_only = pytest.mark.parametrize("settings", BACKENDS[1:], indirect=True)


@pytest.fixture
def migrated(warehouse: Warehouse, penguins: UseCase) -> Warehouse:
    warehouse.migrate([penguins])
    return warehouse


def logged(request_id: str, prediction: Any = "Adelie", **values: Any) -> dict[str, Any]:
    row = {"request_id": request_id, "use_case": "penguins", "model_version": 1, "features": {"year": 2007}}
    return row | {"prediction": prediction, "at": START} | values


def test_feedback_is_joined_to_every_version_that_answered(migrated: Warehouse) -> None:
    migrated.log_predictions(
        [
            logged("a", "Adelie"),
            logged("a", "Gentoo", record_index=1),
            logged("a", "Chinstrap", model_version=2),
            logged("a", "Chinstrap", use_case="covertype"),
            # A client that uses its id again means its newest request.
            logged("b", "Adelie"),
            logged("b", "Gentoo"),
        ]
    )
    feedback = [Feedback(request_id="a", outcome="Adelie"), Feedback(request_id="a", record_index=1, outcome="Gentoo")]

    assert migrated.store_feedback("penguins", [*feedback, Feedback(request_id="b", outcome="Adelie")]) == 0

    judged = sorted(tuple(item) for item in migrated.judged_predictions("penguins", 100))
    assert judged == [
        (1, "Adelie", "Adelie"),
        (1, "Gentoo", "Adelie"),
        (1, "Gentoo", "Gentoo"),
        (2, "Chinstrap", "Adelie"),
    ]
    assert len(migrated.judged_predictions("penguins", 1)) == 1
    assert migrated.judged_predictions("covertype", 100) == []
    assert migrated.logged_records("penguins", ["a", "b", "c"]) == {("a", 0), ("a", 1), ("b", 0)}


def test_feedback_of_any_number_is_stored_once_for_each_record(migrated: Warehouse) -> None:
    migrated.log_predictions([logged("many", 1.5, record_index=index) for index in range(1200)])
    feedback = [Feedback(request_id="many", record_index=index, outcome=float(index)) for index in range(1200)]

    assert migrated.store_feedback("penguins", feedback) == 0
    again = [item.model_copy(update={"outcome": 7}) for item in feedback[:700]]
    assert migrated.store_feedback("penguins", [*again, *again]) == 700

    outcomes = [item.outcome for item in migrated.judged_predictions("penguins", 5000)]
    assert len(outcomes) == 1200
    assert outcomes.count(7) == 700


def test_feedback_of_the_same_records_at_once_is_stored_once(settings: PipelineSettings, migrated: Warehouse) -> None:
    migrated.log_predictions([logged("same", record_index=index) for index in range(50)])
    feedback = [Feedback(request_id="same", record_index=index, outcome="Adelie") for index in range(50)]

    def store(number: int) -> None:
        own = open_warehouse(settings)
        try:
            own.store_feedback("penguins", feedback if number % 2 else feedback[::-1])
        finally:
            own.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(store, range(6)))

    assert len(migrated.judged_predictions("penguins", 1000)) == 50


def test_predictions_are_counted_and_sampled_by_the_time_of_day(migrated: Warehouse) -> None:
    minutes = [0, 14, 15, 15, 29, 44, 59.99]
    migrated.log_predictions(
        [logged(str(i), i, at=START + timedelta(minutes=m)) for i, m in enumerate(minutes)]
        + [logged("early", at=START - timedelta(seconds=1)), logged("other", use_case="covertype")]
    )
    quarter = timedelta(minutes=15)

    counts = migrated.prediction_counts("penguins", START, quarter)

    assert counts == {START: 2, START + quarter: 3, START + 2 * quarter: 1, START + 3 * quarter: 1}
    answers = migrated.newest_answers("penguins", [START, START + quarter], quarter, 2)
    assert answers == {START: [1, 0], START + quarter: [4, answers[START + quarter][1]]}
    assert answers[START + quarter][1] in (2, 3)
    served = migrated.newest_served("penguins", 1, START, 3)
    assert [prediction for _, prediction in served] == [6, 5, 4]
    assert served[0][0] == {"year": 2007}
    assert migrated.newest_served("penguins", 2, START, 3) == []


@mysql_only
@pytest.mark.parametrize("zone", ["+00:00", "-05:00"])
def test_buckets_do_not_move_with_the_time_zone_of_the_server(
    migrated: Warehouse, zone: str, penguins: UseCase
) -> None:
    migrated.log_predictions([logged("one", at=START)])
    url = migrated.database.url.update_query_dict({"init_command": f"SET time_zone = '{zone}'"})
    elsewhere = Warehouse(Database(url))

    assert elsewhere.prediction_counts(penguins.name, START, timedelta(minutes=5)) == {START: 1}


def test_last_poll_is_the_newest_and_says_how_it_ended(penguins: UseCase, lake: Lake, migrated: Warehouse) -> None:
    assert migrated.last_poll(penguins) is None
    source = MemorySource(reply(1, [ROW]), b"not json", SourceError("503 at http://source.invalid"))

    poll(penguins, source, lake, migrated)
    first = migrated.last_poll(penguins)
    with pytest.raises(SourceError):
        poll(penguins, source, lake, migrated)
    unreadable = migrated.last_poll(penguins)
    with pytest.raises(SourceError):
        poll(penguins, source, lake, migrated)
    failed = migrated.last_poll(penguins)
    with pytest.raises(SourceExhausted):
        poll(penguins, source, lake, migrated)
    last = migrated.last_poll(penguins)

    assert first is not None
    assert unreadable is not None
    assert failed is not None
    assert last is not None
    assert (first.outcome, first.detail) == ("delivered", "batch 1: 1 rows")
    assert unreadable.outcome == failed.outcome == "failed"
    assert failed.detail == "503 at http://source.invalid"
    assert (last.outcome, last.detail) == ("exhausted", "the source has handed out its last batch")
    assert first.at < last.at <= datetime.now(UTC)


def test_poll_whose_outcome_cannot_be_recorded_is_a_poll_all_the_same(
    penguins: UseCase, lake: Lake, migrated: Warehouse
) -> None:
    with migrated.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE collection_polls")

    entry = collect(penguins, MemorySource(reply(1, [ROW])), lake, migrated)

    assert entry.accepted == 1


def test_batches_add_up_their_deliveries(penguins: UseCase, lake: Lake, migrated: Warehouse) -> None:
    other = [*ROW[:5], "3751", *ROW[6:]]
    source = MemorySource(reply(1, [ROW, ["bad"]]), reply(1, [ROW, other]), reply(2, [ROW]), reply(1, [ROW, ROW]))
    entries = [collect(penguins, source, lake, migrated) for _ in range(4)]

    batches = migrated.batches(penguins)

    assert [(b.epoch, b.batch_number, b.deliveries) for b in batches] == [(0, 1, 2), (0, 2, 1), (1, 1, 1)]
    first = batches[0]
    assert (first.delivered, first.accepted, first.duplicate, first.quarantined) == (4, 2, 1, 1)
    assert (first.first_at, first.last_at) == (entries[0].received_at, entries[1].received_at)
    assert [b.batch_number for b in migrated.batches(penguins, limit=2)] == [2, 1]
    (bad,) = migrated.quarantine(penguins)
    assert migrated.batches_of({bad.ledger_id, 10**6}) == {bad.ledger_id: (0, 1)}


def test_rows_of_a_large_table_are_sampled_from_all_over_it(penguins: UseCase, lake: Lake, migrated: Warehouse) -> None:
    assert migrated.sample_rows(penguins, 100)["year"] == []
    rows = [[*ROW[:5], str(mass), *ROW[6:]] for mass in range(2000, 6000)]
    collect(penguins, MemorySource(reply(1, rows)), lake, migrated)

    everything = migrated.sample_rows(penguins, 4000)["body_mass_g"]
    sampled = migrated.sample_rows(penguins, 10 * BLOCKS)["body_mass_g"]

    assert sorted(everything) == list(range(2000, 6000))
    assert len(sampled) == len(set(sampled)) == 10 * BLOCKS
    in_order = {mass: place for place, mass in enumerate(everything)}
    places = sorted(in_order[mass] for mass in sampled)
    assert max(after - before for before, after in pairwise(places)) <= 4000 // BLOCKS + 1


def test_newest_rows_are_those_of_later_deliveries_only(penguins: UseCase, lake: Lake, migrated: Warehouse) -> None:
    source = MemorySource(*(reply(number, [[*ROW[:5], str(3000 + number), *ROW[6:]]]) for number in (1, 2, 3)))
    first, *_ = [collect(penguins, source, lake, migrated) for _ in range(3)]

    assert migrated.newest_rows(penguins, 10)["body_mass_g"] == [3003, 3002, 3001]
    assert migrated.newest_rows(penguins, 10, first.id)["body_mass_g"] == [3003, 3002]
    assert migrated.newest_rows(penguins, 1, first.id)["body_mass_g"] == [3003]


@mysql_only
def test_statement_that_takes_too_long_is_stopped(migrated: Warehouse, mysql_url: URL) -> None:
    impatient = Warehouse(Database(mysql_url, patience_seconds=1))
    migrated.log_predictions([logged(str(number)) for number in range(3)])

    with pytest.raises(WarehouseError, match="took too long for an answer"):
        impatient.database.read(
            lambda connection: connection.exec_driver_sql(
                "SELECT COUNT(*) FROM predictions a, predictions b WHERE SLEEP(2) = 0"
            ).scalar()
        )

    assert impatient.row_count("penguins") == 0


@mysql_only
def test_row_that_mysql_refuses_by_an_operational_error_is_left_out_of_the_log(migrated: Warehouse) -> None:
    with migrated.database.engine.begin() as connection:
        # 3819, as the driver files it: an OperationalError.
        connection.exec_driver_sql("ALTER TABLE predictions ADD CONSTRAINT short CHECK (LENGTH(features) < 100)")
    metrics = ServiceMetrics()
    log = PredictionLog(lambda: migrated.log_predictions, metrics)
    for request_id, size in (("first", 1), ("bad", 200), ("last", 1)):
        log._entries.append(_Row(logged(request_id, features={"text": "x" * size})))  # type: ignore[arg-type]
    log.start()
    log.stop()

    assert {row["request_id"] for row in migrated.predictions("penguins")} == {"first", "last"}
    assert b"prediction_log_refused_total 1.0" in metrics.render()


class _Row:
    """An entry of the log, with what is to be written given."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.request_id, self.record_index = values["request_id"], 0

    def row(self) -> dict[str, Any]:
        return self.values


def test_dates_and_missing_values_are_sampled_as_they_are(
    house_prices: UseCase, lake: Lake, warehouse: Warehouse
) -> None:
    warehouse.migrate([house_prices])
    row = ["123", "for_sale", "100.5", None, "2", "0.12", "s", "Adjuntas", "Puerto Rico", "601", "920", "2020-02-29"]
    collect(house_prices, MemorySource(reply(1, [row])), lake, warehouse)

    sample = warehouse.sample_rows(house_prices, 10)

    assert (sample["bed"], sample["price"], sample["prev_sold_date"]) == ([None], [100.5], [date(2020, 2, 29)])


class _NoRegistry:
    """A registry without models: use cases are shown before their first one."""

    def model_tags(self) -> dict[str, dict[str, str]]:
        return {}


def test_routes_answer_from_each_database(
    settings: PipelineSettings, warehouse: Warehouse, penguins: UseCase, lake: Lake, tmp_path: Path
) -> None:
    own = InferenceApiSettings(
        warehouse_url=settings.warehouse_url,
        warehouse_password=settings.warehouse_password,
        model_cache_dir=tmp_path / "cache",
        use_cases_dir=USE_CASES,
        model_poll_seconds=3600,
    )
    warehouse.migrate(load_use_cases(USE_CASES).values())
    collect(penguins, MemorySource(reply(1, [ROW, ["bad"]])), lake, warehouse)
    now = datetime.now(UTC)
    warehouse.log_predictions([logged("r", at=now), logged("r", "Gentoo", record_index=1, at=now - timedelta(days=3))])
    warehouse.record_decision("penguins", True, ["forced"], {"rows": 1})

    with TestClient(create_app(own, registry=_NoRegistry)) as client:  # type: ignore[arg-type]
        for outcome, replaced in (("Adelie", 0), ("Gentoo", 1)):
            reply_to = client.post("/models/penguins/feedback", json={"request_id": "r", "outcome": outcome})
            assert reply_to.json() == {"stored": 1, "replaced": replaced}, reply_to.text
        monitoring = client.get("/models/penguins/monitoring").json()
        data = client.get("/data/penguins").json()
        quarantine = client.get("/data/penguins/quarantine").json()
        distributions = client.get("/data/penguins/distributions").json()
        history = client.get("/models/penguins/history").json()

    assert monitoring["problem"] is None
    assert [bucket["predictions"] for bucket in monitoring["traffic"] if bucket["predictions"]] == [1]
    assert [(item["rows"], item["value"]) for item in monitoring["live"]["versions"]] == [(1, 0)]
    assert (data["rows"], data["quarantined"], data["last_poll"]["outcome"]) == (1, 1, "delivered")
    assert datetime.fromisoformat(data["batches"][0]["first_at"]).tzinfo is not None
    assert (quarantine["total"], quarantine["rows"][0]["row"]) == (1, ["bad"])
    assert (distributions["rows"], distributions["sampled"]) == (1, 1)
    assert history["training_decisions"][0]["reasons"] == ["forced"]
