"""What pushed a prediction: the contribution of each feature, as signed bars and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from ui.answers import Explanation, ModelDetails
from ui.forms import plain_number
from ui.i18n import Translator, escape
from ui.results import number_words, percent
from ui.schema import FormField

MOST_FEATURES = 8
# Told apart by the colour-blind, and readable on light and dark.
RAISES, LOWERS, NEUTRAL = "#4a86c5", "#c77d1e", "#7d8a84"
_OF_CLASS = "probability of "
# Of the answer itself: what lies below is rounding.
NOTHING = 1e-9


@dataclass(frozen=True)
class Push:
    """One bar: a feature with its value, and by how much it moved the answer."""

    name: str
    contribution: float


def pushes(
    explanation: Explanation, fields: Sequence[FormField], record: Mapping[str, Any], t: Translator
) -> list[Push]:
    """Contributions from the largest to the smallest in size; those beyond `MOST_FEATURES` as one."""
    by_name = {field.name: field for field in fields}
    ranked = sorted(explanation.contributions.items(), key=lambda item: -abs(item[1]))
    shown = [
        Push(f"{_label(by_name, name)}\n{value_words(by_name.get(name), record.get(name), t)}", contribution)
        for name, contribution in ranked[:MOST_FEATURES]
    ]
    rest = ranked[MOST_FEATURES:]
    if rest:
        shown.append(Push(t("why.others", count=len(rest)), sum(contribution for _, contribution in rest)))
    return shown


def value_words(field: FormField | None, value: Any, t: Translator) -> str:
    """A value of a record with its unit: "2596 m", "Rawah", "empty"."""
    if value is None:
        return t("why.empty")
    shown = plain_number(value) if isinstance(value, int | float) else str(value)
    return f"{shown} {field.unit}" if field and field.unit else shown


def show_explanation(
    explanation: Explanation,
    details: ModelDetails,
    fields: Sequence[FormField],
    record: Mapping[str, Any],
    t: Translator,
) -> None:
    """Draw the explanation."""
    of_class = explanation.output.startswith(_OF_CLASS)
    bars = pushes(explanation, fields, record, t)
    if of_class:
        value = explanation.output.removeprefix(_OF_CLASS)
        output = t("why.probability", name=details.labels.get(value, value))
    else:
        output = t("why.prediction", target=(details.target or "").replace("_", " "))
    words = {
        "output": escape(output),
        "reference": escape(t.known("why.reference", explanation.reference)),
        "base": escape(_amount(explanation.base_value, details.unit, of_class=of_class)),
        "value": escape(_amount(explanation.value, details.unit, of_class=of_class)),
    }
    st.header(t("why.title"), anchor=False)
    least = NOTHING * abs(explanation.value)
    if all(abs(contribution) <= least for contribution in explanation.contributions.values()):
        st.markdown(t("why.typical", **words))
        return
    st.markdown(t("why.intro", **words))
    unit = t("why.points") if of_class else (details.unit or "")
    said = "; ".join(f"{bar.name}: {_signed(bar.contribution, of_class=of_class)} {unit}".strip() for bar in bars)
    st.altair_chart(_chart(bars, unit, t, of_class=of_class), alt=t("why.chart", bars=said.replace("\n", " ")))


def _chart(bars: Sequence[Push], unit: str, t: Translator, *, of_class: bool) -> alt.LayerChart:
    raises, lowers = t("why.raises"), t("why.lowers")
    times = 100.0 if of_class else 1.0
    frame = pd.DataFrame(
        {
            "name": [bar.name for bar in bars],
            "amount": [bar.contribution * times for bar in bars],
            "shown": [_signed(bar.contribution, of_class=of_class) for bar in bars],
            "effect": [raises if bar.contribution >= 0 else lowers for bar in bars],
        }
    )
    largest = max((abs(amount) for amount in frame["amount"]), default=0) or 1.0
    # Room for the numbers at the ends of the bars.
    low = min(0.0, frame["amount"].min()) - (0.3 * largest if (frame["amount"] < 0).any() else 0.02 * largest)
    high = max(0.0, frame["amount"].max()) + 0.3 * largest
    scale = alt.Scale(domain=[low, high], nice=False)
    # The feature, and its value below it.
    names = alt.Axis(
        labelExpr="split(datum.label, '\\n')", labelLimit=180, labelOverlap=False, ticks=False, domain=False
    )
    base = alt.Chart(frame).encode(
        x=alt.X("amount:Q", title=unit or None, scale=scale, axis=alt.Axis(tickCount=4)),
        y=alt.Y("name:N", sort=None, title=None, axis=names),
        tooltip=[alt.Tooltip("name:N", title=" "), alt.Tooltip("shown:N", title=unit or " ")],
    )
    bar = base.mark_bar(cornerRadiusEnd=3).encode(
        color=alt.Color(
            "effect:N",
            scale=alt.Scale(domain=[raises, lowers], range=[RAISES, LOWERS]),
            legend=alt.Legend(orient="top", direction="vertical", title=None),
        )
    )
    right = base.transform_filter("datum.amount >= 0").mark_text(align="left", dx=4, color=NEUTRAL)
    left = base.transform_filter("datum.amount < 0").mark_text(align="right", dx=-4, color=NEUTRAL)
    ends = [side.encode(text="shown:N") for side in (right, left)]
    return alt.LayerChart(layer=[bar, *ends]).properties(height=40 * len(bars) + 80)


def _signed(amount: float, *, of_class: bool) -> str:
    shown = (
        f"{abs(amount) * 100:.1f}" if of_class else f"{abs(amount):,.4g}" if abs(amount) < 1 else f"{abs(amount):,.0f}"
    )
    # What rounds to nothing has no sign.
    sign = "" if not float(shown.replace(",", "")) else "+" if amount > 0 else "−"
    return f"{sign}{shown}"


def _amount(value: float, unit: str | None, *, of_class: bool) -> str:
    return percent(value) if of_class else f"{number_words(value)} {unit or ''}".strip()


def _label(by_name: Mapping[str, FormField], name: str) -> str:
    return by_name[name].label if name in by_name else name
