"""Collection, step by step: poll → validate → store. What the DAG's tasks and ``mlops collect`` call.

Each step may be repeated, run by several at once or die at any line: the tables come out the same and no row is
lost. That rests on three things: the raw reply is archived before anything is done with it, everything after is
derived from the archive alone, and the ledger takes each archived delivery once.
"""

import hashlib
import io
import json
import logging
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from pipeline.archive import archive_key, epoch_of, find_archived, pending, processed_key, read_delivery, read_processed
from pipeline.audit import AuditReport, audit
from pipeline.errors import SourceError
from pipeline.lake import ArchivedDelivery, Lake
from pipeline.source import Delivery, SourceClient, parse_delivery
from pipeline.use_case import UseCase
from pipeline.validation import ValidationResult, validate
from pipeline.warehouse import LedgerEntry, Warehouse

__all__ = [
    "AuditReport",
    "ProcessedDelivery",
    "audit",
    "collect",
    "pending",
    "poll",
    "recover",
    "store_delivery",
    "validate_delivery",
]

logger = logging.getLogger(__name__)

# How long a poller that died keeps others waiting, beyond the source's own time-out.
LEASE_MARGIN_SECONDS = 15.0


class ProcessedDelivery(BaseModel):
    """A validated delivery in the lake, ready to be stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    archived: ArchivedDelivery
    uri: str
    quarantine_uri: str
    delivered: int
    accepted: int
    quarantined: int


def poll(use_case: UseCase, source: SourceClient, lake: Lake, warehouse: Warehouse) -> ArchivedDelivery:
    """Ask the source once and archive its reply.

    Raises
    ------
    SourceExhausted, SourceRejected, SourceError
        The source delivered nothing; a reply that cannot be read is kept under ``rejected/``.
    CollectionBusy
        Another poll of the same source is under way.
    """
    return _poll(use_case, source, lake, warehouse)[0]


def validate_delivery(use_case: UseCase, lake: Lake, archived: ArchivedDelivery) -> ProcessedDelivery:
    """Check the rows of an archived delivery and write the accepted and the quarantined ones to the lake."""
    return _process(use_case, lake, archived, read_delivery(lake, archived))[0]


def store_delivery(use_case: UseCase, lake: Lake, warehouse: Warehouse, processed: ProcessedDelivery) -> LedgerEntry:
    """Store a validated delivery in the warehouse, exactly once."""
    return warehouse.store(processed.archived, read_processed(use_case, lake, processed.archived))


def collect(use_case: UseCase, source: SourceClient, lake: Lake, warehouse: Warehouse) -> LedgerEntry:
    """All steps in a row, for what earlier runs left behind and then for one new delivery. Raises as `poll` does."""
    recover(use_case, lake, warehouse)
    archived, delivery = _poll(use_case, source, lake, warehouse)
    _, result = _process(use_case, lake, archived, delivery)
    return warehouse.store(archived, result)


def recover(use_case: UseCase, lake: Lake, warehouse: Warehouse) -> list[LedgerEntry]:
    """Store the deliveries that were archived by runs which died before they stored them."""
    entries = []
    for archived in pending(use_case, lake, warehouse):
        logger.info("storing %s, which an earlier run left behind", archived.uri)
        processed = validate_delivery(use_case, lake, archived)
        entries.append(store_delivery(use_case, lake, warehouse, processed))
    return entries


def _poll(
    use_case: UseCase, source: SourceClient, lake: Lake, warehouse: Warehouse
) -> tuple[ArchivedDelivery, Delivery]:
    group = f"{use_case.name}/group={source.group_number}"
    with warehouse.lease(group, source.timeout + LEASE_MARGIN_SECONDS):
        # Before the source is asked: it hands out its last batch once, so the lake had better be there.
        known = lake.list(f"raw/{group}/")
        body = source.fetch(use_case)
        digest = hashlib.sha256(body).hexdigest()
        try:
            delivery = parse_delivery(body)
            _check_group(delivery, source)
        except SourceError as error:
            kept = lake.put(f"rejected/{use_case.name}/{digest}.txt", body)
            raise SourceError(f"{error}; the reply is kept as {kept}") from error
        archived = ArchivedDelivery(
            use_case=use_case.name,
            group_number=delivery.group_number,
            epoch=epoch_of(delivery.batch_number, known),
            batch_number=delivery.batch_number,
            payload_sha256=digest,
            uri="",
            received_at=datetime.now(UTC),
        )
        key = archive_key(archived)
        if key not in known:
            lake.put(key, body)
    logger.info("archived %s", lake.uri(key))
    return find_archived(lake, key), delivery


def _check_group(delivery: Delivery, source: SourceClient) -> None:
    if delivery.group_number != source.group_number:
        raise SourceError(
            f"the source was asked for group {source.group_number} and answered for group {delivery.group_number}"
        )


def _process(
    use_case: UseCase, lake: Lake, archived: ArchivedDelivery, delivery: Delivery
) -> tuple[ProcessedDelivery, ValidationResult]:
    result = validate(use_case, delivery.rows)
    table = io.BytesIO()
    result.accepted.write_parquet(table, compression="lz4")
    rows = [{"row_index": row.row_index, "row": row.row, "reasons": row.reasons} for row in result.quarantined]
    processed = ProcessedDelivery(
        archived=archived,
        uri=lake.put(processed_key(archived, ".parquet"), table.getvalue()),
        quarantine_uri=lake.put(processed_key(archived, ".quarantine.json"), json.dumps(rows).encode()),
        delivered=result.delivered,
        accepted=result.accepted.height,
        quarantined=len(rows),
    )
    return processed, result
