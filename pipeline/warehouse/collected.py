"""What was collected, for people to look at: polls, batches, quarantine, and samples of rows of any number."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.use_case import UseCase
from pipeline.warehouse import tables
from pipeline.warehouse.access import CheckedTables, name_of
from pipeline.warehouse.records import BatchRecord, PollOutcome, PollRecord, QuarantineEntry

# Longest reason of a failed poll that is kept.
DETAIL_LENGTH = 1000
# A large table is sampled in so many blocks of rows that lie together: reading single ones would cost a seek each.
BLOCKS = 40


class CollectionTables(CheckedTables):
    """The part of `Warehouse` that tells what was collected."""

    def record_poll(self, use_case: UseCase | str, outcome: PollOutcome, detail: str) -> None:
        """Record how a poll ended, in place of the one before."""
        values = {"at": datetime.now(UTC), "outcome": outcome, "detail": detail[:DETAIL_LENGTH]}
        table, name = tables.collection_polls, name_of(use_case)
        self._write(lambda connection: _replace_poll(connection, table.c.use_case == name, values, name))

    def last_poll(self, use_case: UseCase | str) -> PollRecord | None:
        """How the newest poll ended; None before the first."""
        query = select(tables.collection_polls).where(tables.collection_polls.c.use_case == name_of(use_case))
        return next((PollRecord(**row) for row in self._rows(query)), None)

    def batches(self, use_case: UseCase | str, limit: int = 200) -> list[BatchRecord]:
        """The newest batches of a use case, each with the sums of its deliveries; oldest first."""
        table = tables.ledger.c
        counts = [func.sum(table[name]).label(name) for name in ("delivered", "accepted", "duplicate", "quarantined")]
        query = select(
            table.epoch,
            table.batch_number,
            func.count().label("deliveries"),
            *counts,
            func.min(table.received_at).label("first_at"),
            func.max(table.received_at).label("last_at"),
        ).where(table.use_case == name_of(use_case))
        query = query.group_by(table.epoch, table.batch_number)
        query = query.order_by(table.epoch.desc(), table.batch_number.desc()).limit(limit)
        return [BatchRecord(**row) for row in reversed(self._rows(query))]

    def quarantine(self, use_case: UseCase | str, limit: int = 100) -> list[QuarantineEntry]:
        """The newest quarantined rows of a use case, with their reasons."""
        table = tables.quarantine.c
        query = select(tables.quarantine).where(table.use_case == name_of(use_case))
        query = query.order_by(table.ledger_id.desc(), table.row_index).limit(limit)
        return [QuarantineEntry(row=row.pop("delivered_row"), **row) for row in self._rows(query)]

    def quarantined_count(self, use_case: UseCase | str) -> int:
        """Number of quarantined rows, as the ledger has it."""
        ledger = tables.ledger.c
        query = select(func.coalesce(func.sum(ledger.quarantined), 0)).where(ledger.use_case == name_of(use_case))
        return int(self._read(lambda connection: connection.scalar(query)) or 0)

    def batches_of(self, ledger_ids: set[int]) -> dict[int, tuple[int, int]]:
        """(epoch, batch number) of entries of the ledger, by their id."""
        table = tables.ledger.c
        query = select(table.id, table.epoch, table.batch_number).where(table.id.in_(sorted(ledger_ids)))
        return {row["id"]: (row["epoch"], row["batch_number"]) for row in self._rows(query)}

    def sample_rows(self, use_case: UseCase, limit: int) -> dict[str, list[Any]]:
        """Accepted rows from all over the table, column by column: all of them, or about `limit` of many."""
        self._check_rows_table(use_case)
        table, names = tables.rows_table(use_case), [column.name for column in use_case.columns]
        number = table.c.row_id

        def read(connection: Connection) -> list[Any]:
            first, last = connection.execute(select(func.min(number), func.max(number))).one()
            if first is None:
                return []
            query = select(*(table.c[name] for name in names)).order_by(number)
            if last - first < limit:
                return list(connection.execute(query.limit(limit)))
            step = (last - first) / BLOCKS
            starts = [first + int(step * block) for block in range(BLOCKS)]
            return [
                row
                for start, end in zip(starts, [*starts[1:], last + 1], strict=True)
                for row in connection.execute(query.where(number >= start, number < end).limit(limit // BLOCKS))
            ]

        found = self._read(read)
        values = zip(*found, strict=True) if found else ([] for _ in names)
        return {name: list(column) for name, column in zip(names, values, strict=True)}

    def newest_rows(self, use_case: UseCase, limit: int, after_ledger_id: int = 0) -> dict[str, list[Any]]:
        """The newest accepted rows, column by column: a bounded reading that needs no polars.

        Parameters
        ----------
        after_ledger_id : only rows of deliveries stored after this entry of the ledger.
        """
        self._check_rows_table(use_case)
        table, names = tables.rows_table(use_case), [column.name for column in use_case.columns]
        newest = select(table).order_by(table.c.row_id.desc()).limit(limit).subquery()
        # Outside: a table without new rows would be read to its end for the first of them.
        query = select(*(newest.c[name] for name in names)).where(newest.c.ledger_id > after_ledger_id)
        query = query.order_by(newest.c.row_id.desc())
        found = self._read(lambda connection: connection.execute(query).fetchall())
        values = zip(*found, strict=True) if found else ([] for _ in names)
        return {name: list(column) for name, column in zip(names, values, strict=True)}


def _replace_poll(connection: Connection, same: Any, values: dict[str, Any], name: str) -> None:
    if connection.execute(update(tables.collection_polls).where(same).values(values)).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(tables.collection_polls).values(use_case=name, **values))
    except IntegrityError:
        # Another poll recorded itself for the first time meanwhile.
        connection.execute(update(tables.collection_polls).where(same).values(values))
