"""What was served grows with the traffic, so what is old is deleted: the prediction log and its outcomes."""

from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Connection, Table, select

from pipeline.warehouse import tables
from pipeline.warehouse.access import CheckedTables
from pipeline.warehouse.records import PrunedRecord

# A transaction deletes so many, as the API waits for its locks no longer than that.
ROWS_PER_TRANSACTION = 1000
# "For ever" may be a number of any size, but a date cannot be of any age.
LONGEST_KEPT_DAYS = 100_000


class RetainedTables(CheckedTables):
    """The part of `Warehouse` that deletes what was served long ago."""

    def prune_served(self, kept_days: float, kept_rows: int) -> list[PrunedRecord]:
        """Delete predictions and outcomes that are old, or that newer ones have pushed out.

        May be repeated, cut off half-way, and run by several at once.

        Parameters
        ----------
        kept_days : age in days from which rows are deleted; 0 for any age.
        kept_rows : rows of each of the two tables that a use case keeps, the newest; 0 for all.

        Returns
        -------
        what was deleted of each use case that has ever been served, by name.
        """
        since = datetime.now(UTC) - timedelta(days=min(kept_days, LONGEST_KEPT_DAYS)) if kept_days else None
        served, judged = select(tables.predictions.c.use_case), select(tables.feedback.c.use_case)
        names = self._read(lambda connection: sorted(connection.scalars(served.distinct().union(judged.distinct()))))
        return [
            PrunedRecord(
                use_case=name,
                predictions=self._prune(tables.predictions, name, since, kept_rows),
                feedback=self._prune(tables.feedback, name, since, kept_rows),
            )
            for name in names
        ]

    def _prune(self, table: Table, use_case: str, since: datetime | None, kept_rows: int) -> int:
        limits = [since, self._oldest_kept(table, use_case, kept_rows) if kept_rows else None]
        before = max((limit for limit in limits if limit), default=None)
        deleted, start = 0, None
        while before is not None:
            part = self._write(partial(_delete_oldest, table, use_case, start, before))
            if not part:
                break
            deleted += len(part)
            # What MySQL has deleted stays in its index for a while: it is not looked through again.
            start = part[-1]
        return deleted

    def _oldest_kept(self, table: Table, use_case: str, rows: int) -> datetime | None:
        newest = select(table.c.at).where(table.c.use_case == use_case).order_by(table.c.at.desc())
        query = newest.limit(1).offset(rows - 1)
        return self._read(lambda connection: connection.scalars(query).first())


def _delete_oldest(
    table: Table, use_case: str, start: datetime | None, before: datetime, connection: Connection
) -> list[datetime]:
    """The times of what was deleted, oldest first; none when there is nothing left before `before`."""
    oldest = select(table.c.id, table.c.at).where(table.c.use_case == use_case, table.c.at < before)
    if start is not None:
        oldest = oldest.where(table.c.at >= start)
    found = connection.execute(oldest.order_by(table.c.at).limit(ROWS_PER_TRANSACTION)).all()
    if found:
        connection.execute(table.delete().where(table.c.id.in_([row.id for row in found])))
    return [row.at for row in found]
