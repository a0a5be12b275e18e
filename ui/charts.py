"""The charts of Data and Monitoring: frames in, Altair out; colours that hold in light and in dark."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import altair as alt
import pandas as pd

# Told apart by most colour-blind people, and at three to one or more against both backgrounds.
PALETTE = ("#2a9d74", "#c77d1e", "#4a86c5", "#b5609b", "#a38b14", "#d05c4a", "#7a76c9", "#7d8a84")
NOW_COLOUR, REFERENCE_COLOUR = PALETTE[0], PALETTE[7]
HEIGHT = 220
BAR_STEP = 18
# Axis, its title and a legend are inside the height of a chart.
FRAME = 100


def share_chart(bins: pd.DataFrame, *, numeric: bool, share: str) -> alt.Chart:
    """Share of rows per bin, in the order given: columns for a number, bars for values with names.

    Parameters
    ----------
    bins : columns ``label`` and ``share`` (0 to 1).
    share : title of the share.
    """
    chart = alt.Chart(bins)
    tooltip = [alt.Tooltip("label:N", title=" "), alt.Tooltip("share:Q", title=share, format=".1%")]
    size = alt.Axis(format="%", tickCount=4)
    if numeric:
        return (
            chart.mark_bar(color=NOW_COLOUR)
            .encode(
                x=alt.X("label:N", sort=None, title=None, axis=alt.Axis(labelAngle=-40, labelLimit=110)),
                y=alt.Y("share:Q", title=share, axis=size),
                tooltip=tooltip,
            )
            .properties(height=HEIGHT)
        )
    return (
        chart.mark_bar(color=NOW_COLOUR)
        .encode(
            y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=150, ticks=False, domain=False)),
            x=alt.X("share:Q", title=share, axis=size),
            tooltip=tooltip,
        )
        .properties(height=max(HEIGHT, BAR_STEP * len(bins) + FRAME))
    )


def compared_chart(bins: pd.DataFrame, kinds: Sequence[str], share: str) -> alt.Chart:
    """Two bars per label: among the training rows, and now.

    Parameters
    ----------
    bins : columns ``label``, ``kind`` (one of `kinds`) and ``share``.
    kinds : name of the reference, name of the present.
    """
    return (
        alt.Chart(bins)
        .mark_bar()
        .encode(
            y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=160, ticks=False, domain=False)),
            yOffset=alt.YOffset("kind:N", sort=list(kinds)),
            x=alt.X("share:Q", title=share, axis=alt.Axis(format="%", tickCount=4)),
            color=alt.Color(
                "kind:N",
                sort=list(kinds),
                scale=alt.Scale(domain=list(kinds), range=[REFERENCE_COLOUR, NOW_COLOUR]),
                legend=alt.Legend(orient="top", direction="vertical", title=None),
            ),
            tooltip=[
                alt.Tooltip("label:N", title=" "),
                alt.Tooltip("kind:N", title=" "),
                alt.Tooltip("share:Q", title=share, format=".1%"),
            ],
        )
        .properties(height=2 * BAR_STEP * bins["label"].nunique() + FRAME)
    )


def traffic_chart(buckets: pd.DataFrame, predictions: str, period: tuple[datetime, datetime]) -> alt.Chart:
    """Predictions per bucket of time: columns ``start``, ``end``, ``predictions``."""
    return (
        alt.Chart(buckets)
        .mark_bar(color=NOW_COLOUR)
        .encode(
            x=_time(period),
            x2="end:T",
            y=alt.Y("predictions:Q", title=predictions, axis=alt.Axis(tickMinStep=1, tickCount=4)),
            y2=alt.datum(0),
            tooltip=[
                alt.Tooltip("start:T", title=" ", format="%Y-%m-%d %H:%M"),
                alt.Tooltip("predictions:Q", title=predictions, format=","),
            ],
        )
        .properties(height=HEIGHT)
    )


def mix_chart(
    buckets: pd.DataFrame, classes: Sequence[str], share: str, period: tuple[datetime, datetime]
) -> alt.Chart:
    """Shares of the predicted classes over time: columns ``start``, ``end``, ``name``, ``low``, ``high``, ``share``."""
    return (
        alt.Chart(buckets)
        .mark_bar()
        .encode(
            x=_time(period),
            x2="end:T",
            y=alt.Y("low:Q", title=share, axis=alt.Axis(format="%", tickCount=4), scale=alt.Scale(domain=[0, 1])),
            y2="high:Q",
            color=alt.Color(
                "name:N",
                sort=list(classes),
                scale=alt.Scale(domain=list(classes), range=[PALETTE[i % len(PALETTE)] for i in range(len(classes))]),
                legend=alt.Legend(orient="bottom", title=None, columns=2, labelLimit=130),
            ),
            tooltip=[
                alt.Tooltip("start:T", title=" ", format="%Y-%m-%d %H:%M"),
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("share:Q", title=share, format=".1%"),
            ],
        )
        .properties(height=HEIGHT + FRAME)
    )


def values_chart(buckets: pd.DataFrame, title: str, period: tuple[datetime, datetime]) -> alt.LayerChart:
    """Median of the predicted numbers over time (``start``, ``p10``, ``median``, ``p90``), and their middle 80 %."""
    x = _time(period)
    base = alt.Chart(buckets)
    tooltip = [
        alt.Tooltip("start:T", title=" ", format="%Y-%m-%d %H:%M"),
        *(alt.Tooltip(f"{name}:Q", format=",.4~g") for name in ("p90", "median", "p10")),
    ]
    zero = alt.Scale(zero=False)
    band = base.mark_area(opacity=0.3, color=NOW_COLOUR).encode(
        x=x, y=alt.Y("p10:Q", title=title, scale=zero), y2="p90:Q"
    )
    line = base.mark_line(color=NOW_COLOUR, point=alt.OverlayMarkDef(color=NOW_COLOUR)).encode(
        x=x, y=alt.Y("median:Q", title=title, scale=zero), tooltip=tooltip
    )
    return (band + line).properties(height=HEIGHT + 40)


def live_chart(versions: pd.DataFrame, held_out: float | None, metric: str) -> alt.LayerChart:
    """Metric per ``version`` (``value``, ``low``, ``high``), and a dashed rule at the held-out one."""
    base = alt.Chart(versions)
    x = alt.X("value:Q", title=metric, scale=alt.Scale(zero=False))
    y = alt.Y("version:N", sort=None, title=None)
    tooltip = [alt.Tooltip(f"{name}:Q", format=",.4~g") for name in ("value", "low", "high")]
    interval = base.mark_rule(strokeWidth=3, color=NOW_COLOUR).encode(x=alt.X("low:Q", title=metric), x2="high:Q", y=y)
    point = base.mark_point(filled=True, size=110, color=NOW_COLOUR).encode(x=x, y=y, tooltip=tooltip)
    layers: list[alt.Chart] = [interval, point]
    if held_out is not None:
        reference = alt.Chart(pd.DataFrame({"value": [held_out]}))
        layers.append(reference.mark_rule(strokeDash=[6, 4], strokeWidth=2, color=PALETTE[1]).encode(x="value:Q"))
    return alt.LayerChart(layer=layers, height=FRAME + 2 * BAR_STEP * len(versions))


def _time(period: tuple[datetime, datetime]) -> alt.X:
    """An axis of the whole period: of a day, hours of 24; of more, days."""
    begin, end = period
    axis = alt.Axis(format="%H:%M" if end - begin <= timedelta(days=1) else "%m-%d", tickCount=7, labelOverlap=True)
    return alt.X("start:T", title=None, axis=axis, scale=alt.Scale(domain=[begin.isoformat(), end.isoformat()]))
