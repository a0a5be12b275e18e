"""How the values of collected columns are spread: a choice of columns and a chart for each."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from ui.bin_labels import bin_words
from ui.charts import share_chart
from ui.i18n import Translator, escape
from ui.operations_answers import Distribution, Distributions
from ui.results import percent

CHARTS_PER_ROW = 2
FIRST_FEATURES = 3


def first_columns(features: Sequence[Distribution]) -> list[str]:
    """What to show before anybody has chosen: the target and some features."""
    targets = [column.name for column in features if column.role == "target"]
    return targets + [column.name for column in features if column.role != "target"][:FIRST_FEATURES]


def column_title(column: Distribution, t: Translator) -> str:
    """Name of the column as a person writes it, with its unit."""
    title = column.title or column.name.replace("_", " ")
    title = f"{title} [{column.unit}]" if column.unit else title
    return t("data.target", title=title) if column.role == "target" else title


def summary(column: Distribution, t: Translator) -> str:
    """Limits, median and missing values in one line."""
    parts = []
    if column.median is not None:
        low, high, median = (shown_value(value) for value in (column.minimum, column.maximum, column.median))
        parts.append(t("data.summary", low=low, high=high, median=median))
    if column.missing_share:
        parts.append(t("data.missing", share=percent(column.missing_share)))
    return " · ".join(parts)


def shown_value(value: object) -> str:
    """A number in few digits, anything else as it is."""
    return (
        f"{value:,.5g}"
        if isinstance(value, float | int) and abs(value) < 1e5
        else f"{value:,.0f}"
        if isinstance(value, float | int)
        else str(value)
    )


def draw_distributions(
    distributions: Distributions, use_case: str, t: Translator, classes: Mapping[str, str] | None = None
) -> None:
    """Draw the choice and the charts, two in a row; on a phone one below the other.

    Parameters
    ----------
    classes : names of the classes of the target, where they are known.
    """
    columns = {column.name: column for column in distributions.features}
    if not columns:
        st.markdown(t("data.distributions_none"))
        return
    chosen = st.multiselect(
        t("data.columns"),
        list(columns),
        default=first_columns(distributions.features),
        format_func=lambda name: column_title(columns[name], t),
        placeholder=t("data.columns_help"),
        key=f"columns_{use_case}",
        persist_state="session",
    )
    rows, sampled = distributions.rows, distributions.sampled
    whole = t("data.distributions_of_all", rows=f"{rows:,}")
    st.caption(t("data.distributions_of", sampled=f"{sampled:,}", rows=f"{rows:,}") if sampled < rows else whole)
    if not chosen:
        st.markdown(t("data.columns_empty"))
    for start in range(0, len(chosen), CHARTS_PER_ROW):
        for name, place in zip(chosen[start : start + CHARTS_PER_ROW], st.columns(CHARTS_PER_ROW), strict=False):
            with place, st.container(border=True):
                _draw(columns[name], t, classes or {})


def _draw(column: Distribution, t: Translator, classes: Mapping[str, str]) -> None:
    title = column_title(column, t)
    st.markdown(f"**{escape(title)}**")
    names = classes if column.role == "target" else {}
    labels = [names.get(b.label, bin_words(b.label, t)) for b in column.bins]
    bins = pd.DataFrame({"label": labels, "share": [b.share for b in column.bins]})
    if bins.empty:
        return
    first = labels[int(bins["share"].argmax())]
    st.altair_chart(
        share_chart(bins, numeric=column.kind == "numeric", share=t("data.share")),
        alt=t("data.chart", title=title, first=first),
    )
    line = summary(column, t)
    if line:
        st.caption(escape(line))
