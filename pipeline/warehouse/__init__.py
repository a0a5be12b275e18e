"""The data warehouse: the ledger of deliveries, their rows, quarantine, decisions, promotions, predictions and
their outcomes.

SQLite and MySQL, over SQLAlchemy. Nothing else is imported until a method needs it, so a service that only
records promotions and predictions needs neither polars nor Alembic.
"""

from pipeline.warehouse.core import Warehouse, open_warehouse
from pipeline.warehouse.records import (
    BatchRecord,
    Feedback,
    JudgedPrediction,
    LedgerEntry,
    PollRecord,
    PromotionRecord,
    PrunedRecord,
    QuarantineEntry,
    TrainingDecisionRecord,
)

__all__ = [
    "BatchRecord",
    "Feedback",
    "JudgedPrediction",
    "LedgerEntry",
    "PollRecord",
    "PromotionRecord",
    "PrunedRecord",
    "QuarantineEntry",
    "TrainingDecisionRecord",
    "Warehouse",
    "open_warehouse",
]
