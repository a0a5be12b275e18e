"""The data warehouse: the ledger of deliveries, their rows, quarantine, decisions, promotions and predictions.

SQLite and MySQL, over SQLAlchemy. Nothing else is imported until a method needs it, so a service that only
records promotions and predictions needs neither polars nor Alembic.
"""

from pipeline.warehouse.core import Warehouse, open_warehouse
from pipeline.warehouse.records import LedgerEntry, PromotionRecord, QuarantineEntry, TrainingDecisionRecord

__all__ = [
    "LedgerEntry",
    "PromotionRecord",
    "QuarantineEntry",
    "TrainingDecisionRecord",
    "Warehouse",
    "open_warehouse",
]
