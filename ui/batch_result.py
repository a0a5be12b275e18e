"""What came of a file: the predictions to download, what they look like, and the rows that have none."""

import csv
import io
from collections.abc import Sequence
from pathlib import PurePath
from statistics import median

import altair as alt
import pandas as pd
import streamlit as st

from ui.answers import ModelDetails
from ui.batch_job import Predict
from ui.charts import NOW_COLOUR
from ui.csv_file import CsvFile
from ui.csv_rows import CellProblem
from ui.i18n import Translator, escape
from ui.results import number_words

SHOWN_PROBLEMS = 500


def show_result(job: Predict, file: CsvFile, details: ModelDetails, t: Translator) -> None:
    """Draw the download, the mix or range of the predictions, and the first rows."""
    if not job.problem and not job.cancelled:
        done = t.counted("batch.done", job.predicted, predicted=f"{job.predicted:,}", version=job.version)
        st.success(done, icon=":material/check_circle:")
    st.download_button(
        t("batch.download"),
        # Read when it is asked for: the page holds no second copy.
        job.result,
        file_name=f"{PurePath(file.name).stem}_predictions.csv",
        mime="text/csv",
        key="download",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
    )
    if job.counts:
        st.markdown(f"**{t('batch.mix')}**")
        counts = job.counts.most_common()
        said = ", ".join(f"{name} {count:,}" for name, count in counts)
        st.altair_chart(_mix(counts, t), alt=t("batch.mix_chart", bars=said))
    elif job.numbers:
        with st.container(horizontal=True):
            ends = {"lowest": min(job.numbers), "median": median(job.numbers), "highest": max(job.numbers)}
            for key, value in ends.items():
                shown = f"{number_words(value)} {details.unit or ''}".strip()
                st.metric(t(f"batch.{key}"), escape(shown), border=True, width="content")
    st.markdown(f"**{t.counted('batch.preview', len(job.preview), count=len(job.preview))}**")
    # What was added comes first: on a phone nobody finds the thirteenth column.
    added = len(job.header) - len(file.header)
    table = pd.DataFrame(job.preview, columns=_unique(job.header)).astype(str)
    st.dataframe(table[[*table.columns[-added:], *table.columns[:-added]]], hide_index=True, key="preview")


def show_problems(problems: Sequence[CellProblem], found: int, title: str, t: Translator, key: str) -> None:
    """Draw the table of problems, if there are any, and a button to download it."""
    if not problems:
        return
    st.markdown(f"**{title}**")
    table = problems_table(problems[:SHOWN_PROBLEMS], t)
    st.dataframe(
        table,
        hide_index=True,
        key=key,
        column_config={
            table.columns[0]: st.column_config.NumberColumn(width="small", format="%d"),
            table.columns[1]: st.column_config.TextColumn(width="small"),
            table.columns[2]: st.column_config.TextColumn(width="large"),
        },
    )
    if found > SHOWN_PROBLEMS:
        st.caption(t("batch.first_problems", shown=SHOWN_PROBLEMS, count=f"{found:,}"))
    st.download_button(
        t("batch.download_problems"),
        problems_csv(problems, t),
        file_name="problems.csv",
        mime="text/csv",
        key=f"download_{key}",
        icon=":material/download:",
        on_click="ignore",
    )


def problems_table(problems: Sequence[CellProblem], t: Translator) -> pd.DataFrame:
    """One line a problem, in the file's order."""
    return pd.DataFrame(
        {
            t("batch.row"): [problem.row for problem in problems],
            t("batch.column"): [problem.column for problem in problems],
            t("batch.reason"): [problem.reason for problem in problems],
        }
    )


def problems_csv(problems: Sequence[CellProblem], t: Translator) -> bytes:
    """The same as CSV, for Excel too."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([t("batch.row"), t("batch.column"), t("batch.reason")])
    writer.writerows((problem.row, problem.column, problem.reason) for problem in problems)
    return text.getvalue().encode("utf-8-sig")


def _mix(counts: Sequence[tuple[str, int]], t: Translator) -> alt.Chart:
    frame = pd.DataFrame(counts, columns=["name", "rows"])
    return (
        alt.Chart(frame)
        .mark_bar(color=NOW_COLOUR, cornerRadiusEnd=3)
        .encode(
            x=alt.X("rows:Q", title=t("batch.rows_axis"), axis=alt.Axis(tickMinStep=1, tickCount=4)),
            y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=150, ticks=False, domain=False)),
            tooltip=[alt.Tooltip("name:N", title=" "), alt.Tooltip("rows:Q", title=t("batch.rows_axis"), format=",")],
        )
        .properties(height=26 * len(frame) + 60)
    )


def _unique(names: Sequence[str]) -> list[str]:
    """Names for a table, which may not hold one twice; an extra column may be in the file twice."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
