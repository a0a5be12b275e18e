"""The last resort: a mistake of ours must not show a traceback to a person. The log has it."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

from ui.session import translator

logger = logging.getLogger(__name__)
P = ParamSpec("P")


def guarded(draw: Callable[P, None]) -> Callable[P, None]:
    """Say that a page, or a part of it that runs by itself, met an error of its own, in the person's language."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            draw(*args, **kwargs)
        except Exception:
            name = getattr(draw, "__qualname__", repr(draw))
            logger.exception("%s failed", name)
            t = translator()
            st.error(t("problem.page"), icon=":material/error:")
            st.button(t("retry"), key=f"retry_{name}", icon=":material/refresh:")

    return drawn
