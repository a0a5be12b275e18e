"""What Prometheus may ask: one registry of metrics an application, none of them global."""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"
LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

DIFFERENCE_BUCKETS = (0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)


class ServiceMetrics:
    """The metrics of the inference API.

    With several workers, `MULTIPROCESS_DIR` names the folder they share and any worker answers for all.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            "inference_requests", "Requests by route and status", ["route", "method", "status"], registry=registry
        )
        self.latency = Histogram(
            "inference_request_seconds",
            "Time from the first byte of a request to the last of its reply",
            ["route"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.predictions = Counter(
            "inference_predictions", "Records predicted, by model and version", ["model", "version"], registry=registry
        )
        self.large_requests = Gauge(
            "inference_large_requests",
            "Large requests that wait for the inference thread or are in it",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.model_loads = Counter(
            "inference_model_loads", "Attempts to load a model version", ["model", "outcome"], registry=registry
        )
        # Each worker loads for itself: the lowest version and the worst state are what an operator must see.
        self.model_version = Gauge(
            "inference_model_version",
            "Version served, 0 for none",
            ["model"],
            multiprocess_mode="livemin",
            registry=registry,
        )
        self.model_stale = Gauge(
            "inference_model_stale",
            "1 when the champion in the registry is not the version served",
            ["model"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.registry_up = Gauge(
            "inference_registry_up", "1 when the model registry answers", multiprocess_mode="livemin", registry=registry
        )
        self.canary_fallbacks = Counter(
            "inference_canary_fallbacks",
            "Requests that a canary failed and the champion answered",
            ["model", "version"],
            registry=registry,
        )
        self.shadow_records = Counter(
            "inference_shadow_records",
            "Records that a shadow predicted too: agree, differ or failed",
            ["model", "version", "outcome"],
            registry=registry,
        )
        self.shadow_difference = Histogram(
            "inference_shadow_difference",
            "Largest difference of a probability, or of a number relative to the champion's",
            ["model", "version"],
            buckets=DIFFERENCE_BUCKETS,
            registry=registry,
        )
        self.shadow_seconds = Histogram(
            "inference_shadow_seconds",
            "Time a shadow took to predict one request's records",
            ["model", "version"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.shadow_dropped = Counter(
            "inference_shadow_dropped", "Requests the shadow's queue had no room for", ["model"], registry=registry
        )
        self.log_written = Counter("inference_prediction_log_written", "Predictions stored", registry=registry)
        self.log_dropped = Counter(
            "inference_prediction_log_dropped",
            "Predictions not stored, the log being full or the warehouse refusing them",
            registry=registry,
        )
        self.log_refused = Counter(
            "inference_prediction_log_refused",
            "Of the predictions not stored, those that the warehouse refused",
            registry=registry,
        )

    def latency_buckets(self) -> Iterator[tuple[str, float, float]]:
        """Route, upper limit in seconds, and number of requests up to it, over all workers since their start."""
        for metric in self._combined().collect():
            for sample in metric.samples:
                if sample.name == "inference_request_seconds_bucket":
                    yield sample.labels["route"], float(sample.labels["le"]), sample.value

    def render(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._combined())

    def _combined(self) -> CollectorRegistry:
        """This worker's metrics, or those of all when there are several."""
        folder = os.environ.get(MULTIPROCESS_DIR)
        if not folder:
            return self._registry
        _forget_dead_workers(Path(folder))
        combined = CollectorRegistry()
        MultiProcessCollector(combined)
        return combined


def _forget_dead_workers(folder: Path) -> None:
    """Drop what workers that died said of themselves; what they counted stays."""
    for path in folder.glob("gauge_live*_*.db"):
        if not _is_alive(int(path.stem.rsplit("_", 1)[1])):
            path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
