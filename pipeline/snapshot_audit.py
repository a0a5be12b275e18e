"""Proves which rows trained and judged a version: its snapshot against the warehouse, the ledger and MLflow."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl

from pipeline.dataset import ROW_HASH, Snapshot, find_snapshot, is_held_out, load_snapshot
from pipeline.errors import LakeError, TrainingError
from pipeline.findings import Findings
from pipeline.lake import Lake
from pipeline.model_version import VersionInfo
from pipeline.use_case import UseCase
from pipeline.warehouse import LedgerEntry, Warehouse

if TYPE_CHECKING:
    from mlflow.entities import Run

# `pipeline.tracking` cuts the tag with the batch ids here, MLflow's limit.
BATCH_IDS_LENGTH = 5000


@dataclass(frozen=True)
class StoredRows:
    """The warehouse's side, read once for all versions."""

    rows: pl.DataFrame
    ledger: list[LedgerEntry]


@dataclass(frozen=True)
class AuditedSnapshot:
    """A snapshot that is what it says."""

    snapshot: Snapshot
    train: pd.DataFrame
    holdout: pd.DataFrame


def read_stored_rows(use_case: UseCase, warehouse: Warehouse) -> StoredRows:
    """Rows before the ledger: a row stored in between then has its entry."""
    rows = warehouse.read_rows(use_case)
    return StoredRows(rows, warehouse.ledger(use_case))


def audit_snapshot(
    version: VersionInfo, run: "Run", lake: Lake, stored: StoredRows, findings: Findings
) -> AuditedSnapshot | None:
    """Check the snapshot that a version and its run name; None when there is none to go on with."""
    digests = [tags.get("dataset_digest") for tags in (version.tags, run.data.tags)]
    if digests == [None, None]:
        findings.unproved.append(
            "which rows trained and judged it: neither the version nor its run names a snapshot, it was made outside "
            "the training loop"
        )
        return None
    if digests[0] != digests[1]:
        findings.problems.append(f"its tag dataset_digest is {digests[0]}, that of its run is {digests[1]}")
    digest = digests[1] or digests[0]
    try:
        snapshot = find_snapshot(lake, version.name, str(digest))
        findings.require(snapshot.digest == digest, f"snapshot {digest} describes itself as {snapshot.digest}")
        train, holdout = load_snapshot(lake, snapshot)
        frame = pl.read_parquet(io.BytesIO(lake.get(snapshot.uri)))
    except (LakeError, TrainingError) as error:
        findings.problems.append(f"its snapshot: {str(error).splitlines()[0]}")
        return None
    _audit_rows(frame, snapshot, stored, findings)
    _audit_batches(frame, snapshot, run.data.tags.get("batch_ids"), stored, findings)
    _audit_split(frame, snapshot, version.tags, run, findings)
    return AuditedSnapshot(snapshot, train, holdout)


def _audit_rows(frame: pl.DataFrame, snapshot: Snapshot, stored: StoredRows, findings: Findings) -> None:
    """Every row of the snapshot is in the warehouse, under its hash and with the same values."""
    names = [name for name in snapshot.columns if name in stored.rows.columns]
    gone = sorted(set(snapshot.columns) - set(names))
    if gone:
        findings.unproved.append(f"its values of {', '.join(gone)}: the use case has no such column any more")
    joined = frame.join(stored.rows.select(ROW_HASH, *names), on=ROW_HASH, how="left", suffix="_stored", coalesce=False)
    missing = joined[f"{ROW_HASH}_stored"].null_count()
    findings.require(missing == 0, f"{missing} of its {frame.height} rows are not in the warehouse")
    found = joined.filter(pl.col(f"{ROW_HASH}_stored").is_not_null())
    differs = found.select(
        pl.col(name).ne_missing(pl.col(f"{name}_stored").cast(found.schema[name])).alias(name) for name in names
    )
    changed = int(differs.select(pl.any_horizontal(pl.all())).to_series().sum())
    columns = [name for name in names if differs[name].any()]
    what = f"{changed} of its rows have other values in the warehouse than in the snapshot: {', '.join(columns)}"
    findings.require(changed == 0, what)
    if missing == 0 and changed == 0:
        findings.proved.append(f"all {frame.height} rows of its snapshot {snapshot.digest[:12]} are in the warehouse")


