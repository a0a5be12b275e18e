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
from inference_api.row_faults import fault_of
from pipeline.cells import MAX_TEXT_LENGTH
from pipeline.encoded_json import EncodedJson

logger = logging.getLogger(__name__)

CAPACITY_ROWS = 20_000
# At most 500 rows a second: a burst waits in the queue, and under a load that lasts the predictions stored are a
# sample. In small steps: on a busy core each of them delays a request or two.
BATCH_ROWS = 50
FLUSH_SECONDS = 0.1
# While the queue is nearly full, what is stored is a sample anyway, and requests need the processor more.
CROWDED_SHARE = 0.75
CROWDED_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
DRAIN_SECONDS = 5.0
# Rows tried one by one before all of them failing is taken for an outage.
MOST_SUSPECTS = 3

Writer = Callable[[list[dict[str, Any]]], object]


class _Entry(msgspec.Struct, gc=False, frozen=True):
    """One prediction to store. Not seen by the garbage collector: thousands wait, and none is part of a cycle.

    Of the predictor no more than the row needs: while the warehouse is down, no version could be unloaded otherwise.
    """

    request_id: str
    record_index: int
    at: datetime
    model: str
    version: int
    columns: tuple[str, ...]
    values: Values
    prediction: int | float | str

    def row(self) -> dict[str, Any]:
        features = dict(zip(self.columns, self.values, strict=True))
        return {
            "request_id": self.request_id,
            "record_index": self.record_index,
            "use_case": self.model,
            "model_version": self.version,
            "features": EncodedJson(msgspec.json.encode(features), "utf-8"),
            "prediction": self.prediction,
            "at": self.at,
        }


class PredictionLog:
    """A bounded queue and a thread that writes it in batches.

    A full queue drops new entries and counts them. A warehouse that fails is tried again, ever less often,
    while the queue fills; predictions are answered all the same. A row that it refuses is dropped, counted and logged,
    and so is one that fails for no clear reason while others are taken.

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
        self._wake = threading.Event()
        self._progress = threading.Condition()
        self._done = 0  # entries that were stored or refused, ever
        self._wanted = 0  # of them, those that somebody waits for
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._failures = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what is queued, within `DRAIN_SECONDS`."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=DRAIN_SECONDS)

    def flush(self, seconds: float) -> bool:
        """Write what is queued now; whether that was done within so many seconds."""
        with self._progress:
            if self._failures:
                return not self._entries
            wanted = self._done + len(self._entries)
            self._wanted = max(self._wanted, wanted)
            self._wake.set()
            self._progress.wait_for(lambda: self._done >= wanted or self._failures, seconds)
            return self._done >= wanted

    def add(self, request_id: str, predictor: Predictor, rows: Sequence[Values], outcomes: Sequence[Outcome]) -> None:
        """Queue the records of one request; those beyond the capacity are dropped and counted."""
        room = max(0, self._capacity - len(self._entries))
        if room < len(rows):
            self._metrics.log_dropped.inc(len(rows) - room)
            rows = rows[:room]
        if predictor.validator.has_long_texts:
            # Whole, they would fill the memory: thousands of records wait.
            rows = [tuple(v[:MAX_TEXT_LENGTH] if isinstance(v, str) else v for v in row) for row in rows]
        at, columns = datetime.now(UTC), predictor.validator.columns
        model, version = predictor.name, predictor.version
        # Rows and outcomes are of one length, but for what was dropped.
        for index, (row, outcome) in enumerate(zip(rows, outcomes, strict=False)):
            self._entries.append(_Entry(request_id, index, at, model, version, columns, row, outcome.prediction))

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._failures or self._done >= self._wanted:
                pause = FLUSH_SECONDS if len(self._entries) < CROWDED_SHARE * self._capacity else CROWDED_SECONDS
                self._wake.wait(min(pause * 2 ** min(self._failures, 10), LONGEST_PAUSE_SECONDS))
                self._wake.clear()
            self._write_batch()
        while self._entries and self._write_batch():
            pass

    def _write_batch(self) -> bool:
        """Write the oldest entries; they stay queued when the warehouse fails."""
        batch = [self._entries[i] for i in range(min(BATCH_ROWS, len(self._entries)))]
        if not batch:
            # What somebody waited for is gone from the queue, written or not.
            self._wanted = self._done
            return True
        # Errors of any kind: a log that cannot be written must never end the thread, let alone the service.
        try:
            if self._writer is None:
                self._writer = self._open_writer()
        except Exception as error:
            return self._failed(error)
        try:
            self._writer([entry.row() for entry in batch])
        except Exception as error:
            return self._failed(error) if fault_of(error) == "warehouse" else self._write_singly(batch, self._writer)
        self._stored(len(batch))
        return True

    def _write_singly(self, batch: list[_Entry], writer: Writer) -> bool:
        """Write what can be written of a batch that was refused; drop what is to blame for it."""
        suspects: list[tuple[_Entry, Exception]] = []
        written, outage = False, None
        for entry in batch:
            try:
                writer([entry.row()])
            except Exception as error:
                fault = fault_of(error)
                if fault == "warehouse":
                    outage = error
                    break
                self._entries.popleft()
                if fault == "row":
                    self._refuse(entry, error)
                else:
                    suspects.append((entry, error))
                    if not written and len(suspects) == MOST_SUSPECTS:
                        break
            else:
                self._stored(1)
                written = True
        if written:
            for entry, reason in suspects:
                self._refuse(entry, reason)
        elif suspects:
            # Last in the queue, so that others come first and show whose fault it is.
            self._entries.extend(entry for entry, _ in suspects)
            outage = outage or suspects[-1][1]
        return self._failed(outage) if outage else True

    def _stored(self, count: int) -> None:
        self._metrics.log_written.inc(count)
        self._failures = 0
        with self._progress:
            for _ in range(count):
                self._entries.popleft()
            self._done += count
            self._progress.notify_all()

    def _refuse(self, entry: _Entry, error: Exception) -> None:
        self._metrics.log_dropped.inc()
        self._metrics.log_refused.inc()
        with self._progress:
            self._done += 1
            self._progress.notify_all()
        logger.warning(
            "the prediction of record %d of request %s cannot be stored, dropped: %s",
            entry.record_index,
            entry.request_id,
            error,
        )

    def _failed(self, error: Exception) -> bool:
        if self._failures == 0:
            logger.warning("predictions cannot be stored in the warehouse, trying again: %s", error)
        with self._progress:
            self._failures += 1
            self._progress.notify_all()
        self._writer = None
        return False
