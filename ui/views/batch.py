"""Batch: a CSV in, the same CSV with predictions out."""

from collections.abc import Sequence

import streamlit as st

from ui.answers import ModelDetails
from ui.api_client import ApiProblem
from ui.batch_job import Check, Predict
from ui.batch_result import show_problems, show_result
from ui.batch_state import Batch, forget_batch, kept_batch, new_batch
from ui.choice import choose_subject
from ui.csv_file import MOST_MEGABYTES, CsvFile, CsvProblem, open_csv, template
from ui.forms import allowed
from ui.guard import guarded
from ui.i18n import Translator, escape
from ui.messages import show_problem
from ui.schema import FormField, fields_from_schema
from ui.session import api_client, translator

POLL_SECONDS = 0.5


def render(t: Translator) -> None:
    """Draw the page."""
    st.title(t("batch.title"), anchor=False)
    st.caption(t("batch.intro"))
    chosen = choose_subject(t)
    if chosen is None:
        return
    version, details = chosen
    fields = fields_from_schema(details.record_schema or {})
    uploaded = st.file_uploader(
        t("batch.file"),
        key="batch_file",
        help=t("batch.file_help", most=MOST_MEGABYTES),
        on_change=forget_batch,
        max_upload_size=MOST_MEGABYTES,
    )
    _draw_columns(details, fields, t)
    subject = (details.name, version, details.champion_version, t.language)
    batch = kept_batch(subject)
    if batch is None and uploaded is not None:
        batch = new_batch(subject, uploaded.name, uploaded.getvalue())
    if batch is None:
        return
    try:
        if batch.file is None:
            batch.file = open_csv(batch.name, batch.data, fields)
    except CsvProblem as problem:
        st.error(_file_words(problem, t), icon=":material/error:")
        return
    _draw_batch(batch, batch.file, fields, details, version, t)


def _draw_columns(details: ModelDetails, fields: Sequence[FormField], t: Translator) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            t("batch.template"),
            template(fields, details.input_example or {}),
            file_name=f"{details.name}.csv",
            mime="text/csv",
            key="template",
            icon=":material/download:",
            help=t("batch.template_help"),
            on_click="ignore",
        )
        with st.popover(t("batch.columns_needed"), icon=":material/view_column:"):
            lines = []
            for field in fields:
                words = allowed(field, t)
                lines.append(f"- `{field.name}`: {escape(words if field.required else _or_empty(words, t))}")
            st.markdown("\n".join(lines))


def _or_empty(words: str, t: Translator) -> str:
    return t("batch.optional", allowed=words)


def _draw_batch(
    batch: Batch, file: CsvFile, fields: Sequence[FormField], details: ModelDetails, version: int | None, t: Translator
) -> None:
    if file.extra:
        st.caption(t("batch.extra", names=escape(", ".join(file.extra))))
    if file.left_out:
        st.caption(t("batch.left_out", names=escape(", ".join(file.left_out))))
    if batch.check is None:
        batch.check = Check(file, fields, t)
        batch.check.start()
    check = batch.check
    if not check.done:
        _watch(batch, t)
        return
    if isinstance(check.problem, CsvProblem):
        st.error(_file_words(check.problem, t), icon=":material/error:")
        return
    if check.commas:
        names = [field.name for field in fields if field.name in check.commas]
        st.caption(t("batch.commas", names=escape(", ".join(names))))
    _draw_verdict(check, t)

    def predict() -> None:
        batch.predict = Predict(file, fields, details, version, api_client(), check.rows, t, check.commas)
        batch.predict.start()

    if batch.predict is None:
        if check.valid:
            label = t.counted("batch.predict", check.valid, rows=f"{check.valid:,}")
            st.button(label, key="predict_file", type="primary", icon=":material/table_view:", on_click=predict)
    elif not batch.predict.done:
        _watch(batch, t)
    else:
        _draw_outcome(batch.predict, file, details, t)
        st.button(t("batch.again"), key="predict_again", icon=":material/refresh:", on_click=predict)
    show_problems(check.problems, check.found, t("batch.problems"), t, key="problems")


def _draw_verdict(check: Check, t: Translator) -> None:
    words = {"rows": f"{check.rows:,}", "valid": f"{check.valid:,}", "invalid": f"{check.invalid:,}"}
    if not check.invalid:
        st.success(t.counted("batch.all_valid", check.rows, **words), icon=":material/check_circle:")
    elif check.valid:
        st.warning(t("batch.some_valid", **words), icon=":material/warning:")
    else:
        st.error(t.counted("batch.none_valid", check.rows, **words), icon=":material/error:")


def _draw_outcome(job: Predict, file: CsvFile, details: ModelDetails, t: Translator) -> None:
    if isinstance(job.problem, ApiProblem):
        show_problem(job.problem, t, key="batch")
        st.warning(t("batch.stopped", written=f"{job.written:,}"))
    elif job.cancelled:
        st.warning(t("batch.cancelled", written=f"{job.written:,}"), icon=":material/cancel:")
    if job.predicted:
        show_result(job, file, details, t)
    show_problems(job.refused, len(job.refused), t("batch.refused"), t, key="refused")


# Runs by itself while a job does; the job's thread never waits for the page, nor the page for it.
@st.fragment(run_every=POLL_SECONDS)
@guarded
def _watch(batch: Batch, t: Translator) -> None:
    job = batch.predict or batch.check
    if job is None or job.done:
        st.rerun()
    if isinstance(job, Predict) and batch.check:
        words = t("batch.predicting", written=f"{job.written:,}", rows=f"{batch.check.rows:,}")
    else:
        words = t("batch.checking", rows=f"{batch.check.rows:,}" if batch.check else "")
    st.progress(job.progress, text=words)
    if isinstance(job, Predict):
        st.button(t("batch.cancel"), key="cancel", icon=":material/cancel:", on_click=job.cancel)


def _file_words(problem: CsvProblem, t: Translator) -> str:
    if problem.code != "columns":
        return t(f"batch.{problem.code}", **{key: escape(str(value)) for key, value in problem.values.items()})
    hints = problem.values["hints"]
    lines = [t("batch.rename", found=found.replace("`", ""), name=name) for name, found in hints.items()]
    lines += [t("batch.missing", name=name) for name in problem.values["missing"] if name not in hints]
    return "\n".join([t("batch.columns"), "", *(f"- {line}" for line in lines)])


render(translator())
