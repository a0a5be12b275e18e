"""What was served: the log of predictions, read without ever counting or sorting all of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, literal_column, select, text
from sqlalchemy.sql.elements import ColumnElement

from pipeline.warehouse import tables
from pipeline.warehouse.access import CheckedTables
from pipeline.warehouse.bulk_insert import insert_rows

_LOGGED = ("request_id", "use_case", "model_version", "features", "prediction", "at", "record_index")


class PredictionTables(CheckedTables):
    """The part of `Warehouse` that holds the prediction log."""

    def log_predictions(self, predictions: list[dict[str, Any]]) -> None:
        """Record served predictions.

        Parameters
        ----------
        predictions : each with ``request_id``, ``use_case``, ``model_version``, ``features`` (JSON-able),
            ``prediction`` (JSON-able) and optionally ``at`` (aware datetime, by default now) and ``record_index``
            (the record's place in its request, by default 0).
        """
        if predictions:
            defaults = {"at": datetime.now(UTC), "record_index": 0}
            rows = [[(defaults | prediction)[name] for name in _LOGGED] for prediction in predictions]
            self._write(lambda connection: insert_rows(connection, tables.predictions, _LOGGED, rows))

    def predictions(self, use_case: str, limit: int = 1000) -> list[dict[str, Any]]:
        """The newest served predictions, newest first, with the keys that `log_predictions` takes."""
        table = tables.predictions.c
        columns = [column for column in table if column.name != "id"]
        query = select(*columns).where(table.use_case == use_case)
        return self._rows(query.order_by(table.at.desc(), table.id.desc()).limit(limit))

    def newest_served(self, use_case: str, version: int, since: datetime, limit: int) -> list[tuple[Any, Any]]:
        """Features and prediction of the newest records that a version answered, newest first.

        Parameters
        ----------
        since : what was answered earlier is left out.
        """
        table = tables.predictions.c
        query = select(table.features, table.prediction)
        query = query.where(table.use_case == use_case, table.model_version == version, table.at >= since)
        query = query.order_by(table.at.desc(), table.id.desc()).limit(limit)
        return self._read(lambda connection: [(row[0], row[1]) for row in connection.execute(query)])

    def prediction_counts(self, use_case: str, start: datetime, bucket: timedelta) -> dict[datetime, int]:
        """Number of predictions in each bucket of time from `start` on; empty buckets are left out."""
        seconds = int(bucket.total_seconds())

        def count(connection: Connection) -> dict[datetime, int]:
            table = tables.predictions.c
            number = _bucket_number(connection, start, seconds).label("bucket")
            query = select(number, func.count()).where(table.use_case == use_case, table.at >= start)
            found = connection.execute(query.group_by(text("bucket")))
            return {start + int(row[0]) * bucket: int(row[1]) for row in found}

        return self._read(count)

    def newest_answers(
        self, use_case: str, starts: Sequence[datetime], bucket: timedelta, limit: int
    ) -> dict[datetime, list[Any]]:
        """The newest predictions, at most `limit`, of each bucket of time that begins at one of `starts`."""
        table = tables.predictions.c

        def read(connection: Connection) -> dict[datetime, list[Any]]:
            found = {}
            for start in starts:
                query = select(table.prediction)
                query = query.where(table.use_case == use_case, table.at >= start, table.at < start + bucket)
                query = query.order_by(table.at.desc()).limit(limit)
                found[start] = list(connection.scalars(query))
            return found

        return self._read(read)


def _bucket_number(connection: Connection, start: datetime, seconds: int) -> ColumnElement[int]:
    """Whole buckets between `start` and a prediction, as each database counts seconds without a time zone."""
    moment = start.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if connection.dialect.name == "mysql":
        elapsed = f"TIMESTAMPDIFF(SECOND, '{moment}', predictions.at) DIV {seconds}"
    else:
        elapsed = f"(strftime('%s', predictions.at) - strftime('%s', '{moment}')) / {seconds}"
    return literal_column(elapsed)
