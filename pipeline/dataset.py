"""The frozen training snapshot: which rows a model learns from and which rows judge it.

A snapshot is a Parquet file named after the digest of its content, so the same rows always give the same
snapshot, and a model can be traced back to (and trained again from) exactly the rows it saw.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.cells import LARGEST_NUMBER
from pipeline.errors import TrainingError
from pipeline.use_case import ColumnType, UseCase

ROW_HASH = "row_hash"


class RowStore(Protocol):
    """The part of the warehouse a snapshot is taken from."""

    def ledger(self, use_case: UseCase) -> Sequence[Any]: ...
    def read_rows(self, use_case: UseCase) -> pl.DataFrame: ...


class ObjectStore(Protocol):
    """The part of the lake a snapshot is kept in."""

    def uri(self, key: str) -> str: ...
    def put(self, key: str, data: bytes) -> str: ...
    def get(self, uri: str) -> bytes: ...


class Snapshot(BaseModel):
    """A frozen set of rows, as kept in the lake next to its Parquet file. JSON-able, to pass between tasks.

    Parameters
    ----------
    digest : hex sha256 of the row hashes, the columns with their types, and the holdout share.
    uri : where the Parquet file is.
    file_sha256 : hex digest of that file; None in a snapshot of an earlier release.
    train_rows, holdout_rows : how many rows a model is fitted on, and judged on.
    batch_ids : ``group/epoch/batch`` of every delivery the rows came from.
    last_ledger_id : newest entry of the warehouse's ledger with a row in the snapshot; later rows are new to a model.
    columns : model-facing columns (features, then the target) and their types.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    use_case: str
    digest: str
    uri: str
    file_sha256: str | None = None
    rows: int
    train_rows: int
    holdout_rows: int
    batch_ids: list[str] = Field(default_factory=list)
    last_ledger_id: int | None = None
    created_at: datetime
    columns: dict[str, ColumnType]
    target: str
    holdout_share: float


def take_snapshot(use_case: UseCase, warehouse: RowStore, lake: ObjectStore) -> Snapshot:
    """Freeze the rows the warehouse holds now.

    Taking it again, or from several processes at once, over the same rows writes the same file.

    Raises
    ------
    TrainingError
        There are too few rows, or a column of the use case is not among them.
    """
    # The ledger first: a delivery stored in between adds rows, never a batch id without rows.
    batch_ids = sorted({f"{e.group_number}/{e.epoch}/{e.batch_number:02d}" for e in warehouse.ledger(use_case)})
    columns = model_columns(use_case)
    rows = warehouse.read_rows(use_case)
    frame = _select(use_case, rows, columns)
    if frame.height < use_case.training.min_rows:
        raise TrainingError(
            f"{use_case.name}: {frame.height} rows are too few to train, at least {use_case.training.min_rows} are "
            f"needed: collect more batches (mlops collect {use_case.name}) or lower training.min_rows"
        )
    share = use_case.training.holdout_share
    holdout = int(is_held_out(frame[ROW_HASH].to_list(), share).sum())
    digest = _digest(frame[ROW_HASH].to_list(), columns, share)
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    content = buffer.getvalue()
    uri = lake.put(f"snapshots/{use_case.name}/{digest}.parquet", content)
    snapshot = Snapshot(
        use_case=use_case.name,
        digest=digest,
        uri=uri,
        file_sha256=hashlib.sha256(content).hexdigest(),
        rows=frame.height,
        train_rows=frame.height - holdout,
        holdout_rows=holdout,
        batch_ids=batch_ids,
        last_ledger_id=_last_ledger_id(rows),
        created_at=datetime.now(UTC),
        columns=columns,
        target=use_case.target.name,
        holdout_share=share,
    )
    lake.put(f"snapshots/{use_case.name}/{digest}.json", snapshot.model_dump_json(indent=1).encode())
    return snapshot


def find_snapshot(lake: ObjectStore, use_case: str, digest: str) -> Snapshot:
    """The snapshot with a digest, as the lake describes it now: the lake may have moved since it was taken.

    Raises
    ------
    LakeError
        There is none, or the lake cannot be read.
    TrainingError
        What is there describes no snapshot.
    """
    key = f"snapshots/{use_case}/{digest}"
    try:
        found = Snapshot.model_validate_json(lake.get(f"{key}.json"))
    except ValidationError as error:
        raise TrainingError(
            f"{lake.uri(f'{key}.json')} describes no snapshot ({error.error_count()} mistakes): restore it, or train "
            "again, which takes a new one"
        ) from None
    return found.model_copy(update={"uri": lake.uri(f"{key}.parquet")})


