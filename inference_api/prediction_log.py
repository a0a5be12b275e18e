"""Stores served predictions in the warehouse, off the request path and never at its expense."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from inference_api.metrics import ServiceMetrics
from inference_api.predictor import Outcome, Predictor
from inference_api.request_schema import Values
from pipeline.errors import WarehouseError

logger = logging.getLogger(__name__)

CAPACITY_ROWS = 20_000
# At most 1,000 rows a second, for storing one costs twice what predicting it does: a burst waits in the queue,
# and under a load that lasts the predictions stored are a sample.
BATCH_ROWS = 250
FLUSH_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 30.0
DRAIN_SECONDS = 5.0

Writer = Callable[[list[dict[str, Any]]], object]


class _Entry(msgspec.Struct, gc=False, frozen=True):
    """One prediction to store. Not seen by the garbage collector: thousands wait, and none is part of a cycle."""

    request_id: str
    at: datetime
    predictor: Predictor
    values: Values
    outcome: Outcome

    def row(self) -> dict[str, Any]:
        features = dict(zip(self.predictor.validator.columns, self.values, strict=True))
        return {
            "request_id": self.request_id,
            "use_case": self.predictor.name,
            "model_version": self.predictor.version,
            "features": msgspec.to_builtins(features),
            "prediction": self.outcome.prediction,
            "at": self.at,
        }


class PredictionLog:
    """A bounded queue and a thread that writes it in batches.

    A full queue drops new entries and counts them. A warehouse that fails is tried again, ever less often,
    while the queue fills; predictions are answered all the same. Rows that it refuses for what they hold are dropped.

    Parameters
    ----------
    open_writer : called in the thread when there is something to write, and again after a failure.
    """

    def __init__(
        self, open_writer: Callable[[], Writer], metrics: ServiceMetrics, capacity: int = CAPACITY_ROWS
    ) -> None:
        self._open_writer = open_writer
        self._writer: Writer | None = None
        self._metrics = metrics
        self._capacity = capacity
        self._entries: deque[_Entry] = deque()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._failures = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what is queued, within `DRAIN_SECONDS`."""
        self._stopping.set()
        self._thread.join(timeout=DRAIN_SECONDS)

    def add(self, request_id: str, predictor: Predictor, rows: Sequence[Values], outcomes: Sequence[Outcome]) -> None:
        """Queue the records of one request; those beyond the capacity are dropped and counted."""
        room = max(0, self._capacity - len(self._entries))
        if room < len(rows):
            self._metrics.log_dropped.inc(len(rows) - room)
            rows = rows[:room]
        at = datetime.now(UTC)
        # Rows and outcomes are of one length, but for what was dropped.
        self._entries.extend(
            _Entry(request_id, at, predictor, row, outcome) for row, outcome in zip(rows, outcomes, strict=False)
        )

    def _run(self) -> None:
        while not self._stopping.wait(min(FLUSH_SECONDS * 2 ** min(self._failures, 10), LONGEST_PAUSE_SECONDS)):
            self._write_batch()
        while self._entries and self._write_batch():
            pass

    def _write_batch(self) -> bool:
        """Write the oldest entries; they stay queued when the warehouse fails."""
        batch = [self._entries[i] for i in range(min(BATCH_ROWS, len(self._entries)))]
        if not batch:
            return True
        # Errors of any kind: a log that cannot be written must never end the thread, let alone the service.
        try:
            if self._writer is None:
                self._writer = self._open_writer()
        except Exception as error:
            return self._failed(error)
        try:
            self._store(batch, self._writer)
        except Exception as error:
            if _is_outage(error):
                return self._failed(error)
            return self._write_singly(batch, self._writer)
        return True

    def _write_singly(self, batch: list[_Entry], writer: Writer) -> bool:
        """Write what can be written of a batch that was refused for what it holds; drop and count the rest."""
        for entry in batch:
            try:
                self._store([entry], writer)
            except Exception as error:
                if _is_outage(error):
                    return self._failed(error)
                self._entries.popleft()
                self._metrics.log_dropped.inc()
                logger.warning("the prediction of request %s cannot be stored, dropped: %s", entry.request_id, error)
        return True

    def _store(self, entries: list[_Entry], writer: Writer) -> None:
        writer([entry.row() for entry in entries])
        for _ in entries:
            self._entries.popleft()
        self._metrics.log_written.inc(len(entries))
        self._failures = 0

    def _failed(self, error: Exception) -> bool:
        if self._failures == 0:
            logger.warning("predictions cannot be stored in the warehouse, trying again: %s", error)
        self._failures += 1
        self._writer = None
        return False


def _is_outage(error: BaseException) -> bool:
    """Whether a write failed for the state of the warehouse (down, busy, an old schema), not for what was written."""
    from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

    cause = error.__cause__ if isinstance(error, WarehouseError) else error
    # A statement error that is none of the driver's is a value that could not be bound.
    unbound = isinstance(cause, StatementError) and not isinstance(cause, DBAPIError)
    if unbound or isinstance(cause, DataError | IntegrityError):
        return False
    # What the warehouse finds by itself, such as an old schema, has no cause.
    return cause is None or isinstance(cause, SQLAlchemyError | OSError)
