"""What the model would answer if one feature were different: a curve over its range, or bars over its categories."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from ui.answers import ModelDetails, PredictedColumns, Prediction
from ui.api_client import ApiClient, ApiProblem
from ui.attempt import Attempt
from ui.explanation import RAISES, value_words
from ui.guard import guarded
from ui.i18n import Translator, escape
from ui.messages import show_problem
from ui.results import number_words, percent, ranked_probabilities
from ui.schema import EPOCH, FormField, date_from_days, widget_value
from ui.session import api_client
from ui.widgets import has_slider

POINTS = 41
DATE_SPAN_DAYS = 3652
NOW = "#c77d1e"
KEPT_CURVES = 200
KEPT_SECONDS = 600


def can_vary(field: FormField) -> bool:
    """Whether there are other values to try: a free text has none that are known."""
    return field.kind != "text" and (field.kind == "category" or field.default is not None)


def other_values(field: FormField, present: Any) -> list[Any]:
    """Values of a field to try, in order, as the API takes them; the present one is among them.

    Parameters
    ----------
    present : its value in the record; None when it was left empty.
    """
    if field.kind == "category":
        return list(field.categories)
    if field.kind == "date":
        known = (widget_value(field, value) for value in (present, field.default))
        days = [(day - EPOCH).days for day in known if isinstance(day, date)]
        low, high = _within(field, min(days) - DATE_SPAN_DAYS, max(days) + DATE_SPAN_DAYS)
        found = {date_from_days(low + (high - low) * i / (POINTS - 1)).isoformat() for i in range(POINTS)}
        return sorted(found | ({present} if present else set()))
    low, high = _span(field, present)
    points = [low + (high - low) * i / (POINTS - 1) for i in range(POINTS)]
    kind = round if field.kind == "integer" else (lambda value: float(f"{value:.6g}"))
    return sorted({*map(kind, points), *([] if present is None else [present])})


def _span(field: FormField, present: Any) -> tuple[float, float]:
    """The limits, or where they are far from anything real, twice the size of the values at hand."""
    if has_slider(field):
        return field.minimum or 0.0, field.maximum or 0.0
    known = [float(value) for value in (present, field.default) if isinstance(value, int | float)]
    width = max([1.0, *(abs(value) for value in known)])
    return _within(field, min(known) - width, max(known) + width)


def _within(field: FormField, low: float, high: float) -> tuple[float, float]:
    return (
        low if field.minimum is None else max(low, field.minimum),
        high if field.maximum is None else min(high, field.maximum),
    )


def varied(record: Mapping[str, Any], fields: Sequence[FormField], name: str, values: Sequence[Any]) -> dict[str, Any]:
    """The record as columns, once for each value of one feature."""
    return {
        field.name: list(values) if field.name == name else [record.get(field.name)] * len(values) for field in fields
    }


@st.cache_data(ttl=KEPT_SECONDS, max_entries=KEPT_CURVES, show_spinner=False)
def _ask(base_url: str, timeout: float, model: str, version: int, columns: dict[str, list[Any]]) -> PredictedColumns:
    return ApiClient(base_url, timeout).predict_columns(model, columns, version, recorded=False).columns


# A feature chosen here runs this part again and leaves the rest of the page alone.
@st.fragment
@guarded
def draw_what_if(
    attempt: Attempt, prediction: Prediction, details: ModelDetails, fields: Sequence[FormField], t: Translator
) -> None:
    """Draw the choice of a feature and the predictions over its values."""
    st.header(t("what_if.title"), anchor=False)
    by_name = {field.name: field for field in fields if can_vary(field)}
    if not by_name:
        return
    contributions = attempt.explanation.contributions if attempt.explanation else {}
    # What moved the answer most is what a person wants to move.
    first = max(by_name, key=lambda name: abs(contributions.get(name, 0.0)))
    with st.container(horizontal=True):
        name = st.selectbox(
            t("what_if.feature"),
            list(by_name),
            index=list(by_name).index(first),
            format_func=lambda name: by_name[name].label,
            key=f"what_if_{details.name}",
            width=260,
        )
        classes = {row.value: row.name for row in ranked_probabilities(prediction, details.labels)}
        chosen = None
        if classes:
            chosen = st.selectbox(
                t("what_if.class"), list(classes), format_func=classes.__getitem__, key=f"of_{details.name}", width=220
            )
    field, record = by_name[name], attempt.record or {}
    values = other_values(field, record.get(name))
    client = api_client()
    try:
        columns = varied(record, fields, name, values)
        answers = _ask(client.base_url, client.timeout, details.name, prediction.model_version, columns)
    except ApiProblem as problem:
        show_problem(problem, t, key="what_if")
        return
    st.markdown(f":small[:gray[{t('what_if.intro', feature=escape(field.label))}]]")
    outcomes = (
        (answers.probabilities or {}).get(chosen, []) if chosen else [float(value) for value in answers.prediction]
    )
    frame = pd.DataFrame({"value": values, "outcome": outcomes})
    frame["now"] = frame["value"] == record.get(name)
    output = t("why.probability", name=classes[chosen]) if chosen else t("why.prediction", target=details.target or "")
    said = _in_words(frame, field, output, details.unit, t, of_class=bool(chosen))
    st.altair_chart(_chart(frame, field, _title(output, details.unit), t, of_class=bool(chosen)), alt=said)


def _title(output: str, unit: str | None) -> str:
    return f"{output[:1].upper()}{output[1:]}{f' ({unit})' if unit else ''}"


def _chart(
    frame: pd.DataFrame, field: FormField, title: str, t: Translator, *, of_class: bool
) -> alt.LayerChart | alt.Chart:
    shown = [percent(value) if of_class else number_words(value) for value in frame["outcome"]]
    frame = frame.assign(shown=shown, kind=frame["now"].map({True: t("what_if.now"), False: t("what_if.other")}))
    digits = ",.0f" if frame["outcome"].abs().max() >= 100 else ",.3~f"
    axis = alt.Axis(format="%" if of_class else digits, tickCount=5)
    scale = alt.Scale(domain=[0, 1]) if of_class else alt.Scale(zero=field.kind == "category")
    tooltip = [alt.Tooltip("value", title=field.label), alt.Tooltip("shown:N", title=title)]
    base = alt.Chart(frame)
    if field.kind == "category":
        names = alt.Axis(labelLimit=150, labelOverlap=False, ticks=False, domain=False)
        return (
            base.mark_bar(cornerRadiusEnd=3)
            .encode(
                x=alt.X("outcome:Q", title=title, axis=axis, scale=scale),
                y=alt.Y("value:N", sort=None, title=None, axis=names),
                color=alt.Color(
                    "kind:N",
                    scale=alt.Scale(domain=[t("what_if.now"), t("what_if.other")], range=[NOW, RAISES]),
                    legend=alt.Legend(orient="top", title=None),
                ),
                tooltip=tooltip,
            )
            .properties(height=22 * len(frame) + 130)
        )
    name = field.label if not field.unit else f"{field.label} ({field.unit})"
    x = alt.X(
        "value:T" if field.kind == "date" else "value:Q",
        title=name,
        scale=alt.Scale(zero=False, nice=False),
        axis=alt.Axis(tickCount=6),
    )
    y = alt.Y("outcome:Q", title=title, axis=axis, scale=scale)
    line = base.mark_line(color=RAISES, interpolate="linear").encode(x=x, y=y)
    # Points that cannot be seen, for the pointer to find.
    points = base.mark_point(size=200, opacity=0).encode(x=x, y=y, tooltip=tooltip)
    now = base.transform_filter("datum.now")
    rule = now.mark_rule(color=NOW, strokeDash=[5, 4], strokeWidth=2).encode(x=x)
    dot = now.mark_point(filled=True, size=110, color=NOW, opacity=1).encode(x=x, y=y, tooltip=tooltip)
    label = now.mark_text(align="left", dx=6, color=NOW, fontWeight="bold").encode(x=x, y=alt.value(8), text="kind:N")
    return alt.LayerChart(layer=[line, points, rule, dot, label]).properties(height=300)


def _in_words(
    frame: pd.DataFrame, field: FormField, output: str, unit: str | None, t: Translator, *, of_class: bool
) -> str:
    def amount(row: pd.Series) -> str:
        return percent(row["outcome"]) if of_class else f"{number_words(row['outcome'])} {unit or ''}".strip()

    low, high = frame.iloc[int(frame["outcome"].argmin())], frame.iloc[int(frame["outcome"].argmax())]
    now = frame[frame["now"]]
    said = ""
    if len(now):
        said = t("what_if.chart_now", value=amount(now.iloc[0]), at=value_words(field, now.iloc[0]["value"], t))
    return t(
        "what_if.chart",
        output=output,
        feature=field.label,
        low=amount(low),
        low_at=value_words(field, low["value"], t),
        high=amount(high),
        high_at=value_words(field, high["value"], t),
        now=said,
    )
