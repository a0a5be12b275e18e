"""The warehouse on SQLite and MySQL: migrations, records, the ways of loading, and errors with their remedy."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import URL, inspect

from pipeline.collection import audit, collect, recover
from pipeline.errors import ConfigurationError, WarehouseError
from pipeline.lake import Lake
from pipeline.settings import PipelineSettings
from pipeline.use_case import UseCase
from pipeline.warehouse import PromotionRecord, Warehouse, open_warehouse, schema
from pipeline.warehouse.database import Database, prepare_sqlite_file
from pipeline.warehouse.tables import SCHEMA_REVISION, VERSION_TABLE, metadata
from tests.integration.conftest import BACKENDS, administer
from tests.integration.containers import Server
from tests.integration.deliveries import DyingLake, MemorySource, Steps, dying, process, reply

ROW = ["Adelie", "Dream", "39.1", "18.7", "181", "3750", "male", "2007"]
mysql_only = pytest.mark.parametrize("settings", BACKENDS[1:], indirect=True)


def test_before_init_the_remedy_is_named(warehouse: Warehouse, penguins: UseCase) -> None:
    with pytest.raises(WarehouseError, match="run `mlops init`"):
        warehouse.row_count(penguins)
    warehouse.migrate([])

    assert warehouse.row_count(penguins) == 0
    with pytest.raises(WarehouseError, match=r"rows_penguins .* is missing: run `mlops init`"):
        warehouse.read_rows(penguins)


def test_migrations_make_the_tables_that_the_code_describes(warehouse: Warehouse) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    warehouse.migrate([])

    with warehouse.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == SCHEMA_REVISION


def test_a_migration_cut_off_at_any_statement_is_finished_by_the_next(warehouse: Warehouse, penguins: UseCase) -> None:
    for crash_at in range(1, 200, 7):
        steps = Steps(crash_at)
        with process(), dying(warehouse, steps):
            warehouse.migrate([penguins])
            break
    else:
        pytest.fail("the migration never got to its end")

    warehouse.migrate([penguins])

    expected = {*metadata.tables, "rows_penguins", VERSION_TABLE}
    assert set(inspect(warehouse.database.engine).get_table_names()) >= expected


def test_tables_of_the_first_revision_are_updated_with_their_rows(warehouse: Warehouse, penguins: UseCase) -> None:
    _first_revision(warehouse, rows=3)
    with pytest.raises(WarehouseError, match="is at revision 0001, older than 0002: run `mlops init`"):
        warehouse.row_count(penguins)

    warehouse.migrate([penguins])

    assert [row["request_id"] for row in warehouse.predictions("penguins")] == ["2", "1", "0"]
    assert {row["record_index"] for row in warehouse.predictions("penguins")} == {0}
    found = {index["name"] for index in inspect(warehouse.database.engine).get_indexes("predictions")}
    assert found >= {"ix_predictions_use_case_request", "ix_predictions_use_case_version_at"}


def test_an_update_of_tables_cut_off_at_any_statement_is_finished_by_the_next(
    warehouse: Warehouse, penguins: UseCase
) -> None:
    _first_revision(warehouse, rows=1)
    for crash_at in range(1, 300, 5):
        steps = Steps(crash_at)
        with process(), dying(warehouse, steps):
            warehouse.migrate([penguins])
            break
    else:
        pytest.fail("the migration never got to its end")

    assert len(warehouse.predictions("penguins")) == 1
    assert set(inspect(warehouse.database.engine).get_table_names()) >= set(metadata.tables)


def _first_revision(warehouse: Warehouse, rows: int) -> None:
    """Make the tables of revision 0001, with logged predictions in them."""
    if not warehouse.database.is_mysql:
        prepare_sqlite_file(warehouse.database.url)
    with warehouse.database.engine.connect() as connection:
        schema._upgrade(connection, "0001")
        for number in range(rows):
            connection.exec_driver_sql(
                "INSERT INTO predictions (request_id, use_case, model_version, features, prediction, at) "
                f"VALUES ('{number}', 'penguins', 1, '{{}}', '1', '2026-01-01 00:00:0{number}')"
            )
        connection.commit()


def test_several_migrations_at_once(settings: PipelineSettings, penguins: UseCase, house_prices: UseCase) -> None:
    barrier = threading.Barrier(3)

    def run() -> None:
        own = open_warehouse(settings)
        barrier.wait()
        try:
            own.migrate([penguins, house_prices])
        finally:
            own.close()

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(run) for _ in range(3)]:
            future.result()

    assert open_warehouse(settings).read_rows(penguins).height == 0


def test_tables_of_newer_code_are_refused(warehouse: Warehouse, penguins: UseCase) -> None:
    warehouse.migrate([penguins])
    with warehouse.database.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")

    with pytest.raises(WarehouseError, match="revision 9999 by newer code"):
        Warehouse(warehouse.database).row_count(penguins)
    with pytest.raises(WarehouseError, match="update this installation"):
        warehouse.migrate([penguins])


def test_a_changed_use_case_is_refused_once_rows_are_stored(
    warehouse: Warehouse, penguins: UseCase, lake: Lake
) -> None:
    fewer = penguins.model_copy(update={"columns": penguins.columns[:-1]})
    warehouse.migrate([fewer])
    warehouse.migrate([penguins])  # no rows yet: the table is made anew
    collect(penguins, MemorySource(reply(1, [ROW])), lake, warehouse)
    text = penguins.columns[-1].model_copy(update={"type": "text", "minimum": None, "maximum": None})
    retyped = penguins.model_copy(update={"columns": [*penguins.columns[:-1], text]})

    with pytest.raises(WarehouseError, match="rows_penguins holds 1 rows and has the unknown year"):
        warehouse.migrate([fewer])
    with pytest.raises(WarehouseError, match="has another type in year"):
        warehouse.migrate([retyped])
    with pytest.raises(WarehouseError, match="has another type in year"):
        Warehouse(warehouse.database).read_rows(retyped)

    assert warehouse.read_rows(penguins).height == 1


def test_a_column_cannot_take_a_name_of_the_warehouse(warehouse: Warehouse, penguins: UseCase) -> None:
    column = penguins.columns[-1].model_copy(update={"name": "Row_Hash"})
    use_case = penguins.model_copy(update={"columns": [*penguins.columns[:-1], column]})

    with pytest.raises(ConfigurationError, match="Row_Hash must be renamed"):
        warehouse.migrate([use_case])


def test_promotions_come_back_newest_first(warehouse: Warehouse) -> None:
    warehouse.migrate([])
    at = datetime(2026, 11, 20, 9, 30, 0, 123456, tzinfo=UTC)
    first = PromotionRecord(use_case="penguins", action="promote", to_version=1, actor="airflow", reason="first", at=at)
    second = PromotionRecord(
        use_case="penguins",
        action="rollback",
        from_version=2,
        to_version=1,
        actor="José",
        reason="peor 😀",
        decision={"checks": [{"name": "gain", "value": 0.1}]},
    )

    warehouse.record_promotion(first)
    stored = warehouse.record_promotion(second)
    warehouse.record_promotion(first.model_copy(update={"use_case": "covertype"}))

    assert warehouse.promotion_history("penguins") == [stored, first]
    assert stored.at is not None
    assert datetime.now(UTC) - stored.at < timedelta(minutes=1)


def test_decisions_and_predictions_are_kept(warehouse: Warehouse) -> None:
    import numpy as np

    warehouse.migrate([])
    warehouse.record_decision("penguins", True, ["new rows"], {"share": np.float64(0.6), "rows": np.int64(5)})
    logged = [
        {
            "request_id": str(number),
            "use_case": "penguins",
            "model_version": 3,
            "features": {"island": "Dream", "body_mass_g": None},
            "prediction": prediction,
            "record_index": number,
            "at": datetime(2026, 1, 1, number, tzinfo=UTC),
        }
        for number, prediction in enumerate(["Adelie", 5, 1.25])
    ]
    warehouse.log_predictions(logged)
    warehouse.log_predictions([])

    (decision,) = warehouse.decisions("penguins")
    assert (decision.train, decision.reasons, decision.numbers) == (True, ["new rows"], {"share": 0.6, "rows": 5})
    assert warehouse.predictions("penguins") == logged[::-1]
    assert len(warehouse.predictions("penguins", limit=2)) == 2


def test_the_newest_rows_are_read_column_by_column(warehouse: Warehouse, house_prices: UseCase, lake: Lake) -> None:
    warehouse.migrate([house_prices])
    house = ["1.0", "sold", "250000", "3", "2", "0.1", "9.0", "Salem", "Oregon", "97301", "1500", "2019-05-01"]
    for batch, prices in ((1, ["1000", "2000"]), (2, ["3000"])):
        rows = [[*house[:2], price, *house[3:]] for price in prices]
        collect(house_prices, MemorySource(reply(batch, rows)), lake, warehouse)
    first, second = (entry.id for entry in warehouse.ledger(house_prices))

    assert sorted(warehouse.newest_rows(house_prices, 10)["price"]) == [1000, 2000, 3000]
    newest = warehouse.newest_rows(house_prices, 10, after_ledger_id=first)
    assert (newest["price"], newest["city"], str(newest["prev_sold_date"][0])) == ([3000.0], ["Salem"], "2019-05-01")
    assert warehouse.newest_rows(house_prices, 1)["price"] == [3000.0]
    assert warehouse.newest_rows(house_prices, 10, after_ledger_id=second)["price"] == []


def test_a_store_that_fails_half_way_leaves_nothing(warehouse: Warehouse, penguins: UseCase, lake: Lake) -> None:
    warehouse.migrate([penguins])
    with warehouse.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE quarantine RENAME TO hidden")
    source = MemorySource(reply(1, [ROW, ["bad"]]))

    with pytest.raises(WarehouseError, match="lacks a table or column: run `mlops init`"):
        collect(penguins, source, lake, warehouse)

    assert warehouse.ledger(penguins) == []
    assert warehouse.read_rows(penguins).height == 0
    with warehouse.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE hidden RENAME TO quarantine")
    assert [entry.accepted for entry in recover(penguins, lake, warehouse)] == [1]


@mysql_only
def test_without_local_infile_rows_go_the_slower_way(
    warehouse: Warehouse, penguins: UseCase, lake: Lake, mysql: Server
) -> None:
    warehouse.migrate([penguins])
    rows = [[*ROW[:5], str(mass), *ROW[6:]] for mass in range(1500, 4000)] + [ROW, ["bad"]]
    administer(mysql, "SET GLOBAL local_infile = OFF")
    try:
        entry = collect(penguins, MemorySource(reply(1, rows)), lake, warehouse)
        again = collect(penguins, MemorySource(reply(2, rows)), lake, warehouse)
    finally:
        administer(mysql, "SET GLOBAL local_infile = ON")
    third = collect(penguins, MemorySource(reply(3, rows)), lake, warehouse)

    assert (entry.accepted, entry.duplicate, entry.quarantined) == (2500, 1, 1)
    assert [(other.accepted, other.duplicate) for other in (again, third)] == [(0, 2501), (0, 2501)]
    assert audit(penguins, lake, warehouse).problems == []


@mysql_only
def test_a_value_that_mysql_would_change_stops_the_load(warehouse: Warehouse, penguins: UseCase, lake: Lake) -> None:
    warehouse.migrate([penguins])
    steps = Steps()
    source = MemorySource(reply(1, [ROW, [*ROW[:5], "3751", *ROW[6:]]]))
    with warehouse.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "ALTER TABLE rows_penguins MODIFY species VARCHAR(64) NOT NULL, MODIFY island CHAR(2)"
        )
    with pytest.raises(WarehouseError, match="run `mlops init`"):
        collect(penguins, source, lake, warehouse)
    warehouse._checked_tables.add("penguins")

    with pytest.raises(WarehouseError, match=r"2 warnings, so none was kept: Data truncated for column 'island'"):
        recover(penguins, DyingLake(lake, steps), warehouse)

    assert warehouse.ledger(penguins) == []


@mysql_only
def test_a_lock_that_is_not_free_is_waited_for_and_retried(
    warehouse: Warehouse, penguins: UseCase, lake: Lake, mysql_url: URL
) -> None:
    warehouse.migrate([penguins])
    collect(penguins, MemorySource(reply(1, [ROW])), lake, warehouse)
    impatient = Warehouse(Database(mysql_url))
    blocker = warehouse.database.engine.connect()
    blocker.exec_driver_sql("SELECT * FROM rows_penguins FOR UPDATE")
    releaser = threading.Timer(1.5, blocker.close)
    releaser.start()
    with impatient.database.engine.connect() as connection:
        connection.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = 1")
        connection.commit()

    entry = collect(penguins, MemorySource(reply(2, [ROW, [*ROW[:5], "3751", *ROW[6:]]])), lake, impatient)

    releaser.join()
    assert (entry.accepted, entry.duplicate) == (1, 1)


@mysql_only
def test_mysql_refusals_name_the_remedy(settings: PipelineSettings, penguins: UseCase) -> None:
    def refusal(**changes: object) -> str:
        with pytest.raises(WarehouseError) as caught:
            open_warehouse(settings.model_copy(update=changes)).row_count(penguins)
        assert settings.warehouse_password
        assert settings.warehouse_password.get_secret_value() not in str(caught.value)
        return str(caught.value)

    wrong = refusal(warehouse_password=SecretStr("guess"))
    assert "denies access to user 'mlops': check WAREHOUSE_PASSWORD" in wrong
    assert "keeps the password with which its volume was first made" in wrong
    server, _, _ = settings.warehouse_url.rpartition("/")
    assert "has no database 'mlops_absent'" in refusal(warehouse_url=f"{server}/mlops_absent")
    assert "lacks a privilege" in refusal(warehouse_url=f"{server}/mysql_not_ours")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        unreachable = refusal(warehouse_url=f"mysql+pymysql://mlops@127.0.0.1:{port}/mlops")
    assert f"at 127.0.0.1:{port} is unreachable: start it, or correct WAREHOUSE_URL" in unreachable


def test_sqlite_refusals_name_the_remedy(tmp_path: Path, penguins: UseCase) -> None:
    def opened(path: str) -> Warehouse:
        return open_warehouse(PipelineSettings(warehouse_url=f"sqlite:///{path}"))

    (tmp_path / "text.db").write_text("this is not a database, only a text of some length")
    with pytest.raises(WarehouseError, match="damaged or no SQLite file"):
        opened(f"{tmp_path}/text.db").row_count(penguins)
    with pytest.raises(WarehouseError, match="cannot be opened: run `mlops init`"):
        opened(f"{tmp_path}/absent/warehouse.db").row_count(penguins)
    with pytest.raises(WarehouseError, match="cannot be made"):
        opened(f"{tmp_path}/text.db/warehouse.db").migrate([])
    with pytest.raises(WarehouseError, match="must be a file"):
        opened(":memory:")
    with pytest.raises(WarehouseError, match="not a database URL"):
        open_warehouse(PipelineSettings(warehouse_url="mysql+pymysql://user@host:port/db"))
