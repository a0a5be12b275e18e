"""Many rows in one statement."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table

# SQLite takes 32,766 parameters in one statement.
STATEMENT_ROWS = 500


def insert_rows(connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows of values in the order of `columns`, a few hundred with each statement.

    Otherwise SQLite's driver runs a statement for each row, and lets go of the interpreter before it: taking it back a
    thousand times a second keeps the threads that answer requests from their work.
    """
    head, row_text, processors = _form(connection.dialect, table, columns)
    for start in range(0, len(rows), STATEMENT_ROWS):
        part = rows[start : start + STATEMENT_ROWS]
        values = [
            value if process is None else process(value)
            for row in part
            for process, value in zip(processors, row, strict=True)
        ]
        connection.exec_driver_sql(head + ",".join([row_text] * len(part)), tuple(values))


@lru_cache(16)
def _form(
    dialect: Dialect, table: Table, columns: tuple[str, ...]
) -> tuple[str, str, Sequence[Callable[[Any], Any] | None]]:
    """The statement up to its rows, the form of a row, and what makes of each value what the driver takes."""
    quoted = dialect.identifier_preparer
    names = ", ".join(quoted.format_column(table.c[name]) for name in columns)
    placeholder = "?" if dialect.paramstyle == "qmark" else "%s"
    row_text = f"({','.join([placeholder] * len(columns))})"
    processors = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in columns]
    return f"INSERT INTO {quoted.format_table(table)} ({names}) VALUES ", row_text, processors
