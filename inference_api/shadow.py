"""Shadow traffic: another version predicts what the champion has answered, off the request path, and is compared."""

import logging
import math
import threading
from collections import deque
from collections.abc import Sequence
from time import perf_counter

import msgspec

from inference_api.metrics import ServiceMetrics
from inference_api.predictor import Outcome, Predictor
from inference_api.request_schema import Values

logger = logging.getLogger(__name__)

# At most a fifth of one core, and of a large request a sample: a shadow must not take the processor from answers.
CAPACITY_REQUESTS = 256
PAUSE_SECONDS = 0.08
WORK_SECONDS = 0.02
MOST_RECORDS = 100
# Where records may hold a hundred kilobytes each.
MOST_LONG_RECORDS = 5
# What two predictions of a number may differ by, relative to the champion's, and still agree.
AGREEING_SHARE = 0.05


class Answered(msgspec.Struct, gc=False, frozen=True):
    """One request that the champion answered."""

    shadow: Predictor
    champion: Predictor
    rows: Sequence[Values]
    outcomes: Sequence[Outcome]


class ShadowRunner:
    """A bounded queue and a thread that predicts again; a full queue drops requests and counts them."""

    def __init__(self, metrics: ServiceMetrics, capacity: int = CAPACITY_REQUESTS) -> None:
        self._metrics = metrics
        self._capacity = capacity
        self._queue: deque[Answered] = deque()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop comparing; what is queued is left."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1)

    def offer(
        self, shadow: Predictor, champion: Predictor, rows: Sequence[Values], outcomes: Sequence[Outcome]
    ) -> None:
        """Queue what the champion answered; never waits."""
        if len(self._queue) >= self._capacity:
            self._metrics.shadow_dropped.labels(champion.name).inc()
            return
        most = MOST_LONG_RECORDS if champion.validator.has_long_texts else MOST_RECORDS
        self._queue.append(Answered(shadow, champion, rows[:most], outcomes[:most]))

    def _run(self) -> None:
        while not self._stopping.wait(PAUSE_SECONDS):
            until = perf_counter() + WORK_SECONDS
            while self._queue and perf_counter() < until:
                self.compare(self._queue.popleft())

    def compare(self, answered: Answered) -> None:
        """Predict again, and count how the two answers compare."""
        shadow, labels = answered.shadow, (answered.shadow.name, answered.shadow.version)
        try:
            rows = _rows_for(shadow, answered)
            began = perf_counter()
            outcomes = [shadow.predict_one(rows[0])] if len(rows) == 1 else shadow.predict_many(rows)
            self._metrics.shadow_seconds.labels(*labels).observe(perf_counter() - began)
        except Exception as error:  # a version under trial may do anything but stop the trial
            self._metrics.shadow_records.labels(*labels, "failed").inc(len(answered.rows))
            logger.debug("%s, a shadow, failed: %s", shadow, error)
            return
        for mine, theirs in zip(outcomes, answered.outcomes, strict=True):
            difference = _difference(mine, theirs)
            self._metrics.shadow_difference.labels(*labels).observe(difference)
            self._metrics.shadow_records.labels(*labels, "agree" if _agree(mine, theirs) else "differ").inc()


def _rows_for(shadow: Predictor, answered: Answered) -> Sequence[Values]:
    """The rows as the shadow takes them; versions may differ in their columns and limits."""
    if shadow.form == answered.champion.form:
        return answered.rows
    columns = answered.champion.validator.columns
    records = [dict(zip(columns, row, strict=True)) for row in answered.rows]
    wanted = [{name: record.get(name) for name in shadow.validator.columns} for record in records]
    return shadow.validator.read(msgspec.json.encode({"records": wanted}), MOST_RECORDS)[0]


def _agree(mine: Outcome, theirs: Outcome) -> bool:
    if isinstance(theirs.prediction, float):
        return _difference(mine, theirs) <= AGREEING_SHARE
    return mine.prediction == theirs.prediction


def _difference(mine: Outcome, theirs: Outcome) -> float:
    """Largest difference of a probability; of a number, relative to the champion's."""
    ours, others = mine.probabilities, theirs.probabilities
    if ours is not None and others is not None:
        return max(abs(ours.get(name, 0.0) - others.get(name, 0.0)) for name in {*ours, *others})
    if isinstance(mine.prediction, str) or isinstance(theirs.prediction, str):
        return float(mine.prediction != theirs.prediction)
    difference = abs(mine.prediction - theirs.prediction)
    return 0.0 if difference == 0 else min(difference / max(abs(theirs.prediction), math.ulp(1.0)), 1e9)
