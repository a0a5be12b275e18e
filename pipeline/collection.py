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
from pipeline.errors import LakeError, SourceError, SourceExhausted, SourceRejected, WarehouseError
from pipeline.lake import ArchivedDelivery, Lake
from pipeline.source import Delivery, SourceClient, parse_delivery
from pipeline.use_case import UseCase
from pipeline.validation import validate
from pipeline.warehouse import LedgerEntry, Warehouse
from pipeline.warehouse.records import PollOutcome

__all__ = [
    "AuditReport",
    "ProcessedDelivery",
    "audit",
    "collect",
    "pending",
    "poll",
    "poll_pending",
    "recover",
    "store_delivery",
    "validate_delivery",
    "validate_readable",
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
    """Ask the source once and archive its reply; how that ended is recorded in the warehouse.

    Raises
    ------
    SourceExhausted, SourceRejected, SourceError
        The source delivered nothing; a reply that cannot be read is kept under ``rejected/``.
    CollectionBusy
        Another poll of the same source is under way.
    """
    try:
        archived, rows = _poll(use_case, source, lake, warehouse)
    except SourceExhausted as error:
        _record(use_case, warehouse, "exhausted", str(error))
        raise
    except (SourceRejected, SourceError, LakeError) as error:
        _record(use_case, warehouse, "failed", str(error))
        raise
    _record(use_case, warehouse, "delivered", f"batch {archived.batch_number}: {rows} rows")
    return archived


def _poll(use_case: UseCase, source: SourceClient, lake: Lake, warehouse: Warehouse) -> tuple[ArchivedDelivery, int]:
    """The archived reply, and how many rows it holds."""
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
    return find_archived(lake, key), len(delivery.rows)


def _record(use_case: UseCase, warehouse: Warehouse, outcome: PollOutcome, detail: str) -> None:
    """Record how a poll ended. What was archived is stored later all the same, so a failure here is only logged."""
    try:
        warehouse.record_poll(use_case, outcome, detail)
    except WarehouseError as error:
        logger.warning("the outcome of the poll could not be recorded: %s", error)


def poll_pending(
    use_case: UseCase, source: SourceClient, lake: Lake, warehouse: Warehouse
) -> tuple[ArchivedDelivery | None, list[ArchivedDelivery]]:
    """Poll, and find all that waits to be stored. A source that fails does not hold up what earlier runs left behind.

    Returns
    -------
    the delivery of this poll (None when the source failed and others wait), and those that are archived and not yet
    stored, in the order of their batches.

    Raises
    ------
    SourceExhausted, SourceRejected, SourceError
        The source delivered nothing, and nothing is pending.
    CollectionBusy
        Another poll of the same source is under way.
    """
    polled = None
    try:
        polled = poll(use_case, source, lake, warehouse)
    except (SourceExhausted, SourceRejected, SourceError) as error:
        waiting = pending(use_case, lake, warehouse)
        if not waiting:
            raise
        logger.warning("%s; going on with the %d deliveries that earlier runs left behind", error, len(waiting))
        return None, waiting
    return polled, pending(use_case, lake, warehouse)


def validate_delivery(use_case: UseCase, lake: Lake, archived: ArchivedDelivery) -> ProcessedDelivery:
    """Check the rows of an archived delivery and write the accepted and the quarantined ones to the lake."""
    result = validate(use_case, read_delivery(lake, archived).rows)
    table = io.BytesIO()
    result.accepted.write_parquet(table, compression="lz4")
    rows = [{"row_index": row.row_index, "row": row.row, "reasons": row.reasons} for row in result.quarantined]
    return ProcessedDelivery(
        archived=archived,
        uri=lake.put(processed_key(archived, ".parquet"), table.getvalue()),
        quarantine_uri=lake.put(processed_key(archived, ".quarantine.json"), json.dumps(rows).encode()),
        delivered=result.delivered,
        accepted=result.accepted.height,
        quarantined=len(rows),
    )


def validate_readable(
    use_case: UseCase, lake: Lake, waiting: list[ArchivedDelivery]
) -> tuple[list[ProcessedDelivery], LakeError | None]:
    """Validate each delivery that can be read; the error names those that cannot."""
    processed, unreadable = [], []
    for archived in waiting:
        try:
            processed.append(validate_delivery(use_case, lake, archived))
        except (LakeError, SourceError) as error:
            logger.exception("%s cannot be read", archived.uri)
            unreadable.append(f"{archived.uri} cannot be read: {error}")
    return processed, LakeError("; ".join(unreadable)) if unreadable else None


def store_delivery(use_case: UseCase, lake: Lake, warehouse: Warehouse, processed: ProcessedDelivery) -> LedgerEntry:
    """Store a validated delivery in the warehouse, exactly once."""
    return warehouse.store(processed.archived, read_processed(use_case, lake, processed.archived))


def collect(use_case: UseCase, source: SourceClient, lake: Lake, warehouse: Warehouse) -> LedgerEntry:
    """All steps in a row, for a new delivery and for what earlier runs left behind.

    Returns
    -------
    the entry of the new delivery, or of the last one left behind when the source failed.

    Raises
    ------
    LakeError
        An archived delivery cannot be read; the others are stored.
    PipelineError
        As `poll_pending` raises.
    """
    polled, waiting = poll_pending(use_case, source, lake, warehouse)
    if polled and polled not in waiting:  # stored already: its entry is asked for
        waiting = [*waiting, polled]
    entries = {archive_key(entry): entry for entry in _store(use_case, lake, warehouse, waiting)}
    return entries[archive_key(polled or waiting[-1])]


def recover(use_case: UseCase, lake: Lake, warehouse: Warehouse) -> list[LedgerEntry]:
    """Store the deliveries that were archived by runs which died before they stored them."""
    waiting = pending(use_case, lake, warehouse)
    for archived in waiting:
        logger.info("storing %s, which an earlier run left behind", archived.uri)
    return _store(use_case, lake, warehouse, waiting)


def _store(use_case: UseCase, lake: Lake, warehouse: Warehouse, waiting: list[ArchivedDelivery]) -> list[LedgerEntry]:
    processed, unreadable = validate_readable(use_case, lake, waiting)
    entries = [store_delivery(use_case, lake, warehouse, delivery) for delivery in processed]
    if unreadable:
        raise unreadable
    return entries


def _check_group(delivery: Delivery, source: SourceClient) -> None:
    if delivery.group_number != source.group_number:
        raise SourceError(
            f"the source was asked for group {source.group_number} and answered for group {delivery.group_number}"
        )
