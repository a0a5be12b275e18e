"""Roll back: choose a version, confirm with the API key, see what came of it."""

import streamlit as st

from ui.answers import History, ModelDetails
from ui.api_client import ApiProblem
from ui.i18n import Translator, escape
from ui.messages import show_problem
from ui.session import api_client, forget_answers

_ASKED = "rollback_asked"
_DONE = "rollback_done"


def previous_champion(details: ModelDetails, history: History | None) -> int | None:
    """The version that was champion before the present one, as far as the history tells."""
    for entry in history.promotions if history else ():
        if entry.action in ("promote", "rollback") and entry.to_version == details.champion_version:
            return entry.from_version
    return None


def show_rollback_done(t: Translator) -> None:
    """Say what the last roll back did, once."""
    done = st.session_state.pop(_DONE, None)
    if done:
        key, values, warning = done
        st.success(t(key, **values), icon=":material/check_circle:")
        if warning:
            st.warning(escape(warning), icon=":material/warning:")


def draw_rollback(details: ModelDetails, history: History | None, t: Translator) -> None:
    """Draw the choice of a version, and once it is made the question and the field for the key."""
    st.markdown(t("rollback.intro"))
    champion = details.champion_version
    others = sorted((v.version for v in details.versions if v.version != champion), reverse=True)
    if champion is None or not others:
        st.markdown(t("rollback.nothing"))
        return
    before = previous_champion(details, history)
    version = st.selectbox(
        t("rollback.to"),
        others,
        index=others.index(before) if before in others else 0,
        format_func=lambda number: t("rollback.previous" if number == before else "versions.heading", version=number),
        key=f"rollback_to_{details.name}_{champion}",
        width=320,
        on_change=_take_back,
    )
    asked = (details.name, champion, version)
    if st.session_state.get(_ASKED) != asked:
        st.button(t("rollback.start"), key="rollback_start", icon=":material/undo:", on_click=_ask, args=(asked,))
        return
    _draw_question(details, champion, version, t)


def _draw_question(details: ModelDetails, champion: int, version: int, t: Translator) -> None:
    title = escape(details.title)
    with st.container(border=True, key="rollback_question"):
        st.warning(t("rollback.confirm", champion=champion, title=title, version=version), icon=":material/warning:")
        # Emptied when it is sent: the key is in no field and in no state of the visit afterwards.
        with st.form("rollback", border=False, clear_on_submit=True):
            reason = st.text_input(t("rollback.reason"), max_chars=500)
            key = st.text_input(
                t("rollback.key"), type="password", help=t("rollback.key_help"), autocomplete="off", key="rollback_key"
            )
            sent = st.form_submit_button(
                t("rollback.yes", version=version), key="rollback_yes", type="primary", icon=":material/undo:"
            )
        if sent:
            _roll_back(details, version, reason.strip() or t("rollback.default_reason"), key, t)
        st.button(t("rollback.no", version=champion), key="rollback_no", on_click=_take_back)


def _roll_back(details: ModelDetails, version: int, reason: str, key: str, t: Translator) -> None:
    if not key:
        st.error(t("rollback.no_key"), icon=":material/error:")
        return
    try:
        result = api_client().roll_back(details.name, version, reason, key)
    except ApiProblem as problem:
        show_problem(problem, t, key="rollback", retryable=False)
        return
    words = {"version": version, "title": escape(details.title)}
    done = "rollback.done" if result.champion_version == version else "rollback.pending"
    st.session_state[_DONE] = (done, words, result.warning)
    _take_back()
    forget_answers()
    st.rerun()


def _ask(asked: tuple[str, int, int]) -> None:
    st.session_state[_ASKED] = asked


def _take_back() -> None:
    st.session_state.pop(_ASKED, None)
