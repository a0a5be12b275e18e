"""Storing a delivery exactly once, and the lease that lets one poller at a time ask the source."""

import contextlib
import logging
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.errors import CollectionBusy, WarehouseError
from pipeline.lake import ArchivedDelivery
from pipeline.validation import QuarantinedRow, ValidationResult
from pipeline.warehouse import tables
from pipeline.warehouse.database import Database
from pipeline.warehouse.loading import insert_new_rows
from pipeline.warehouse.records import LedgerEntry

logger = logging.getLogger(__name__)

IDENTITY = ("use_case", "group_number", "epoch", "batch_number", "payload_sha256")
# A quarantined row is kept whole in the lake; here a monstrous one is cut to what a person can look at.
SHOWN_ROW_LENGTH = 20_000


def store(connection: Connection, archived: ArchivedDelivery, result: ValidationResult) -> LedgerEntry:
    """Write a delivery's ledger entry, rows and quarantine into the caller's transaction, or find them written.

    The ledger entry comes first: its unique identity makes a repeat find the entry, and a concurrent run wait
    for this one's end.
    """
    import polars as pl

    identity = {name: getattr(archived, name) for name in IDENTITY}
    values = {
        **identity,
        "lake_uri": archived.uri,
        "delivered": result.delivered,
        "accepted": 0,
        "duplicate": 0,
        "quarantined": len(result.quarantined),
        "received_at": archived.received_at,
        "stored_at": datetime.now(UTC),
    }
    try:
        key = connection.execute(insert(tables.ledger).values(values)).inserted_primary_key
    except IntegrityError:
        return _stored_entry(connection, identity)
    ledger_id = int(key[0]) if key else 0
    frame = result.accepted.with_columns(pl.lit(ledger_id, dtype=pl.Int64).alias("ledger_id"))
    accepted = insert_new_rows(connection, tables.rows_table(result.use_case), frame)
    _insert_quarantine(connection, ledger_id, archived.use_case, result.quarantined)
    counts = {"accepted": accepted, "duplicate": frame.height - accepted}
    connection.execute(update(tables.ledger).where(tables.ledger.c.id == ledger_id).values(counts))
    return LedgerEntry(id=ledger_id, **{**values, **counts})


def _stored_entry(connection: Connection, identity: dict[str, Any]) -> LedgerEntry:
    matches = and_(*(tables.ledger.c[name] == value for name, value in identity.items()))
    row = connection.execute(select(tables.ledger).where(matches)).mappings().one_or_none()
    if row is None:
        raise WarehouseError(f"the ledger refused {identity} but holds no such entry: check the table by hand")
    return LedgerEntry(**row)


def _insert_quarantine(connection: Connection, ledger_id: int, use_case: str, rows: list[QuarantinedRow]) -> None:
    if not rows:
        return
    entries = [
        {
            "ledger_id": ledger_id,
            "row_index": row.row_index,
            "use_case": use_case,
            "delivered_row": _shortened(row.row),
            "reasons": row.reasons,
        }
        for row in rows
    ]
    connection.execute(insert(tables.quarantine), entries)


def _shortened(row: Any) -> Any:
    text = repr(row)
    if len(text) <= SHOWN_ROW_LENGTH:
        return row
    return f"{text[:SHOWN_ROW_LENGTH]}… ({len(text)} characters, whole in the lake)"


@contextlib.contextmanager
def hold_lease(database: Database, name: str, seconds: float) -> Iterator[None]:
    """Be the only holder of a named lease, for at most `seconds`: a holder that died does not block for ever.

    Raises
    ------
    CollectionBusy
        Someone else holds it.
    """
    holder = uuid.uuid4().hex
    wait = database.write(lambda connection: _acquire(connection, name, holder, seconds))
    if wait > 0:
        raise CollectionBusy(f"another poll of {name} is under way: try again, at the latest in {wait:.0f} s")
    try:
        yield
    finally:
        try:
            database.write(lambda connection: _release(connection, name, holder))
        except WarehouseError as error:
            # What was done under the lease stands; the next poll waits until it expires.
            logger.warning("the lease %s could not be given back, it expires in %.0f s: %s", name, seconds, error)


def _acquire(connection: Connection, name: str, holder: str, seconds: float) -> float:
    """Take the lease and return 0, or return for how many seconds it is still held."""
    now = _now(connection)
    lease = tables.lease.c
    free = update(tables.lease).where(lease.name == name, lease.expires_at <= now)
    if connection.execute(free.values(holder=holder, expires_at=now + seconds)).rowcount:
        return 0
    try:
        connection.execute(insert(tables.lease).values(name=name, holder=holder, expires_at=now + seconds))
        return 0
    except IntegrityError:
        held_until = connection.scalar(select(lease.expires_at).where(lease.name == name))
        return max(float(held_until or 0) - now, 1.0)


def _release(connection: Connection, name: str, holder: str) -> None:
    lease = tables.lease.c
    connection.execute(update(tables.lease).where(lease.name == name, lease.holder == holder).values(expires_at=0))


def _now(connection: Connection) -> float:
    """The server's clock where there is one: pollers on several machines must agree on the time."""
    if connection.dialect.name == "mysql":
        return float(connection.scalar(select(func.unix_timestamp(func.now(6)))) or 0)
    return time.time()
