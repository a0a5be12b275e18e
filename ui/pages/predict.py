"""Predict: a form made from the schema of the model, and what the model answers."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from pipeline.settings import UiSettings, load_settings
from ui.answers import ModelDetails, ModelSummary
from ui.api_client import ApiProblem
from ui.attempt import Attempt, ask, forget_attempt, keep_attempt, last_attempt, submit
from ui.forms import example_values, explain
from ui.i18n import Translator, escape
from ui.messages import show_problem
from ui.results import show_result
from ui.schema import FormField, fields_from_schema
from ui.session import api_client, forget_answers, load_model, load_models, translator
from ui.widgets import draw_fields, entered_values, put_values


def render(t: Translator) -> None:
    """Draw the page."""
    st.title(t("predict.title"))
    st.caption(t("predict.intro"))
    try:
        models = load_models()
        if not models:
            raise ApiProblem("no_model")
        bar = st.container(horizontal=True, vertical_alignment="bottom")
        with bar:
            chosen = _choose(models, t)
        details = load_model(chosen.name)
        if details.record_schema is None:
            raise ApiProblem("no_model", details.detail or "")
    except ApiProblem as problem:
        show_problem(problem, t, key="page", whole_page=True)
        return
    fields = fields_from_schema(details.record_schema)
    if not fields:
        st.warning(t("predict.no_fields"))
        return
    with bar:
        _draw_fillers(details, fields, t)
    left, right = st.columns([5, 3], gap="medium")
    attempt = last_attempt(details.name)
    if attempt and attempt.waiting:
        # Before the form is drawn: what the API finds wrong with a field is said beside that field.
        with right, st.spinner(t("predict.waiting")):
            attempt = ask(attempt, api_client(), fields)
            keep_attempt(attempt)
    with left:
        _draw_form(details, fields, attempt, t)
    with right.container(border=True, key="result"):
        _draw_result(details, attempt, t)


def _choose(models: Sequence[ModelSummary], t: Translator) -> ModelSummary:
    by_name = {model.name: model for model in models}
    default = load_settings(UiSettings).default_use_case
    names = list(by_name)
    name = st.selectbox(
        t("predict.model"),
        names,
        index=names.index(default) if default in by_name and by_name[default].ready else 0,
        format_func=lambda name: (
            by_name[name].title if by_name[name].ready else t("predict.not_ready", title=by_name[name].title)
        ),
        key="model",
        persist_state="session",
        width=420,
    )
    return by_name[name]


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


def _draw_form(details: ModelDetails, fields: Sequence[FormField], attempt: Attempt | None, t: Translator) -> None:
    invalid = attempt.invalid if attempt else ()
    with st.form(f"form_{details.name}"):
        draw_fields(details.name, fields, {problem.field.name: explain(problem, t) for problem in invalid}, t)
        st.form_submit_button(
            t("predict.submit"),
            key="predict",
            type="primary",
            icon=":material/online_prediction:",
            on_click=_submit,
            args=(details.name, fields),
        )


def _draw_result(details: ModelDetails, attempt: Attempt | None, t: Translator) -> None:
    target = escape((details.target or "").replace("_", " "))
    answered = attempt and attempt.prediction and target
    st.subheader(t("result.title_of", target=target) if answered else t("result.title"))
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


def _submit(model: str, fields: Sequence[FormField]) -> None:
    keep_attempt(submit(model, fields, entered_values(model, fields)))


def _ask_again(attempt: Attempt) -> None:
    keep_attempt(attempt.again())
    forget_answers()


render(translator())