def _audit_batches(
    frame: pl.DataFrame, snapshot: Snapshot, tag: str | None, stored: StoredRows, findings: Findings
) -> None:
    """The rows came with the batches that the run names, and the ledger knows those."""
    known = {entry.id: f"{entry.group_number}/{entry.epoch}/{entry.batch_number:02d}" for entry in stored.ledger}
    if tag is None:
        findings.unproved.append("which batches its rows came with: its run has no tag batch_ids")
        return
    # The last id of a tag that was cut may be cut itself; the snapshot has them all.
    cut = len(tag) >= BATCH_IDS_LENGTH
    named = set(snapshot.batch_ids) if cut else set(tag.split(",")) - {""}
    unknown = sorted(named - set(known.values()))
    holds = findings.require(not unknown, f"its run names batches that are not in the ledger: {', '.join(unknown)}")
    own = stored.rows.filter(pl.col(ROW_HASH).is_in(frame[ROW_HASH].implode()))["ledger_id"].unique()
    foreign = sorted({known.get(entry, f"unknown entry {entry}") for entry in own} - named)
    if findings.require(not foreign, f"its rows came with batches that its run does not name: {', '.join(foreign)}"):
        findings.proved += [f"they came with batches {', '.join(sorted(named))}"] if holds else []


def _audit_split(
    frame: pl.DataFrame, snapshot: Snapshot, tags: Mapping[str, str], run: "Run", findings: Findings
) -> None:
    """The split that the row hashes give is the recorded one, and no row is on both sides."""
    hashes = frame[ROW_HASH].to_list()
    held_out = int(is_held_out(hashes, snapshot.holdout_share).sum())
    counts = {"rows": len(hashes), "train_rows": len(hashes) - held_out, "holdout_rows": held_out}
    recorded: list[tuple[str, str, Any]] = [
        *((f"the snapshot's {name}", name, getattr(snapshot, name)) for name in counts),
        *((f"its tag {name}", name, tags.get(name)) for name in counts),
        ("parameter train_rows of its run", "train_rows", run.data.params.get("train_rows")),
        *(
            (f"dataset {name} of its run", f"{name}_rows".replace("training", "train"), rows)
            for name, rows in _inputs(run)
        ),
    ]
    wrong = [f"{what} is {value}, the row hashes give {counts[name]}" for what, name, value in recorded
             if value is not None and str(value) != str(counts[name])]  # fmt: skip
    share = run.data.params.get("holdout_share")
    if share is not None and float(share) != snapshot.holdout_share:
        wrong.append(f"parameter holdout_share of its run is {share}, its snapshot has {snapshot.holdout_share}")
    if len(set(hashes)) != len(hashes):
        wrong.append(f"{len(hashes) - len(set(hashes))} rows are in its snapshot twice")
    absent = sorted(name for what, name, value in recorded if value is None and what.startswith("its tag"))
    if absent:
        findings.unproved.append(f"that the registry's counts are right: it has no tag {', '.join(absent)}")
    findings.problems += wrong
    if not wrong:
        findings.proved.append(
            f"{counts['train_rows']} rows trained and {held_out} others judged it, as their hashes decide"
        )


def _inputs(run: "Run") -> list[tuple[str, int]]:
    """Context (``training``, ``holdout``) and number of rows of the datasets that a run logged."""
    found = []
    for item in run.inputs.dataset_inputs if run.inputs else []:
        context = next((tag.value for tag in item.tags if tag.key == "mlflow.data.context"), "")
        rows = json.loads(item.dataset.profile or "{}").get("num_rows")
        if context in ("training", "holdout") and rows is not None:
            found.append((context, int(rows)))
    return found
