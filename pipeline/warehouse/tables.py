"""The tables: fixed ones, and one per use case made from its columns."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine

from pipeline.encoded_json import EncodedJson
from pipeline.errors import ConfigurationError
from pipeline.use_case import Column as UseCaseColumn
from pipeline.use_case import UseCase

# The newest revision in pipeline/migrations; named here so that a service without Alembic can check it.
SCHEMA_REVISION = "0002"
VERSION_TABLE = "warehouse_version"
ROW_COLUMNS = ("row_id", "row_hash", "ledger_id", "row_index")

# A binary collation: 'a' and 'A' differ, as they do for a model.
TABLE_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

metadata = MetaData()


def ascii_char(length: int) -> TypeEngine[str]:
    """Fixed text of hex digits: one byte a character on MySQL."""
    return CHAR(length).with_variant(mysql.CHAR(length, charset="ascii", collation="ascii_bin"), "mysql")


def big_id() -> TypeEngine[int]:
    """SQLite numbers rows by itself only where the type is spelled INTEGER."""
    return BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, stored as UTC to the microsecond."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(mysql.DATETIME(fsp=6) if dialect.name == "mysql" else DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


class JsonText(TypeDecorator[Any]):
    """JSON as ASCII text: MySQL's own JSON type refuses the NaN and the broken Unicode that a bad row may hold."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(mysql.LONGTEXT() if dialect.name == "mysql" else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:  # noqa: ARG002
        return value if type(value) is EncodedJson else _encode_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else json.loads(value)


def _plain(value: Any) -> Any:
    """A numpy number as Python's own; anything else (a date, a path) as its text."""
    return value.item() if hasattr(value, "item") else str(value)


# Made once: `json.dumps` with options would make one for every value.
_encode_json = json.JSONEncoder(default=_plain, separators=(",", ":")).encode


ledger = Table(
    "collection_ledger",
    metadata,
    Column("id", big_id(), primary_key=True, autoincrement=True),
    Column("use_case", String(48), nullable=False),
    Column("group_number", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("batch_number", Integer, nullable=False),
    Column("payload_sha256", ascii_char(64), nullable=False),
    Column("lake_uri", String(1024), nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("duplicate", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("stored_at", UtcDateTime, nullable=False),
    UniqueConstraint(
        "use_case", "group_number", "epoch", "batch_number", "payload_sha256", name="uq_collection_ledger_identity"
    ),
    **TABLE_OPTIONS,
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("ledger_id", BigInteger, primary_key=True, autoincrement=False),
    Column("row_index", Integer, primary_key=True, autoincrement=False),
    Column("use_case", String(48), nullable=False),
    Column("delivered_row", JsonText, nullable=False),
    Column("reasons", JsonText, nullable=False),
    **TABLE_OPTIONS,
)

lease = Table(
    "collection_lease",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("holder", ascii_char(32), nullable=False),
    Column("expires_at", Double, nullable=False),
    **TABLE_OPTIONS,
)

decisions = Table(
    "training_decisions",
    metadata,
    Column("id", big_id(), primary_key=True, autoincrement=True),
    Column("use_case", String(48), nullable=False),
    Column("train", Boolean, nullable=False),
    Column("reasons", JsonText, nullable=False),
    Column("numbers", JsonText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_training_decisions_use_case", "use_case"),
    **TABLE_OPTIONS,
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", big_id(), primary_key=True, autoincrement=True),
    Column("use_case", String(48), nullable=False),
    Column("action", String(16), nullable=False),
    Column("from_version", Integer),
    Column("to_version", Integer),
    Column("actor", String(128), nullable=False),
    Column("reason", Text, nullable=False),
    Column("decision", JsonText),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_promotions_use_case", "use_case"),
    **TABLE_OPTIONS,
)

predictions = Table(
    "predictions",
    metadata,
    Column("id", big_id(), primary_key=True, autoincrement=True),
    Column("request_id", String(64), nullable=False),
    Column("use_case", String(48), nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("features", JsonText, nullable=False),
    Column("prediction", JsonText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # The record's place in its request; last, as MySQL adds a column there without writing the table anew.
    Column("record_index", Integer, nullable=False, server_default=text("0")),
    Index("ix_predictions_use_case_at", "use_case", "at"),
    Index("ix_predictions_use_case_request", "use_case", "request_id"),
    # Without it the newest predictions of a version that answers little are looked for among those of all others.
    Index("ix_predictions_use_case_version_at", "use_case", "model_version", "at"),
    **TABLE_OPTIONS,
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", big_id(), primary_key=True, autoincrement=True),
    Column("use_case", String(48), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("record_index", Integer, nullable=False),
    Column("outcome", JsonText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("use_case", "request_id", "record_index", name="uq_feedback_record"),
    Index("ix_feedback_use_case_at", "use_case", "at"),
    **TABLE_OPTIONS,
)

collection_polls = Table(
    "collection_polls",
    metadata,
    Column("use_case", String(48), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    **TABLE_OPTIONS,
)


def rows_table_name(use_case: str) -> str:
    return f"rows_{use_case}"


def rows_table(use_case: UseCase) -> Table:
    """The table of a use case's accepted rows, outside the fixed metadata.

    Raises
    ------
    ConfigurationError
        A column of the use case has a name that the table needs for itself.
    """
    taken = sorted(column.name for column in use_case.columns if column.name.lower() in ROW_COLUMNS)
    if taken:
        raise ConfigurationError(
            f"use case {use_case.name}: columns {', '.join(taken)} must be renamed, "
            f"the warehouse uses {', '.join(ROW_COLUMNS)} itself"
        )
    return Table(
        rows_table_name(use_case.name),
        MetaData(),
        # Rows lie in the order of their arrival: a bulk load appends them, and only the small index is random.
        Column("row_id", big_id(), primary_key=True, autoincrement=True),
        Column("row_hash", ascii_char(32), nullable=False, unique=True),
        Column("ledger_id", BigInteger, nullable=False),
        Column("row_index", Integer, nullable=False),
        *(Column(column.name, _column_type(column), nullable=column.nullable) for column in use_case.columns),
        **TABLE_OPTIONS,
    )


def _column_type(column: UseCaseColumn) -> TypeEngine[Any]:
    if column.type == "category":
        return String(max(64, *(len(name) for name in column.categories or {})))
    types: dict[str, TypeEngine[Any]] = {
        "integer": BigInteger(),
        "number": Double(),
        "date": Date(),
        "text": String(255),
    }
    return types[column.type]
