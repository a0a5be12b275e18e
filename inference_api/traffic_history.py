"""How many predictions were answered when, and what: counted once, then only the newest anew."""

import time
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pipeline.warehouse import Warehouse

# At most so many buckets of time, each of one of these lengths.
MOST_BUCKETS = 48
BUCKET_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 480)
# Newest answers of a bucket that are looked at: a share of 300 is known to about 6 percentage points.
ANSWERS_PER_BUCKET = 300
# How late a prediction is usually written, at most; and after what time one that was written later yet is seen.
LATE = timedelta(minutes=5)
KEPT_SECONDS = 600.0
MOST_KEPT = 5_000


class Buckets:
    """Equal spans of time that end now and begin on the minute.

    Parameters
    ----------
    hours : that they cover at least.
    """

    def __init__(self, hours: int, now: datetime) -> None:
        self.now = now
        self.minutes = next(minutes for minutes in BUCKET_MINUTES if minutes * MOST_BUCKETS >= hours * 60)
        self.span = timedelta(minutes=self.minutes)
        count = -(-hours * 60 // self.minutes)
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        # Counted from midnight, so that a bucket is the same one whenever it is asked for.
        current = midnight + (now - midnight) // self.span * self.span
        self.starts = [current - self.span * before for before in range(count - 1, -1, -1)]


class BucketTraffic(NamedTuple):
    """Predictions of one bucket, and its newest answers."""

    predictions: int
    answers: list[Any]


class TrafficHistory:
    """Reads the prediction log bucket by bucket. May be shared by threads."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, timedelta, datetime], tuple[float, BucketTraffic]] = {}
        self._lock = Lock()

    def read(self, warehouse: "Warehouse", name: str, buckets: Buckets) -> dict[datetime, BucketTraffic]:
        """Every bucket in order; those that are long over as they were found within the last minutes."""
        now = time.monotonic()
        with self._lock:
            kept = {start: self._kept.get((name, buckets.span, start)) for start in buckets.starts}
        known = {start: found[1] for start, found in kept.items() if found and found[0] > now}
        missing = [start for start in buckets.starts if start not in known]
        if missing:
            counts = warehouse.prediction_counts(name, missing[0], buckets.span)
            busy = [start for start in missing if counts.get(start)]
            answers = warehouse.newest_answers(name, busy, buckets.span, ANSWERS_PER_BUCKET)
            read = {start: BucketTraffic(counts.get(start, 0), answers.get(start, [])) for start in missing}
            self._keep(name, buckets, read, now + KEPT_SECONDS)
            known |= read
        return {start: known[start] for start in buckets.starts}

    def _keep(self, name: str, buckets: Buckets, read: dict[datetime, BucketTraffic], until: float) -> None:
        with self._lock:
            for start, found in read.items():
                if start + buckets.span + LATE < buckets.now:
                    self._kept[name, buckets.span, start] = (until, found)
            if len(self._kept) > MOST_KEPT:
                newest = sorted(self._kept.items(), key=lambda item: -item[1][0])
                self._kept = dict(newest[: MOST_KEPT // 2])
