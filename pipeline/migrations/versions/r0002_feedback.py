"""The place of a prediction in its request, true outcomes of predictions, and the last poll of each source.

MySQL commits after each statement, so a revision may be cut off half-way: each statement must bear being repeated.
"""

import sqlalchemy as sa
from alembic import op

from pipeline.warehouse.tables import TABLE_OPTIONS, JsonText, UtcDateTime, big_id

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    if "record_index" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("predictions")}:
        op.add_column("predictions", sa.Column("record_index", sa.Integer, nullable=False, server_default=sa.text("0")))
    _create_index("ix_predictions_use_case_request", "predictions", ["use_case", "request_id"])
    _create_index("ix_predictions_use_case_version_at", "predictions", ["use_case", "model_version", "at"])
    op.create_table(
        "feedback",
        sa.Column("id", big_id(), primary_key=True, autoincrement=True),
        sa.Column("use_case", sa.String(48), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("record_index", sa.Integer, nullable=False),
        sa.Column("outcome", JsonText, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("use_case", "request_id", "record_index", name="uq_feedback_record"),
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
    _create_index("ix_feedback_use_case_at", "feedback", ["use_case", "at"])
    op.create_table(
        "collection_polls",
        sa.Column("use_case", sa.String(48), primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        if_not_exists=True,
        **TABLE_OPTIONS,
    )


def _create_index(name: str, table: str, columns: list[str]) -> None:
    # MySQL has no CREATE INDEX IF NOT EXISTS.
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
