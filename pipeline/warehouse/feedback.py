"""True outcomes of served predictions, and what they say about the versions that answered."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, and_, select, tuple_
from sqlalchemy.dialects import mysql, sqlite

from pipeline.warehouse import tables
from pipeline.warehouse.access import CheckedTables
from pipeline.warehouse.records import Feedback, JudgedPrediction

# Keys that one statement asks for or writes.
KEYS_PER_STATEMENT = 500

Key = tuple[str, int]


class FeedbackTables(CheckedTables):
    """The part of `Warehouse` that holds feedback."""

    def logged_records(self, use_case: str, request_ids: Collection[str]) -> set[Key]:
        """(request id, record index) of what the prediction log holds of some requests."""
        table = tables.predictions.c

        def read(connection: Connection) -> set[Key]:
            found: set[Key] = set()
            for ids in _parts(sorted(set(request_ids))):
                query = select(table.request_id, table.record_index)
                query = query.where(table.use_case == use_case, table.request_id.in_(ids))
                found |= {(row[0], row[1]) for row in connection.execute(query)}
            return found

        return self._read(read)

    def store_feedback(self, use_case: str, feedback: Sequence[Feedback]) -> int:
        """Store outcomes in one transaction; one for a record that has one already takes its place.

        Returns
        -------
        how many took the place of an earlier one.
        """
        now = datetime.now(UTC)
        # In the order of the unique index: two writers that share records wait for each other without a deadlock.
        unique = dict(sorted({(item.request_id, item.record_index): item for item in feedback}.items()))
        rows = [{"use_case": use_case, "at": now, **item.model_dump()} for item in unique.values()]

        def write(connection: Connection) -> int:
            replaced = 0
            for part in _parts(rows):
                replaced += len(_stored(connection, use_case, part))
                connection.execute(_upsert(connection).values(part))
            return replaced

        return self._write(write)

    def judged_predictions(self, use_case: str, limit: int) -> list[JudgedPrediction]:
        """Predictions whose outcome is known, for the newest `limit` outcomes, newest first.

        A record that several versions answered under one request id counts for each of them, by its newest answer.
        """
        feedback, predictions = tables.feedback.c, tables.predictions.c
        newest = select(tables.feedback).where(feedback.use_case == use_case)
        newest_feedback = newest.order_by(feedback.at.desc(), feedback.id.desc()).limit(limit).subquery()
        same = and_(
            predictions.use_case == newest_feedback.c.use_case,
            predictions.request_id == newest_feedback.c.request_id,
            predictions.record_index == newest_feedback.c.record_index,
        )
        query = select(
            newest_feedback.c.id,
            predictions.id.label("prediction_id"),
            predictions.model_version,
            predictions.prediction,
            newest_feedback.c.outcome,
        ).join_from(newest_feedback, tables.predictions, same)
        rows = sorted(self._rows(query), key=lambda row: (row["id"], row["prediction_id"]), reverse=True)
        judged: dict[tuple[int, int], JudgedPrediction] = {}
        for row in rows:
            found = JudgedPrediction(row["model_version"], row["prediction"], row["outcome"])
            judged.setdefault((row["id"], found.version), found)
        return list(judged.values())


def _parts(values: Sequence[Any]) -> Any:
    rest = iter(values)
    return iter(lambda: list(islice(rest, KEYS_PER_STATEMENT)), [])


def _stored(connection: Connection, use_case: str, rows: list[dict[str, Any]]) -> list[Any]:
    table = tables.feedback.c
    keys = [(row["request_id"], row["record_index"]) for row in rows]
    query = select(table.id).where(table.use_case == use_case, tuple_(table.request_id, table.record_index).in_(keys))
    return list(connection.scalars(query))


def _upsert(connection: Connection) -> Any:
    if connection.dialect.name == "mysql":
        statement = mysql.insert(tables.feedback)
        return statement.on_duplicate_key_update(outcome=statement.inserted.outcome, at=statement.inserted.at)
    replacing = sqlite.insert(tables.feedback)
    return replacing.on_conflict_do_update(
        index_elements=["use_case", "request_id", "record_index"],
        set_={"outcome": replacing.excluded.outcome, "at": replacing.excluded.at},
    )
