"""Models: what is served, every version and why it was promoted or not, and the way back."""

import pandas as pd
import streamlit as st

from ui.answers import History, ModelDetails, ModelSummary, VersionDetails
from ui.api_client import ApiProblem
from ui.choice import choose_model
from ui.comparison import draw_comparison
from ui.i18n import Translator, escape
from ui.links import remember_subject
from ui.messages import show_problem
from ui.metrics import main_metrics, shown_metric
from ui.rollback import draw_rollback, show_rollback_done
from ui.session import forget_answers, load_history, load_model, load_models, load_version, translator
from ui.times import clock
from ui.version_list import draw_versions
from ui.version_report import draw_report

TABS = ("versions", "compare", "report", "history", "rollback")
_OPEN_TAB = "models_open_tab"


def render(t: Translator) -> None:
    """Draw the page."""
    st.title(t("models.title"), anchor=False)
    st.caption(t("models.intro"))
    try:
        models = load_models()
        if not models:
            raise ApiProblem("no_model")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = choose_model(models, t)
            remember_subject(chosen.name)
            st.button(t("refresh"), key="refresh", icon=":material/refresh:", on_click=forget_answers)
        details = load_model(chosen.name)
    except ApiProblem as problem:
        show_problem(problem, t, key="page", whole_page=True)
        return
    show_rollback_done(t)
    with st.container(border=True, key="champion"):
        _draw_champion(chosen, details, t)
    if details.version is None and details.champion_version is not None:
        st.info(t("models.old_api"), icon=":material/info:")
    _draw_tabs(details, t)


def _draw_champion(model: ModelSummary, details: ModelDetails, t: Translator) -> None:
    champion = t("models.version", version=model.champion_version) if model.ready else t("models.no_champion")
    badge = "green" if model.ready else "orange"
    status = t.known("status", model.status) if model.status else champion
    st.header(escape(model.title), anchor=False)
    task = f"{escape(t.known('task', model.task))} · " if model.task else ""
    st.markdown(
        f":{badge}-badge[{escape(status)}] :gray[`{model.name}` · {task}{t('models.champion')}:] **{champion}**"
    )
    if model.detail:
        st.warning(escape(model.detail), icon=":material/warning:")
    intervals = _champion_intervals(details)
    names = main_metrics([details.metrics])
    if names:
        with st.container(horizontal=True):
            for name in names:
                low, high = intervals.get(name, (None, None))
                words = {"low": shown_metric(low), "high": shown_metric(high)}
                with st.container(border=True, width="content", gap=None):
                    st.metric(t.known("metric", name), shown_metric(details.metrics[name]), width="content")
                    if low is None:
                        # A note of nothing still takes its line, so that the numbers stay level.
                        st.markdown(":small[&nbsp;]")
                        continue
                    note = f":small[:gray[{escape(t('models.interval', **words))}]]"
                    st.markdown(note, help=t("models.metric_help", **words))


def _champion_intervals(details: ModelDetails) -> dict[str, tuple[float, float]]:
    """Intervals of the champion's metrics; none where they cannot be read, which the tabs say."""
    if details.version is None or details.champion_version is None:
        return {}
    try:
        version: VersionDetails = load_version(details.name, details.champion_version)
    except ApiProblem:
        return {}
    return version.intervals


def _draw_tabs(details: ModelDetails, t: Translator) -> None:
    known = details.version is not None
    names = TABS if known else ("versions", "rollback")
    history: History | None = None
    problem: ApiProblem | None = None
    if known:
        try:
            history = load_history(details.name)
        except ApiProblem as found:
            problem = found
    titles = [t(f"models.tab.{name}") for name in names]
    if st.session_state.get("models_tab") not in titles and st.session_state.get(_OPEN_TAB) in names:
        # A tab is known by its title, which is another one after a change of language.
        st.session_state["models_tab"] = titles[names.index(st.session_state[_OPEN_TAB])]
    # The work of a tab is done when it is opened.
    tabs = st.tabs(titles, key="models_tab", on_change="rerun")
    for name, tab in zip(names, tabs, strict=True):
        if not tab.open:
            continue
        st.session_state[_OPEN_TAB] = name
        with tab:
            if problem and name in ("versions", "history"):
                show_problem(problem, t, key="history")
            if name == "versions":
                draw_versions(details, history, t)
            elif name == "compare":
                draw_comparison(details, t)
            elif name == "report":
                draw_report(details, t)
            elif name == "history":
                _draw_history(history, t)
            else:
                draw_rollback(details, history, t)


def _draw_history(history: History | None, t: Translator) -> None:
    if history is None:
        return
    st.subheader(t("history.promotions"), anchor=False)
    _draw_table(promotions_table(history, t), t)
    st.subheader(t("history.trainings"), anchor=False)
    _draw_table(trainings_table(history, t), t)


def _draw_table(table: pd.DataFrame, t: Translator) -> None:
    if table.empty:
        st.caption(t("history.none"))
    else:
        st.table(table.map(escape), border="horizontal", hide_index=True)


def promotions_table(history: History, t: Translator) -> pd.DataFrame:
    """One line per promotion, refusal and roll back, newest first."""
    rows = history.promotions
    words = [
        t(f"history.{row.action}", to=row.to_version, before=row.from_version)
        if row.action in ("promote", "reject", "dry_run", "rollback")
        else row.action
        for row in rows
    ]
    return pd.DataFrame(
        {
            t("history.at"): [clock(row.at) for row in rows],
            t("history.what"): words,
            t("history.reason"): [row.reason for row in rows],
            t("history.actor"): [row.actor for row in rows],
        }
    )


def trainings_table(history: History, t: Translator) -> pd.DataFrame:
    """One line per decision to train or not, newest first."""
    rows = history.training_decisions
    return pd.DataFrame(
        {
            t("history.at"): [clock(row.at) for row in rows],
            t("history.what"): [t("history.trained" if row.train else "history.skipped") for row in rows],
            t("history.reason"): ["; ".join(row.reasons) for row in rows],
        }
    )


render(translator())
