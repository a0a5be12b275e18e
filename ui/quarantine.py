"""Rows that were refused, one line per reason, and what to do about them."""

from typing import Any

import pandas as pd
import streamlit as st

from ui.i18n import Translator, escape
from ui.operations_answers import Quarantine, QuarantinedRow

# How the API names a reason that is about no single field.
WHOLE_ROW = "(row)"


def reasons_table(quarantine: Quarantine, t: Translator) -> pd.DataFrame:
    """One line per refused value: where it stood, what it was, why it was refused."""
    lines = [
        {
            t("data.table.batch"): row.batch_number,
            # People count rows from 1.
            t("data.table.row"): row.row_index + 1,
            t("data.table.field"): t("data.whole_row") if reason.field == WHOLE_ROW else reason.field,
            t("data.table.value"): _value(row, reason.field, quarantine.columns),
            t("data.table.reason"): reason.reason,
        }
        for row in quarantine.rows
        for reason in row.reasons
    ]
    return pd.DataFrame(lines)


def reasons_summary(quarantine: Quarantine, t: Translator) -> pd.DataFrame:
    """How many of the rows each field had refused, the most frequent first."""
    counts: dict[str, int] = {}
    for row in quarantine.rows:
        for name in dict.fromkeys(reason.field for reason in row.reasons):
            counts[name] = counts.get(name, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return pd.DataFrame(
        {
            t("data.table.field"): [escape(t("data.whole_row") if name == WHOLE_ROW else name) for name, _ in ranked],
            t("data.table.rows"): [count for _, count in ranked],
        }
    )


def draw_quarantine(quarantine: Quarantine, use_case: str, t: Translator) -> None:
    """Draw the summary, the advice and the table."""
    if not quarantine.rows:
        st.markdown(t("data.quarantine_none"))
        return
    said = t("data.quarantine_some", total=f"{quarantine.total:,}")
    if len(quarantine.rows) < quarantine.total:
        said += " " + t("data.quarantine_newest", shown=f"{len(quarantine.rows):,}")
    st.markdown(said)
    with st.expander(t("data.quarantine_todo_title"), icon=":material/lightbulb:"):
        st.markdown(t("data.quarantine_todo", name=use_case))
    left, right = st.columns([1, 3])
    left.table(reasons_summary(quarantine, t), border="horizontal", hide_index=True)
    right.dataframe(
        reasons_table(quarantine, t),
        hide_index=True,
        alt=t("data.quarantine_alt"),
        column_config={
            t("data.table.reason"): st.column_config.TextColumn(width="large"),
            t("data.table.batch"): st.column_config.NumberColumn(width="small"),
            t("data.table.row"): st.column_config.NumberColumn(width="small"),
        },
        key=f"quarantine_{use_case}",
    )


def _value(row: QuarantinedRow, field: str, columns: list[str]) -> str:
    values: Any = row.row
    if isinstance(values, list) and field in columns and columns.index(field) < len(values):
        return str(values[columns.index(field)])
    return str(values)
