"""Reading and writing behind the check that the tables are those this code was written for."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Select

from pipeline.use_case import UseCase
from pipeline.warehouse import schema, tables
from pipeline.warehouse.database import Database

Result = TypeVar("Result")


class CheckedTables:
    """Base of the parts of `Warehouse`: one database, whose tables are checked once, before their first use."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._current = False
        self._checked_tables: set[str] = set()

    def _rows(self, query: Select[Any]) -> list[dict[str, Any]]:
        return self._read(lambda connection: [dict(row) for row in connection.execute(query).mappings()])

    def _read(self, work: Callable[[Connection], Result]) -> Result:
        self._check_revision()
        return self.database.read(work)

    def _write(self, work: Callable[[Connection], Result]) -> Result:
        self._check_revision()
        return self.database.write(work)

    def _check_revision(self) -> None:
        if not self._current:
            self.database.read(schema.check_revision)
            self._current = True

    def _check_rows_table(self, use_case: UseCase) -> None:
        self._check_revision()
        if use_case.name not in self._checked_tables:
            table = tables.rows_table(use_case)
            self.database.read(lambda connection: schema.check_rows_table(connection, table))
            self._checked_tables.add(use_case.name)


def name_of(use_case: UseCase | str) -> str:
    return use_case if isinstance(use_case, str) else use_case.name
