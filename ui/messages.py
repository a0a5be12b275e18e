"""One clear message for what the API could not do, with what to do about it."""

import time
from collections.abc import Callable

import streamlit as st

from ui.api_client import ApiProblem
from ui.i18n import Translator, escape
from ui.session import api_client, forget_answers

# Waiting is the answer to these, so a warning; anything else is an error.
_WARNINGS = ("no_model", "no_warehouse", "busy")
# These pass without anybody touching this page, which therefore looks again by itself.
_PASSING = ("no_model", "no_warehouse", "unreachable")
LOOK_AGAIN_SECONDS = 5.0


def show_problem(
    problem: ApiProblem,
    t: Translator,
    key: str,
    retry: Callable[[], None] = forget_answers,
    *,
    whole_page: bool = False,
    retryable: bool = True,
) -> None:
    """Say what happened and offer to retry.

    Parameters
    ----------
    key : tells this button from those of other messages on the page.
    retry : what the button does before the page runs again.
    retryable : whether sending the same again is possible without entering anything.
    whole_page : nothing else is on the page, so it may look again by itself without disturbing anybody.
    """
    client = api_client()
    looks_again = whole_page and problem.kind in _PASSING
    words = {"url": escape(client.base_url), "seconds": f"{client.timeout:g}", "status": problem.status}
    text = t(f"problem.{problem.kind}", **words)
    if looks_again:
        text += " " + t("problem.looks_again")
    said = problem.detail or "; ".join(message for _, message in problem.field_errors)
    if said:
        text += "\n\n" + t("problem.detail", detail=escape(said))
    if problem.kind in _WARNINGS:
        st.warning(text, icon=":material/hourglass_empty:")
    else:
        st.error(text, icon=":material/error:")
    if retryable:
        st.button(t("retry"), key=f"retry_{key}", icon=":material/refresh:", on_click=retry)
    if looks_again:
        _look_again(time.monotonic())


@st.fragment(run_every=LOOK_AGAIN_SECONDS)
def _look_again(drawn: float) -> None:
    # A fragment also runs once while the page is drawn, when there is nothing new to see.
    if time.monotonic() - drawn > LOOK_AGAIN_SECONDS / 2:
        forget_answers()
        st.rerun()