def load_snapshot(
    lake: ObjectStore, snapshot: Snapshot, opponent_share: float | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a snapshot as the frames a model sees.

    Parameters
    ----------
    opponent_share : holdout share of another model: of the held-out rows only those that it did not learn from.

    Returns
    -------
    train, holdout : feature columns and the target, in the order of the row hashes. Numbers and dates (days since
        1970-01-01) are float64 with NaN where missing, categories and text are strings with None where missing.

    Raises
    ------
    TrainingError
        The file in the lake is not the one the snapshot describes.
    """
    content = lake.get(snapshot.uri)
    changed = TrainingError(f"snapshot {snapshot.uri} was changed after it was taken: take a new one")
    try:
        frame = pl.read_parquet(io.BytesIO(content))
        hashes = frame[ROW_HASH].to_list()
    except pl.exceptions.PolarsError as error:
        raise TrainingError(f"snapshot {snapshot.uri} cannot be read ({error}): take a new one") from None
    if snapshot.file_sha256 not in (None, hashlib.sha256(content).hexdigest()):
        raise changed
    # In the file's order: a snapshot that travelled through a JSON column of PostgreSQL has its keys in another one.
    columns = {name: snapshot.columns[name] for name in frame.columns if name in snapshot.columns}
    if _digest(hashes, columns, snapshot.holdout_share) != snapshot.digest:
        raise changed
    table = model_frame(frame, columns)
    share = snapshot.holdout_share
    learnt, judging = ~is_held_out(hashes, share), is_held_out(hashes, min(share, opponent_share or share))
    return table[learnt].reset_index(drop=True), table[judging].reset_index(drop=True)


def model_columns(use_case: UseCase) -> dict[str, ColumnType]:
    """Name and type of the columns a model meets: the features in YAML order, then the target."""
    return {column.name: column.type for column in [*use_case.features, use_case.target]}


def is_held_out(row_hashes: Sequence[str], share: float) -> np.ndarray:
    """Whether each row is held out: decided by its hash alone, so for ever and wherever it is met again."""
    fractions = np.array([int(value[:8], 16) for value in row_hashes], dtype=np.float64) / 2**32
    return fractions < share


def model_frame(frame: pl.DataFrame, columns: dict[str, ColumnType]) -> pd.DataFrame:
    """Convert typed warehouse columns to the dtypes models see (described at `load_snapshot`)."""
    return pd.DataFrame({name: _model_values(frame[name], kind) for name, kind in columns.items()})


def check_trainable(use_case: UseCase, train: pd.DataFrame, holdout: pd.DataFrame) -> None:
    """Refuse rows that cannot make or judge a model.

    Raises
    ------
    TrainingError
        Nothing is held out, the target has one value only, or a column holds infinity or what is infinite to a
        model.
    """
    more = f"collect more batches (mlops collect {use_case.name})"
    if train.empty or holdout.empty:
        raise TrainingError(
            f"{use_case.name}: {len(train)} training rows and {len(holdout)} held-out rows: both are needed, {more}"
        )
    target = train[use_case.target.name]
    if target.nunique() < 2:
        what = "class" if use_case.task == "classification" else "value"
        raise TrainingError(
            f"{use_case.name}: all {len(train)} training rows have the {what} {target.iloc[0]!r} in "
            f"{use_case.target.name!r}, at least two are needed: {more}"
        )
    for frame in (train, holdout):
        numbers = frame.select_dtypes("number")
        infinite = [str(name) for name in numbers.columns if (numbers[name].abs() > LARGEST_NUMBER).any()]
        if infinite:
            raise TrainingError(
                f"{use_case.name}: infinite values in {', '.join(infinite)} (beyond ±{LARGEST_NUMBER:.4g}, the largest "
                "number of a model): correct the rows"
            )


def _select(use_case: UseCase, rows: pl.DataFrame, columns: dict[str, ColumnType]) -> pl.DataFrame:
    """The model's columns in a fixed row order."""
    absent = [name for name in columns if name not in rows.columns]
    if absent:
        raise TrainingError(
            f"{use_case.name}: the warehouse has no column {', '.join(absent)}: run 'mlops init', or remove it from "
            f"{use_case.name}.yaml if the source no longer sends it"
        )
    return rows.select(ROW_HASH, *columns).sort(ROW_HASH)


def _last_ledger_id(rows: pl.DataFrame) -> int | None:
    newest = rows["ledger_id"].max() if "ledger_id" in rows.columns else None
    return newest if isinstance(newest, int) else None


def _digest(row_hashes: Sequence[str], columns: dict[str, ColumnType], holdout_share: float) -> str:
    digest = hashlib.sha256(json.dumps([list(columns.items()), holdout_share]).encode())
    digest.update("\n".join(row_hashes).encode())
    return digest.hexdigest()


def _model_values(series: pl.Series, kind: ColumnType) -> np.ndarray | pd.Series:
    if kind in ("category", "text"):
        return pd.Series(series.cast(pl.String).to_list(), dtype=object)
    if kind == "date":
        days = series.str.to_date() if series.dtype == pl.String else series.cast(pl.Date)
        return days.cast(pl.Int32).cast(pl.Float64).to_numpy()
    return series.cast(pl.Float64).to_numpy()
