"""Models: what is served, and every version of each model with its metrics."""

import pandas as pd
import streamlit as st

from ui.answers import ModelDetails, ModelSummary
from ui.api_client import ApiProblem
from ui.i18n import Translator, escape
from ui.messages import show_problem
from ui.metrics import main_metrics, rounded, shown_metric
from ui.session import forget_answers, load_model, load_models, translator


def render(t: Translator) -> None:
    """Draw the page."""
    st.title(t("models.title"))
    st.caption(t("models.intro"))
    try:
        models = load_models()
        if not models:
            raise ApiProblem("no_model")
    except ApiProblem as problem:
        show_problem(problem, t, key="page", whole_page=True)
        return
    st.button(t("refresh"), key="refresh", icon=":material/refresh:", on_click=forget_answers)
    for model in models:
        with st.container(border=True, key=f"model_{model.name}"):
            _draw_model(model, t)


def _draw_model(model: ModelSummary, t: Translator) -> None:
    champion = t("models.version", version=model.champion_version) if model.ready else t("models.no_champion")
    badge = "green" if model.ready else "orange"
    status = t.known("status", model.status) if model.status else champion
    st.subheader(escape(model.title))
    task = f"{escape(t.known('task', model.task))} · " if model.task else ""
    st.markdown(
        f":{badge}-badge[{escape(status)}] :gray[`{model.name}` · {task}{t('models.champion')}:] **{champion}**"
    )
    if model.detail:
        st.warning(escape(model.detail), icon=":material/warning:")
    try:
        details = load_model(model.name)
    except ApiProblem as problem:
        show_problem(problem, t, key=model.name)
        return
    _draw_metrics(details, t)
    if details.versions:
        table = versions_table(details, t)
        number = st.column_config.NumberColumn(format="localized")
        formats = {str(name): number for name in table.select_dtypes("float")}
        st.dataframe(table, hide_index=True, column_config=formats, key=f"versions_{model.name}")
    else:
        st.caption(t("models.no_versions"))


def _draw_metrics(details: ModelDetails, t: Translator) -> None:
    metrics = details.metrics
    names = main_metrics([metrics])
    if names:
        with st.container(horizontal=True):
            for name in names:
                st.metric(t.known("metric", name), shown_metric(metrics[name]), width="content", border=True)


def versions_table(details: ModelDetails, t: Translator) -> pd.DataFrame:
    """One line per version, the newest first."""
    versions = sorted(details.versions, key=lambda version: -version.version)
    metrics = main_metrics([version.metrics for version in versions])
    return pd.DataFrame(
        {
            t("models.table.version"): [version.version for version in versions],
            t("models.table.aliases"): [", ".join(version.aliases) for version in versions],
            t("models.table.stage"): [version.stage or "" for version in versions],
            t("models.table.created"): [version.created for version in versions],
            **{
                t.known("metric", name): [rounded(version.metrics.get(name)) for version in versions]
                for name in metrics
            },
        }
    )


render(translator())
