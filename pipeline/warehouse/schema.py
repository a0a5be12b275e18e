"""Makes the tables (`mlops init`), and tells whether they are those that this code needs."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import Connection, Table, func, inspect, select, text

from pipeline.errors import WarehouseError
from pipeline.use_case import UseCase
from pipeline.warehouse.database import Database, prepare_sqlite_file
from pipeline.warehouse.tables import SCHEMA_REVISION, VERSION_TABLE, rows_table

MIGRATION_LOCK = "mlops_warehouse_migration"
MIGRATION_LOCK_SECONDS = 120


def migrate(database: Database, use_cases: Iterable[UseCase]) -> None:
    """Bring the tables to this code's revision and make those of the use cases. Repeating it changes nothing.

    Raises
    ------
    WarehouseError
        The database was migrated by newer code, or a use case's columns changed after rows were stored.
    """
    tables = [rows_table(use_case) for use_case in use_cases]
    if not database.is_mysql:
        prepare_sqlite_file(database.url)
    with database.errors(), database.engine.connect() as connection, _one_at_a_time(database, connection):
        _refuse_newer(connection)
        _upgrade(connection)
        for table in tables:
            _create_rows_table(connection, table)
        connection.commit()


def check_migration(database: Database, use_cases: Iterable[UseCase]) -> None:
    """Raise WarehouseError where `migrate` would, and change nothing."""
    with database.errors(), database.engine.connect() as connection:
        _refuse_newer(connection)
        for use_case in use_cases:
            table = rows_table(use_case)
            if inspect(connection).has_table(table.name):
                _difference_without_rows(connection, table)


def check_revision(connection: Connection) -> None:
    """Raise WarehouseError unless the fixed tables are those this code was written for."""
    found = _revision(connection)
    if found is None or found < SCHEMA_REVISION:
        state = f"is at revision {found}, older than {SCHEMA_REVISION}" if found else "has no tables yet"
        raise WarehouseError(f"the warehouse {_name(connection)} {state}: run `mlops init`")
    _refuse_newer(connection)


def check_rows_table(connection: Connection, table: Table) -> None:
    """Raise WarehouseError unless a use case's table is there with the columns of its YAML file."""
    problem = _difference(connection, table)
    if problem:
        raise WarehouseError(f"table {table.name} of the warehouse {_name(connection)} {problem}: run `mlops init`")


def _create_rows_table(connection: Connection, table: Table) -> None:
    table.create(connection, checkfirst=True)
    if _difference_without_rows(connection, table):
        table.drop(connection)
        table.create(connection)


def _difference_without_rows(connection: Connection, table: Table) -> bool:
    """Whether the table in the database differs from the one described; refused where it holds rows."""
    problem = _difference(connection, table)
    if not problem:
        return False
    stored = connection.scalar(select(func.count()).select_from(table))
    if stored:
        raise WarehouseError(
            f"table {table.name} holds {stored} rows and {problem}, as its use case was changed: give the changed "
            f"use case a new name, or alter the table by hand"
        )
    return True


def _difference(connection: Connection, table: Table) -> str | None:
    """How the table in the database differs from the one described, or None."""
    inspector = inspect(connection)
    if not inspector.has_table(table.name):
        return "is missing"
    found = {column["name"]: column for column in inspector.get_columns(table.name)}
    shared = [column for column in table.columns if column.name in found]
    parts = {
        "lacks": [column.name for column in table.columns if column.name not in found],
        "has the unknown": [name for name in found if name not in table.columns],
        "has another type in": [
            column.name for column in shared if not _same_kind(connection, column.type, found[column.name]["type"])
        ],
        "requires a value in": [
            column.name for column in shared if column.nullable and not found[column.name]["nullable"]
        ],
    }
    return "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts.items() if names) or None


def _same_kind(connection: Connection, expected: object, found: object) -> bool:
    """Compare the SQL names of two types (BIGINT, VARCHAR(64), …), without MySQL's charset."""
    names = [kind.compile(dialect=connection.dialect).split(" ")[0] for kind in (expected, found)]  # type: ignore[attr-defined]
    return names[0] == names[1]


def _upgrade(connection: Connection, revision: str = "head") -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


@contextlib.contextmanager
def _one_at_a_time(database: Database, connection: Connection) -> Iterator[None]:
    """Keep a second `mlops init` waiting. On SQLite the transaction itself does, from its first statement on."""
    if not database.is_mysql:
        yield
        return
    # Locks of this kind are the server's, not a database's.
    name = f"{MIGRATION_LOCK}.{database.url.database}"[:64]
    got = connection.scalar(text("SELECT GET_LOCK(:name, :seconds)"), {"name": name, "seconds": MIGRATION_LOCK_SECONDS})
    if got != 1:
        raise WarehouseError(f"another `mlops init` is at work since {MIGRATION_LOCK_SECONDS} s: retry after it")
    try:
        yield
    except BaseException:
        # The lock goes with the session, which may be beyond answering.
        connection.invalidate()
        raise
    connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": name})


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return None if found is None else str(found)


def _refuse_newer(connection: Connection) -> None:
    found = _revision(connection)
    if found is not None and found > SCHEMA_REVISION:
        raise WarehouseError(
            f"the warehouse {_name(connection)} was migrated to revision {found} by newer code than this, "
            f"which knows {SCHEMA_REVISION}: update this installation"
        )


def _name(connection: Connection) -> str:
    return connection.engine.url.render_as_string(hide_password=True)
