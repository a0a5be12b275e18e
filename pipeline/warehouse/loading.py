"""Bulk writing and reading of a use case's rows: the fastest way each database has, with the same result."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Table
from sqlalchemy.exc import DBAPIError

from pipeline.errors import WarehouseError

if TYPE_CHECKING:
    import polars as pl

# What the server, the driver and old servers answer where LOAD DATA LOCAL is turned off.
LOCAL_INFILE_OFF = frozenset({3948, 2068, 1148})
ROWS_PER_INSERT = 1000
# Backslashes are plain text here, and NULL without quotes is a missing value.
CSV_DIALECT = "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"


def insert_new_rows(connection: Connection, table: Table, frame: "pl.DataFrame") -> int:
    """Insert the rows whose hash the table does not hold yet, inside the caller's transaction.

    Parameters
    ----------
    frame : has the columns of `table`, all but ``row_id``, in any order.

    Returns
    -------
    number of rows inserted; the others are duplicates.
    """
    if frame.is_empty():
        return 0
    # In the order of the unique index: faster, and two loads that share rows wait for each other without a deadlock.
    frame = frame.sort("row_hash", "row_index").select(
        column.name for column in table.columns if column.name != "row_id"
    )
    if connection.dialect.name != "mysql":
        return _insert_sqlite(connection, table, frame)
    try:
        return _load_data(connection, table, frame)
    except DBAPIError as error:
        if not error.orig or error.orig.args[0] not in LOCAL_INFILE_OFF:
            raise
    return _insert_mysql(connection, table, frame)


def read_frame(connection: Connection, query: str, schema: dict[str, Any]) -> "pl.DataFrame":
    """Run a query into a polars frame of the given column types.

    `connection` is used on SQLite; MySQL is read by connectorx on a connection of its own, many times faster.
    """
    import polars as pl

    if connection.dialect.name == "mysql":
        import connectorx

        try:
            read: Any = connectorx.read_sql(_connectorx_url(connection.engine.url), query, return_type="polars")
        except RuntimeError as error:
            raise WarehouseError(f"the warehouse could not be read: {error}") from error
        return pl.DataFrame(read).cast(pl.Schema(schema))
    rows = connection.exec_driver_sql(query).fetchall()
    dates = [name for name, kind in schema.items() if kind == pl.Date]
    stored = {name: pl.String if name in dates else kind for name, kind in schema.items()}
    frame = pl.DataFrame([tuple(row) for row in rows], schema=stored, orient="row")
    return frame.with_columns(pl.col(dates).str.to_date("%Y-%m-%d")) if dates else frame


def _connectorx_url(url: URL) -> str:
    user, password = quote(url.username or "", safe=""), quote(str(url.password or ""), safe="")
    login = f"{user}:{password}" if password else user
    return f"mysql://{login}@{url.host}:{url.port or 3306}/{quote(url.database or '', safe='')}"


def _load_data(connection: Connection, table: Table, frame: "pl.DataFrame") -> int:
    """LOAD DATA LOCAL only warns of bad values, even in strict mode, so its counts are checked to the last row."""
    quoted = connection.dialect.identifier_preparer.quote
    columns = ", ".join(quoted(name) for name in frame.columns)
    with tempfile.TemporaryDirectory(prefix="mlops-load-") as folder:
        path = Path(folder) / "rows.csv"
        try:
            frame.write_csv(path, include_header=False, null_value="NULL", quote_style="non_numeric")
        except OSError as error:
            raise WarehouseError(f"the rows cannot be written to {path} for loading: {error}") from error
        statement = (
            f"LOAD DATA LOCAL INFILE '{path}' IGNORE INTO TABLE {quoted(table.name)} CHARACTER SET utf8mb4 "
            f"{CSV_DIALECT} ({columns})"
        )
        # No parameters: a percent sign in the name of a column or folder stays one.
        inserted = connection.exec_driver_sql(statement.replace("%", "%%")).rowcount
    # A skipped duplicate is one warning. Any more mean that a value was changed on its way in.
    warnings = connection.exec_driver_sql("SHOW COUNT(*) WARNINGS").scalar_one()
    if inserted + warnings != frame.height:
        shown = connection.exec_driver_sql("SHOW WARNINGS").fetchmany(200)
        damage = [str(row[2]) for row in shown if row[1] != 1062][:3]
        raise WarehouseError(
            f"MySQL took {inserted} of {frame.height} rows into {table.name} with {warnings} warnings, "
            f"so none was kept: {'; '.join(damage) or 'no detail'}"
        )
    return int(inserted)


def _insert_mysql(connection: Connection, table: Table, frame: "pl.DataFrame") -> int:
    quoted = connection.dialect.identifier_preparer.quote
    columns = ", ".join(quoted(name).replace("%", "%%") for name in frame.columns)
    places = ", ".join(["%s"] * frame.width)
    # Changing nothing on a duplicate lets every other error through, which INSERT IGNORE would swallow.
    hash_column = quoted("row_hash")
    statement = (
        f"INSERT INTO {quoted(table.name)} ({columns}) VALUES ({places}) "
        f"ON DUPLICATE KEY UPDATE {hash_column} = {hash_column}"
    )
    count = f"SELECT COUNT(*) FROM {quoted(table.name)} WHERE ledger_id = {int(frame['ledger_id'][0])}"
    for chunk in frame.iter_slices(ROWS_PER_INSERT):
        connection.exec_driver_sql(statement, chunk.rows())
    return int(connection.exec_driver_sql(count).scalar_one())


def _insert_sqlite(connection: Connection, table: Table, frame: "pl.DataFrame") -> int:
    import polars as pl

    quoted = connection.dialect.identifier_preparer.quote
    columns = ", ".join(quoted(name) for name in frame.columns)
    places = ", ".join(["?"] * frame.width)
    statement = f"INSERT INTO {quoted(table.name)} ({columns}) VALUES ({places}) ON CONFLICT (row_hash) DO NOTHING"
    # SQLite has no dates: SQLAlchemy keeps them as ISO text, and so does this.
    rows = frame.with_columns(pl.col(pl.Date).cast(pl.String)).rows()
    return connection.exec_driver_sql(statement, rows).rowcount
