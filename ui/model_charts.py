"""The charts of a version's report: confusion matrix, predicted against true values, segments."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from ui.answers import Evaluation, Segment
from ui.charts import NOW_COLOUR, PALETTE
from ui.i18n import Translator

MOST_SEGMENTS = 20


def confusion_frame(evaluation: Evaluation, labels: Mapping[str, str]) -> pd.DataFrame:
    """One line per pair of classes: ``true``, ``predicted``, ``rows``, and ``share`` of the rows of the true class."""
    names = [labels.get(score.name, score.name) for score in evaluation.classes]
    cells = []
    for true, row in zip(names, evaluation.confusion, strict=True):
        total = sum(row)
        for predicted, rows in zip(names, row, strict=True):
            cells.append({"true": true, "predicted": predicted, "rows": rows, "share": rows / total if total else 0.0})
    return pd.DataFrame(cells)


def confusion_chart(frame: pd.DataFrame, t: Translator) -> alt.LayerChart:
    """Heat map of `confusion_frame`: the darker, the larger the share of the true class."""
    order = list(dict.fromkeys(frame["true"]))
    base = alt.Chart(frame).encode(
        x=alt.X(
            "predicted:N",
            sort=order,
            title=t("report.predicted"),
            axis=alt.Axis(labelAngle=-40, labelLimit=110, labelOverlap=False),
        ),
        y=alt.Y("true:N", sort=order, title=t("report.true"), axis=alt.Axis(labelLimit=110)),
        tooltip=[
            alt.Tooltip("true:N", title=t("report.true")),
            alt.Tooltip("predicted:N", title=t("report.predicted")),
            alt.Tooltip("rows:Q", title=t("report.rows"), format=","),
            alt.Tooltip("share:Q", title=t("report.share"), format=".1%"),
        ],
    )
    # Light to dark in both themes, so that the numbers on top can be chosen for contrast.
    colour = alt.Color("share:Q", scale=alt.Scale(range=["#eef6f2", "#14503c"], domain=[0, 1]), legend=None)
    numbers = alt.condition("datum.share > 0.45", alt.value("#ffffff"), alt.value("#1b2b24"))
    cells = base.mark_rect().encode(color=colour)
    counts = base.mark_text(fontSize=11).encode(text="rows:Q", color=numbers)
    return alt.LayerChart(layer=[cells, counts]).properties(height=40 * len(order) + 130)


def residuals_chart(evaluation: Evaluation, unit: str | None, t: Translator) -> alt.LayerChart:
    """Points of true and predicted values, and the line on which they would be equal."""
    frame = pd.DataFrame(evaluation.residuals, columns=["truth", "predicted"])
    low, high = float(frame.min().min()), float(frame.max().max())
    ends = f" ({unit})" if unit else ""
    scale = alt.Scale(domain=[low, high], zero=False)
    x = alt.X("truth:Q", title=t("report.truth") + ends, scale=scale, axis=alt.Axis(tickCount=5))
    y = alt.Y("predicted:Q", title=t("report.prediction") + ends, scale=scale, axis=alt.Axis(tickCount=5))
    tooltip = [
        alt.Tooltip("truth:Q", title=t("report.truth"), format=",.4~r"),
        alt.Tooltip("predicted:Q", title=t("report.prediction"), format=",.4~r"),
    ]
    points = (
        alt.Chart(frame)
        .mark_circle(color=NOW_COLOUR, opacity=0.6, size=45, clip=True)
        .encode(x=x, y=y, tooltip=tooltip)
    )
    exact = pd.DataFrame({"truth": [low, high], "predicted": [low, high]})
    line = alt.Chart(exact).mark_line(color=PALETTE[1], strokeDash=[6, 4]).encode(x=x, y=y)
    return alt.LayerChart(layer=[points, line]).properties(height=380)


def segments_chart(segments: Sequence[Segment], metric: str, t: Translator) -> alt.Chart:
    """Metric per segment, in the order given."""
    frame = pd.DataFrame(
        {
            "name": [f"{segment.column}: {segment.value}" for segment in segments],
            "score": [segment.score for segment in segments],
            "rows": [segment.rows for segment in segments],
        }
    )
    return (
        alt.Chart(frame)
        .mark_bar(color=NOW_COLOUR, cornerRadiusEnd=3)
        .encode(
            x=alt.X("score:Q", title=metric, axis=alt.Axis(tickCount=5)),
            y=alt.Y(
                "name:N",
                sort=None,
                title=None,
                axis=alt.Axis(labelLimit=170, labelOverlap=False, ticks=False, domain=False),
            ),
            tooltip=[
                alt.Tooltip("name:N", title=t("report.segment")),
                alt.Tooltip("score:Q", title=metric, format=",.4~r"),
                alt.Tooltip("rows:Q", title=t("report.rows"), format=","),
            ],
        )
        .properties(height=24 * len(frame) + 60)
    )
