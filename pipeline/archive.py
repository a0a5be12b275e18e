"""How deliveries lie in the lake: raw payloads as they came, and what validation made of them."""

import hashlib
import io
import json

from pipeline.errors import LakeError
from pipeline.lake import ArchivedDelivery, Lake
from pipeline.source import Delivery, parse_delivery
from pipeline.use_case import UseCase
from pipeline.validation import QuarantinedRow, ValidationResult
from pipeline.warehouse import LedgerEntry, Warehouse


def archive_key(delivery: ArchivedDelivery | LedgerEntry) -> str:
    """Key of a delivery's raw payload: its identity, spelled as a path."""
    return (
        f"raw/{delivery.use_case}/group={delivery.group_number}/epoch={delivery.epoch}/"
        f"batch={delivery.batch_number:02d}/{delivery.payload_sha256}.json"
    )


def processed_key(delivery: ArchivedDelivery | LedgerEntry, suffix: str) -> str:
    """Key of what validation made of a delivery."""
    return "processed/" + archive_key(delivery).removeprefix("raw/").removesuffix(".json") + suffix


def epoch_of(batch_number: int, keys: list[str]) -> int:
    """The epoch that a new delivery belongs to, given the keys of its group's archived ones.

    Batch numbers only grow until the source is restarted, so a smaller one than the newest begins an epoch.
    """
    known = [_place(key)[1:] for key in keys]
    epoch, newest = max(known, default=(0, batch_number))
    return epoch + 1 if batch_number < newest else epoch


def find_archived(lake: Lake, key: str) -> ArchivedDelivery:
    """What an archive key stands for; the time of arrival is that of the object, so every reader sees the same."""
    received_at = lake.modified_at(key)
    if received_at is None:
        raise LakeError(f"{lake.uri(key)} vanished from the lake")
    group_number, epoch, batch_number = _place(key)
    return ArchivedDelivery(
        use_case=key.split("/")[1],
        group_number=group_number,
        epoch=epoch,
        batch_number=batch_number,
        payload_sha256=key.rpartition("/")[2].removesuffix(".json"),
        uri=lake.uri(key),
        received_at=received_at,
    )


def read_delivery(lake: Lake, archived: ArchivedDelivery) -> Delivery:
    """The delivery behind an archived payload.

    Raises
    ------
    LakeError
        The payload is gone, or is not what was archived.
    """
    body = lake.get(archive_key(archived))
    if hashlib.sha256(body).hexdigest() != archived.payload_sha256:
        raise LakeError(f"{archived.uri} was changed after it was archived: its SHA-256 is not the one in its name")
    return parse_delivery(body)


def read_processed(use_case: UseCase, lake: Lake, archived: ArchivedDelivery | LedgerEntry) -> ValidationResult:
    """The accepted and quarantined rows of a delivery, as `validate_delivery` wrote them."""
    import polars as pl

    accepted = pl.read_parquet(io.BytesIO(lake.get(processed_key(archived, ".parquet"))))
    quarantined = json.loads(lake.get(processed_key(archived, ".quarantine.json")))
    return ValidationResult(use_case, accepted, [QuarantinedRow(**row) for row in quarantined])


def pending(use_case: UseCase, lake: Lake, warehouse: Warehouse) -> list[ArchivedDelivery]:
    """Deliveries that are archived and not in the ledger, in the order of their batches."""
    # The ledger first: a delivery stored in between is then at worst offered once more, and refused.
    stored = {archive_key(entry) for entry in warehouse.ledger(use_case)}
    keys = [key for key in lake.list(f"raw/{use_case.name}/") if key not in stored]
    return sorted(
        (find_archived(lake, key) for key in keys), key=lambda found: (found.epoch, found.batch_number, found.uri)
    )


def _place(key: str) -> tuple[int, int, int]:
    """Group, epoch and batch number of an archive key."""
    try:
        group, epoch, batch = (int(part.partition("=")[2]) for part in key.split("/")[2:5])
    except ValueError:
        raise LakeError(f"{key} in the lake is not the name of a raw payload: remove or rename it") from None
    return group, epoch, batch
