"""Proves from the tables and the lake that no delivered row was lost and none was stored twice."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipeline.archive import pending, read_delivery, read_processed
from pipeline.errors import LakeError, SourceError
from pipeline.lake import ArchivedDelivery, Lake
from pipeline.use_case import UseCase
from pipeline.warehouse import LedgerEntry, Warehouse

if TYPE_CHECKING:
    import polars as pl

    from pipeline.model_audit import ModelAudit


class AuditReport(BaseModel):
    """What `audit` found.

    Parameters
    ----------
    entries, delivered, accepted, duplicate, quarantined : totals over the ledger.
    pending : archived deliveries that are not stored yet; the next collection stores them.
    problems : what breaks the invariant, one line each; none when all is well.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    use_case: str
    entries: int
    delivered: int
    accepted: int
    duplicate: int
    quarantined: int
    pending: list[str]
    problems: list[str]

    @property
    def ok(self) -> bool:
        return not self.problems


def audit(use_case: UseCase, lake: Lake, warehouse: Warehouse) -> AuditReport:
    """Check every ledger entry against the tables and the lake.

    For each: ``delivered = accepted + duplicate + quarantined``; the tables hold as many rows as it says; the raw
    payload is in the lake, unchanged, with as many rows; each of its rows is either quarantined or in the
    warehouse, under its hash.
    """
    import polars as pl

    # Entries before rows: a row that a collection stores meanwhile belongs to none of them.
    entries = warehouse.ledger(use_case)
    places = warehouse.row_places(use_case)
    stored_hashes = places.get_column("row_hash")
    stored_counts = dict(places.group_by("ledger_id").len().iter_rows())
    quarantine_counts = warehouse.quarantine_counts(use_case)
    problems = []
    for entry in entries:
        found = _check_counts(entry, stored_counts.get(entry.id, 0), quarantine_counts.get(entry.id, 0))
        own = places.filter(pl.col("ledger_id") == entry.id)
        found += _check_rows(use_case, lake, entry, own, stored_hashes)
        problems += [f"ledger entry {entry.id} ({entry.lake_uri}): {problem}" for problem in found]
    known = {entry.id for entry in entries} | {entry.id for entry in warehouse.ledger(use_case)}
    problems += [f"rows of ledger entry {key}, which does not exist" for key in sorted(set(stored_counts) - known)]
    return AuditReport(
        use_case=use_case.name,
        entries=len(entries),
        delivered=sum(entry.delivered for entry in entries),
        accepted=sum(entry.accepted for entry in entries),
        duplicate=sum(entry.duplicate for entry in entries),
        quarantined=sum(entry.quarantined for entry in entries),
        pending=[archived.uri for archived in pending(use_case, lake, warehouse)],
        problems=problems,
    )


def render_models(audited: "ModelAudit") -> str:
    """What was found of each version, as text for a terminal; violations are told apart."""
    if not audited.versions:
        return f"\n{audited.use_case}: no version is registered yet"
    lines = []
    for version in audited.versions:
        lines.append(f"\n{audited.use_case} version {version.version}{' (champion)' if version.champion else ''}")
        lines += [f"  proved: {text}" for text in version.findings.proved]
        lines += [f"  cannot be proved: {text}" for text in version.findings.unproved]
        lines += [f"  VIOLATION: {text}" for text in version.findings.problems]
    lines += [f"\n{text}" for text in audited.champion.proved]
    problems = len(audited.problems)
    return "\n".join([*lines, f"{problems} violations" if problems else "every version is accounted for"])


def _check_counts(entry: LedgerEntry, stored: int, quarantined: int) -> list[str]:
    problems = []
    if entry.delivered != entry.accepted + entry.duplicate + entry.quarantined:
        problems.append(
            f"{entry.delivered} delivered, but {entry.accepted} accepted + {entry.duplicate} duplicate + "
            f"{entry.quarantined} quarantined"
        )
    if stored != entry.accepted:
        problems.append(f"{entry.accepted} accepted, but the table holds {stored} of its rows")
    if quarantined != entry.quarantined:
        problems.append(f"{entry.quarantined} quarantined, but the table holds {quarantined} of its rows")
    return problems


def _check_rows(
    use_case: UseCase, lake: Lake, entry: LedgerEntry, own: "pl.DataFrame", stored_hashes: "pl.Series"
) -> list[str]:
    import polars as pl

    archived = ArchivedDelivery(**entry.model_dump(include=set(ArchivedDelivery.model_fields)), uri=entry.lake_uri)
    try:
        delivered = len(read_delivery(lake, archived).rows)
        processed = read_processed(use_case, lake, entry)
    except (LakeError, SourceError) as error:
        return [str(error)]
    problems = []
    indexes = [*processed.accepted.get_column("row_index"), *(row.row_index for row in processed.quarantined)]
    if delivered != entry.delivered or sorted(indexes) != list(range(delivered)):
        problems.append(f"{entry.delivered} delivered, but its payload has {delivered} rows, {len(indexes)} validated")
    missing = processed.accepted.filter(~pl.col("row_hash").is_in(stored_hashes.implode()))
    if missing.height:
        problems.append(f"{missing.height} valid rows are not in the warehouse, first row {missing['row_index'][0]}")
    foreign = own.join(processed.accepted.select("row_hash", "row_index"), on=["row_hash", "row_index"], how="anti")
    if foreign.height:
        problems.append(
            f"{foreign.height} rows of the warehouse are not in its payload, first hash {foreign['row_hash'][0]}"
        )
    return problems
