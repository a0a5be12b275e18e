"""Ledger, quarantine, lease, training decisions, promotions and predictions.

MySQL commits after each statement, so a revision may be cut off half-way: each statement must bear being repeated.
"""

import sqlalchemy as sa
from alembic import op

from pipeline.warehouse.tables import TABLE_OPTIONS, JsonText, UtcDateTime, ascii_char, big_id

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "collection_ledger",
        sa.Column("id", big_id(), primary_key=True, autoincrement=True),
        sa.Column("use_case", sa.String(48), nullable=False),
        sa.Column("group_number", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("batch_number", sa.Integer, nullable=False),
        sa.Column("payload_sha256", ascii_char(64), nullable=False),
        sa.Column("lake_uri", sa.String(1024), nullable=False),
        sa.Column("delivered", sa.Integer, nullable=False),
        sa.Column("accepted", sa.Integer, nullable=False),
        sa.Column("duplicate", sa.Integer, nullable=False),
        sa.Column("quarantined", sa.Integer, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("stored_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint(
            "use_case", "group_number", "epoch", "batch_number", "payload_sha256", name="uq_collection_ledger_identity"
        ),
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
    op.create_table(
        "quarantine",
        sa.Column("ledger_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("row_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("use_case", sa.String(48), nullable=False),
        sa.Column("delivered_row", JsonText, nullable=False),
        sa.Column("reasons", JsonText, nullable=False),
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
    op.create_table(
        "collection_lease",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("holder", ascii_char(32), nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
    _create_records()


def _create_records() -> None:
    op.create_table(
        "training_decisions",
        sa.Column("id", big_id(), primary_key=True, autoincrement=True),
        sa.Column("use_case", sa.String(48), nullable=False),
        sa.Column("train", sa.Boolean, nullable=False),
        sa.Column("reasons", JsonText, nullable=False),
        sa.Column("numbers", JsonText, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
    op.create_table(
        "promotions",
        sa.Column("id", big_id(), primary_key=True, autoincrement=True),
        sa.Column("use_case", sa.String(48), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("from_version", sa.Integer),
        sa.Column("to_version", sa.Integer),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("decision", JsonText),
        sa.Column("at", UtcDateTime, nullable=False),
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
    op.create_table(
        "predictions",
        sa.Column("id", big_id(), primary_key=True, autoincrement=True),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("use_case", sa.String(48), nullable=False),
        sa.Column("model_version", sa.Integer, nullable=False),
        sa.Column("features", JsonText, nullable=False),
        sa.Column("prediction", JsonText, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
    _create_index("ix_training_decisions_use_case", "training_decisions", ["use_case"])
    _create_index("ix_promotions_use_case", "promotions", ["use_case"])
    _create_index("ix_predictions_use_case_at", "predictions", ["use_case", "at"])


def _create_index(name: str, table: str, columns: list[str]) -> None:
    # MySQL has no CREATE INDEX IF NOT EXISTS.
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
