"""What pages share within a visit: the client, short-lived answers, the language."""

import streamlit as st

from pipeline.settings import UiSettings, load_settings
from ui.answers import ModelDetails, ModelSummary
from ui.api_client import ApiClient
from ui.i18n import LANGUAGES, Translator, language_of_locale

LANGUAGE_KEY = "lang"
# For a reader who cannot read the language that the page is in.
LANGUAGE_LABEL = "Language · Idioma"

# Every click runs a page again from the top; within this time it does not ask the API again.
FRESH_SECONDS = 10


def api_client() -> ApiClient:
    """Client of the inference API that the settings name."""
    settings = load_settings(UiSettings)
    return ApiClient(settings.inference_api_url, settings.ui_timeout_seconds)


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _cached_models(base_url: str, timeout: float) -> list[ModelSummary]:
    return sorted(ApiClient(base_url, timeout).models(), key=lambda model: not model.ready)


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _cached_model(base_url: str, timeout: float, name: str) -> ModelDetails:
    return ApiClient(base_url, timeout).model(name)


def load_models() -> list[ModelSummary]:
    """List of models, at most `FRESH_SECONDS` old, those that can predict first."""
    client = api_client()
    return _cached_models(client.base_url, client.timeout)


def load_model(name: str) -> ModelDetails:
    """Details of one model, at most `FRESH_SECONDS` old."""
    client = api_client()
    return _cached_model(client.base_url, client.timeout, name)


def forget_answers() -> None:
    """Ask the API anew at the next run of a page."""
    _cached_models.clear()
    _cached_model.clear()


def choose_language() -> Translator:
    """Draw the choice of language: at first that of the address (``?lang=es``), else the browser's."""
    asked = st.query_params.get(LANGUAGE_KEY, "")
    start = asked if asked in LANGUAGES else language_of_locale(st.context.locale)
    language = st.segmented_control(
        LANGUAGE_LABEL,
        list(LANGUAGES),
        # What the visit began with: a default that moved along with the choice would make it another widget.
        default=st.session_state.setdefault("first_language", start),
        required=True,
        format_func=LANGUAGES.__getitem__,
        key=LANGUAGE_KEY,
        persist_state="session",
    )
    if language != start:
        # A reload, a bookmark and a shared address keep the language.
        st.query_params[LANGUAGE_KEY] = language
    return Translator(language)


def translator() -> Translator:
    """Texts in the language chosen in the sidebar."""
    return Translator(st.session_state[LANGUAGE_KEY])
