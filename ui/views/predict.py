"""Predict: a form made from the schema of the model, and what the model answers."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from ui.answers import ModelDetails, Prediction
from ui.attempt import Attempt, ask, forget_attempt, keep_attempt, last_attempt, submit
from ui.choice import choose_subject
from ui.explanation import show_explanation
from ui.forms import FieldProblem, example_values, explain
from ui.guard import guarded
from ui.i18n import Translator, escape
from ui.messages import show_problem
from ui.results import show_result
from ui.schema import FormField, fields_from_schema
from ui.session import api_client, forget_answers, translator
from ui.what_if import draw_what_if
from ui.widgets import draw_fields, entered_values, put_values

# The form is longer than the window and its button at the end: what became of a press stays in sight beside it.
STYLE = """<style>
[data-testid="stLayoutWrapper"]:has(> .st-key-result) {position:sticky; top:4rem}
</style>"""


def render(t: Translator) -> None:
    """Draw the page."""
    st.html(STYLE)
    st.title(t("predict.title"), anchor=False)
    st.caption(t("predict.intro"))
    chosen = choose_subject(t)
    if chosen is None:
        return
    version, details = chosen
    fields = fields_from_schema(details.record_schema or {})
    if not fields:
        st.warning(t("predict.no_fields"))
        return
    left, right = st.columns([5, 3], gap="medium")
    attempt = last_attempt(details.name, version, fields)
    if attempt and attempt.waiting:
        # Before the form is drawn: what the API finds wrong with a field is said beside that field.
        with right, st.spinner(t("predict.waiting")):
            attempt = ask(attempt, api_client(), fields)
            keep_attempt(attempt)
    with left.container(border=True, key="form"):
        with st.container(horizontal=True):
            _draw_fillers(details, fields, t)
        _draw_form(details.name, version, fields, attempt.invalid if attempt else (), t)
    with right.container(border=True, key="result"):
        _draw_result(details, attempt, t)
    if attempt and attempt.prediction:
        _draw_reasons(attempt, attempt.prediction, details, fields, t)


def _draw_fillers(details: ModelDetails, fields: Sequence[FormField], t: Translator) -> None:
    typical = {field.name: field.default for field in fields}
    if details.input_example:
        st.button(
            t("predict.example"),
            key="fill_example",
            icon=":material/edit_note:",
            help=t("predict.example_help"),
            on_click=_fill,
            args=(details.name, example_values(fields, details.input_example)),
        )
    if any(value is not None for value in typical.values()):
        st.button(
            t("predict.typical"),
            key="fill_typical",
            icon=":material/restart_alt:",
            help=t("predict.typical_help"),
            on_click=_fill,
            args=(details.name, typical),
        )


# A slider moved runs the form again and leaves the rest of the page alone.
@st.fragment
@guarded
def _draw_form(
    model: str, version: int | None, fields: Sequence[FormField], invalid: Sequence[FieldProblem], t: Translator
) -> None:
    draw_fields(model, fields, {problem.field.name: explain(problem, t) for problem in invalid}, t)
    pressed = st.button(
        t("predict.submit"),
        key="predict",
        type="primary",
        icon=":material/online_prediction:",
        shortcut="Ctrl+Enter",
        on_click=_submit,
        args=(model, version, fields),
    )
    if pressed:
        st.rerun()


def _draw_reasons(
    attempt: Attempt, prediction: Prediction, details: ModelDetails, fields: Sequence[FormField], t: Translator
) -> None:
    """Draw why the model says so, and what it would say of other cases, as far as the API can tell."""
    # An API that does not say which version it describes knows neither explanations nor many records as columns.
    parts = [attempt.explanation is not None, details.version is not None]
    places = iter(st.columns(2, gap="medium") if all(parts) else [st.container()] * sum(parts))
    if attempt.explanation:
        with next(places).container(border=True, key="why"):
            show_explanation(attempt.explanation, details, fields, attempt.record or {}, t)
    if details.version is not None:
        with next(places).container(border=True, key="what_if"):
            draw_what_if(attempt, prediction, details, fields, t)


def _draw_result(details: ModelDetails, attempt: Attempt | None, t: Translator) -> None:
    target = escape((details.target or "").replace("_", " "))
    answered = attempt and attempt.prediction and target
    st.header(t("result.title_of", target=target) if answered else t("result.title"), anchor=False)
    if attempt is None:
        st.markdown(t("result.none"))
    elif attempt.invalid or attempt.others:
        _draw_mistakes(attempt, t)
    elif attempt.problem:
        show_problem(attempt.problem, t, key="predict", retry=partial(_ask_again, attempt))
    elif attempt.prediction:
        show_result(attempt.prediction, details, attempt.latency_ms, t)


def _draw_mistakes(attempt: Attempt, t: Translator) -> None:
    explained = [explain(problem, t) for problem in attempt.invalid]
    if not explained:
        title = t("predict.rejected")
    elif len(explained) == 1:
        title = t("predict.fix_one")
    else:
        title = t("predict.fix_many", count=len(explained))
    lines = "\n".join(f"- {escape(line)}" for line in [*explained, *attempt.others])
    st.error(f"{title}\n\n{lines}", icon=":material/error:")


def _fill(model: str, values: dict[str, Any]) -> None:
    put_values(model, values)
    forget_attempt()


def _submit(model: str, version: int | None, fields: Sequence[FormField]) -> None:
    keep_attempt(submit(model, version, fields, entered_values(model, fields)))


def _ask_again(attempt: Attempt) -> None:
    keep_attempt(attempt.again())
    forget_answers()


render(translator())
