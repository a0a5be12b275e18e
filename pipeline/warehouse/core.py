"""The warehouse as the rest of the product sees it."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, make_url, select
from sqlalchemy.exc import ArgumentError

from pipeline.errors import WarehouseError
from pipeline.settings import PipelineSettings
from pipeline.use_case import UseCase
from pipeline.warehouse import schema, tables
from pipeline.warehouse.access import name_of
from pipeline.warehouse.collected import CollectionTables
from pipeline.warehouse.database import Database
from pipeline.warehouse.feedback import FeedbackTables
from pipeline.warehouse.predictions import PredictionTables
from pipeline.warehouse.records import LedgerEntry, PromotionRecord, TrainingDecisionRecord
from pipeline.warehouse.retention import RetainedTables

if TYPE_CHECKING:
    import polars as pl

    from pipeline.lake import ArchivedDelivery
    from pipeline.validation import ValidationResult


class Warehouse(CollectionTables, PredictionTables, FeedbackTables, RetainedTables):
    """Tables of one database. An object may be shared by threads, not by forked processes.

    Every method raises WarehouseError, which says what is wrong and what to do: unreachable, wrong password, no such
    database, tables missing or of another revision (`mlops init`), disk full.
    """

    def close(self) -> None:
        """Give the connections back."""
        self.database.engine.dispose()

    def migrate(self, use_cases: Iterable[UseCase]) -> None:
        """Make or update the tables (`mlops init`). May be repeated, cut off half-way, and run by several at once."""
        schema.migrate(self.database, use_cases)

    def check_migration(self, use_cases: Iterable[UseCase]) -> None:
        """Raise WarehouseError where `migrate` would, and change nothing."""
        schema.check_migration(self.database, use_cases)

    # --- collection -----------------------------------------------------------------------------------------------

    def lease(self, name: str, seconds: float) -> AbstractContextManager[None]:
        """Hold a named lease while in the block; raises CollectionBusy when someone else holds it."""
        from pipeline.warehouse.ledger import hold_lease

        self._check_revision()
        return hold_lease(self.database, name, seconds)

    def store(self, archived: "ArchivedDelivery", result: "ValidationResult") -> LedgerEntry:
        """Store a validated delivery in one transaction, exactly once: a repeat returns the entry of the first time."""
        from pipeline.warehouse import ledger

        self._check_rows_table(result.use_case)
        return self.database.write(lambda connection: ledger.store(connection, archived, result))

    def ledger(self, use_case: UseCase | str) -> list[LedgerEntry]:
        """Entries of a use case in the order in which they were stored."""
        query = select(tables.ledger).where(tables.ledger.c.use_case == name_of(use_case)).order_by(tables.ledger.c.id)
        return [LedgerEntry(**row) for row in self._rows(query)]

    def row_count(self, use_case: UseCase | str) -> int:
        """Number of accepted rows."""
        # The ledger knows, and counting a large table takes MySQL seconds.
        ledger = tables.ledger.c
        query = select(func.coalesce(func.sum(ledger.accepted), 0)).where(ledger.use_case == name_of(use_case))
        return int(self._read(lambda connection: connection.scalar(query)) or 0)

    def read_rows(self, use_case: UseCase) -> "pl.DataFrame":
        """All accepted rows: ``row_hash``, ``ledger_id`` and the use case's columns, typed, in no particular order."""
        import polars as pl

        from pipeline.warehouse.loading import read_frame

        self._check_rows_table(use_case)
        kinds = {"integer": pl.Int64, "number": pl.Float64, "date": pl.Date, "category": pl.String, "text": pl.String}
        types: dict[str, Any] = {
            "row_hash": pl.String,
            "ledger_id": pl.Int64,
            **{c.name: kinds[c.type] for c in use_case.columns},
        }
        table = tables.rows_table(use_case)
        query = str(select(*(table.c[name] for name in types)).compile(self.database.engine))
        return self._read(lambda connection: read_frame(connection, query, types))

    def row_places(self, use_case: UseCase) -> "pl.DataFrame":
        """``ledger_id``, ``row_index`` and ``row_hash`` of all accepted rows: where each one came from."""
        import polars as pl

        from pipeline.warehouse.loading import read_frame

        self._check_rows_table(use_case)
        table = tables.rows_table(use_case).c
        query = str(select(table.ledger_id, table.row_index, table.row_hash).compile(self.database.engine))
        types: dict[str, Any] = {"ledger_id": pl.Int64, "row_index": pl.Int64, "row_hash": pl.String}
        return self._read(lambda connection: read_frame(connection, query, types))

    def quarantine_counts(self, use_case: UseCase | str) -> dict[int, int]:
        """Number of quarantined rows by ledger entry, counted in the table itself."""
        table = tables.quarantine.c
        query = select(table.ledger_id, func.count().label("rows")).where(table.use_case == name_of(use_case))
        return {row["ledger_id"]: row["rows"] for row in self._rows(query.group_by(table.ledger_id))}

    # --- training and promotion -----------------------------------------------------------------------------------

    def record_decision(self, use_case: str, train: bool, reasons: list[str], numbers: dict[str, Any]) -> None:
        """Record why a training run takes place or not."""
        values = {"use_case": use_case, "train": train, "reasons": reasons, "numbers": numbers, "at": datetime.now(UTC)}
        self._write(lambda connection: connection.execute(insert(tables.decisions).values(values)))

    def decisions(self, use_case: str, limit: int = 100) -> list[TrainingDecisionRecord]:
        """The newest training decisions, newest first."""
        table = tables.decisions.c
        names = TrainingDecisionRecord.model_fields
        query = select(*(table[name] for name in names)).where(table.use_case == use_case)
        return [TrainingDecisionRecord(**row) for row in self._rows(query.order_by(table.id.desc()).limit(limit))]

    def record_promotion(self, record: PromotionRecord) -> PromotionRecord:
        """Record a promotion, rejection or roll back, and return it with its time."""
        stored = record.model_copy(update={"at": record.at or datetime.now(UTC)})
        self._write(lambda connection: connection.execute(insert(tables.promotions).values(stored.model_dump())))
        return stored

    def promotion_history(self, name: str, limit: int = 100) -> list[PromotionRecord]:
        """What happened to the champion of a use case, newest first."""
        table = tables.promotions.c
        query = select(*(table[column] for column in PromotionRecord.model_fields)).where(table.use_case == name)
        return [PromotionRecord(**row) for row in self._rows(query.order_by(table.id.desc()).limit(limit))]


def open_warehouse(settings: PipelineSettings, patience_seconds: int | None = None) -> Warehouse:
    """The warehouse that WAREHOUSE_URL and WAREHOUSE_PASSWORD name. Nothing is contacted before the first use.

    Parameters
    ----------
    patience_seconds : how long MySQL may take for one statement; None for as long as it needs.
    """
    try:
        url = make_url(settings.warehouse_url)
    except (ArgumentError, ValueError) as error:
        raise WarehouseError(f"WAREHOUSE_URL is not a database URL: {error}") from None
    password = settings.warehouse_password
    if password and url.get_backend_name() == "mysql":
        url = url.set(password=password.get_secret_value())
    return Warehouse(Database(url, patience_seconds))
