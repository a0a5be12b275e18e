"""Traffic of a model over time as frames for charts: buckets without a prediction are there too, and are zero."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pandas as pd

from ui.operations_answers import Mix, Monitoring, TrafficBucket
from ui.times import local, now

# More classes than colours that can be told apart become one.
MOST_CLASSES = 8


def period(monitoring: Monitoring) -> tuple[datetime, datetime]:
    """Begin and end of what is shown, in the browser's time."""
    end = monitoring.generated_at or now()
    return wall(end - timedelta(hours=monitoring.hours)), wall(end)


def wall(moment: datetime) -> datetime:
    """The browser's clock at that moment, without its zone: what a chart writes on its axis."""
    return local(moment).replace(tzinfo=None)


def traffic_frame(monitoring: Monitoring) -> pd.DataFrame:
    """Columns ``start``, ``end`` and ``predictions``: every bucket of the period, in order."""
    step = timedelta(minutes=monitoring.bucket_minutes)
    counted = {wall(bucket.at): bucket.predictions for bucket in monitoring.traffic}
    begin, end = period(monitoring)
    # The buckets keep the places that the API gave them; those between are filled in.
    first = min(counted, default=end)
    while first - step >= begin:
        first -= step
    last = max(counted, default=begin)
    starts = set(counted)
    place = first
    while step and (place <= last or place < end):
        starts.add(place)
        place += step
    ordered = sorted(starts)
    return pd.DataFrame(
        {
            "start": ordered,
            "end": [start + step for start in ordered],
            "predictions": [counted.get(start, 0) for start in ordered],
        }
    )


def ranked_classes(mix: Mix) -> list[str]:
    """Classes, the most frequent of the training rows first; at most `MOST_CLASSES`."""
    totals = dict(mix.reference)
    for bucket in mix.series:
        for value in bucket.shares:
            totals.setdefault(value, 0.0)
    return sorted(totals, key=lambda value: -totals[value])[:MOST_CLASSES]


def mix_frame(mix: Mix, bucket_minutes: float, names: Mapping[str, str], others: str) -> pd.DataFrame:
    """Columns ``start``, ``end``, ``name``, ``low``, ``high`` and ``share``: the bars of each bucket, stacked."""
    shown = ranked_classes(mix)
    step = timedelta(minutes=bucket_minutes)
    lines = []
    for bucket in mix.series:
        low, start = 0.0, wall(bucket.at)
        for value, share in grouped(bucket.shares, shown, others):
            name = names.get(value, value)
            lines.append(
                {"start": start, "end": start + step, "name": name, "low": low, "high": low + share, "share": share}
            )
            low += share
    return pd.DataFrame(lines)


def grouped(shares: Mapping[str, float], shown: Sequence[str], others: str) -> list[tuple[str, float]]:
    """The shares of the classes shown, in their order, and the sum of the rest if there is any."""
    rest = sum(share for value, share in shares.items() if value not in shown)
    known = [(value, shares.get(value, 0.0)) for value in shown]
    return [*known, (others, rest)] if rest else known


def overall_mix(mix: Mix, traffic: Sequence[TrafficBucket]) -> dict[str, float]:
    """Share of each class over the whole period: every bucket counts by its predictions."""
    weights = {bucket.at: bucket.predictions for bucket in traffic}
    totals: dict[str, float] = {}
    for bucket in mix.series:
        for value, share in bucket.shares.items():
            totals[value] = totals.get(value, 0.0) + share * weights.get(bucket.at, 1)
    whole = sum(totals.values())
    return {value: total / whole for value, total in totals.items()} if whole else {}


def compared_mix(monitoring: Monitoring, names: Mapping[str, str], kinds: tuple[str, str], others: str) -> pd.DataFrame:
    """Columns ``label``, ``kind`` and ``share``: each class among the training rows and in the period."""
    mix = monitoring.mix or Mix()
    shown = ranked_classes(mix)
    sides = zip(kinds, (mix.reference, overall_mix(mix, monitoring.traffic)), strict=True)
    return pd.DataFrame(
        [
            {"label": names.get(value, value), "kind": kind, "share": share}
            for kind, shares in sides
            for value, share in grouped(shares, shown, others)
        ]
    )
