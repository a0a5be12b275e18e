"""The answer of the model on the screen: label, probabilities as a chart and a table, where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass

import altair as alt
import pandas as pd
import streamlit as st

from ui.answers import ModelDetails, Prediction
from ui.i18n import Translator, escape

# Beyond so many bars nobody reads a chart; the table has them all.
MOST_BARS = 12


@dataclass(frozen=True)
class ClassProbability:
    """One line of the table of probabilities."""

    value: str
    name: str
    probability: float

    @property
    def shown(self) -> str:
        """The class with its full name, where that says something else."""
        return self.value if self.value == self.name else f"{self.value} — {self.name}"


def ranked_probabilities(prediction: Prediction, labels: Mapping[str, str]) -> list[ClassProbability]:
    """Classes from the most to the least likely, with their full names where they are known."""
    names = dict(labels)
    if prediction.label:
        names.setdefault(str(prediction.prediction), prediction.label)
    rows = [
        ClassProbability(value, names.get(value, value), probability)
        for value, probability in (prediction.probabilities or {}).items()
    ]
    return sorted(rows, key=lambda row: -row.probability)


def headline(prediction: Prediction, unit: str | None = None) -> str:
    """The prediction in one line: the label of a class, or a number with thousands separated and its unit."""
    if prediction.label:
        return prediction.label
    if isinstance(prediction.prediction, str):
        return prediction.prediction
    return f"{number_words(prediction.prediction)} {unit or ''}".strip()


def number_words(value: float) -> str:
    """A number as people read it: 152,300.50, 0.0123."""
    if isinstance(value, int):
        return str(value)
    return f"{value:,.{2 if abs(value) >= 1 else 4}f}"


def percent(share: float) -> str:
    """A probability as people read it, never rounded up to certainty: 0.9996 is "> 99.9 %"."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{share * 100:.1f} %"


def show_result(prediction: Prediction, details: ModelDetails, latency_ms: float, t: Translator) -> None:
    """Draw the result."""
    rows = ranked_probabilities(prediction, details.labels)
    # The answer is the largest thing of its panel, whatever its place among the headings.
    st.html("<style>.st-key-answer h3 {font-size:1.9rem; overflow-wrap:anywhere}</style>")
    with st.container(key="answer"):
        st.markdown(f"### :primary[{escape(headline(prediction, details.unit))}]")
    if rows:
        st.markdown(f"**{t('result.probabilities')}**")
        st.altair_chart(_chart(rows), alt=t("result.chart", name=rows[0].name))
        st.table(_table(rows, t), border="horizontal", hide_index=True)
    facts = {
        "result.model": t("result.model_value", name=details.title, version=prediction.model_version),
        "result.latency": f"{latency_ms:.0f} ms",
        "result.request_id": prediction.request_id,
    }
    st.markdown("  \n".join(f":gray[{t(key)}:] {escape(value)}" for key, value in facts.items() if value))


def _chart(rows: list[ClassProbability]) -> alt.Chart:
    shown = rows[:MOST_BARS]
    frame = pd.DataFrame(
        {
            "name": [row.name for row in shown],
            "probability": [row.probability for row in shown],
            "percent": [percent(row.probability) for row in shown],
            "first": [index == 0 for index in range(len(shown))],
        }
    )
    return (
        alt.Chart(frame)
        .mark_bar(cornerRadiusEnd=4)
        .encode(
            x=alt.X(
                "probability:Q",
                title=None,
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1]),
            ),
            y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=150, domain=False, ticks=False)),
            opacity=alt.condition("datum.first", alt.value(1.0), alt.value(0.5)),
            tooltip=[alt.Tooltip("name", title=" "), alt.Tooltip("percent", title="%")],
        )
        .properties(height=26 * len(shown) + 30)
    )


def _table(rows: list[ClassProbability], t: Translator) -> pd.DataFrame:
    """Cells are Markdown, where "> 99.9 %" would be a quotation."""
    return pd.DataFrame(
        {
            t("result.table.class"): [escape(row.shown) for row in rows],
            t("result.table.probability"): [escape(percent(row.probability)) for row in rows],
        }
    )
