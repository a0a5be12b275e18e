"""How long prediction requests took, from the histogram that Prometheus reads."""

from collections.abc import Iterable
from itertools import pairwise

from inference_api.metrics import ServiceMetrics
from inference_api.operations_replies import Latency

# The last part of the path of every route that predicts.
PREDICTING = ("predict", "infer", "invocations")


def prediction_latency(metrics: ServiceMetrics) -> Latency | None:
    """Quantiles over all workers since the start of the service; None before the first request."""
    counts: dict[float, float] = {}
    for route, limit, count in metrics.latency_buckets():
        if route.rpartition("/")[2] in PREDICTING:
            counts[limit] = counts.get(limit, 0.0) + count
    buckets = sorted(counts.items())
    if not buckets or not buckets[-1][1]:
        return None
    p50, p95, p99 = (round(1000 * quantile(buckets, share), 3) for share in (0.5, 0.95, 0.99))
    return Latency(requests=int(buckets[-1][1]), p50_ms=p50, p95_ms=p95, p99_ms=p99)


def quantile(buckets: Iterable[tuple[float, float]], share: float) -> float:
    """Quantile of a histogram, as Prometheus' ``histogram_quantile`` estimates it.

    Parameters
    ----------
    buckets : upper limit and number of values up to it, in order; the last limit is infinite.
    """
    known = [(0.0, 0.0), *buckets]
    wanted = share * known[-1][1]
    for (low, below), (high, count) in pairwise(known):
        if count >= wanted and count > below:
            # Nothing is known of a value beyond the last limit but that it is beyond.
            return low if high == float("inf") else low + (high - low) * (wanted - below) / (count - below)
    return 0.0
