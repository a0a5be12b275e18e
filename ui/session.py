"""What pages share within a visit: the client, short-lived answers, the language."""

import streamlit as st

from pipeline.settings import UiSettings, load_settings
from ui.answers import History, ModelDetails, ModelSummary, VersionDetails
from ui.api_client import ApiClient
from ui.i18n import LANGUAGES, Translator, language_of_locale

LANGUAGE_KEY = "lang"
# For a reader who cannot read the language that the page is in.
LANGUAGE_LABEL = "Language · Idioma"

# Keys of lists whose entries have words in the reader's language begin so.
WORDED_CHOICES = ("version_", "compare_", "report_", "rollback_to_", "columns_", "period", "drift_")

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
def _cached_model(base_url: str, timeout: float, name: str, version: int | None) -> ModelDetails:
    return ApiClient(base_url, timeout).model(name, version)


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _cached_version(base_url: str, timeout: float, name: str, version: int) -> VersionDetails:
    return ApiClient(base_url, timeout).version(name, version)


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _cached_history(base_url: str, timeout: float, name: str) -> History:
    return ApiClient(base_url, timeout).history(name)


def load_models() -> list[ModelSummary]:
    """List of models, at most `FRESH_SECONDS` old, those that can predict first."""
    client = api_client()
    return _cached_models(client.base_url, client.timeout)


def load_model(name: str, version: int | None = None) -> ModelDetails:
    """Details of one model, at most `FRESH_SECONDS` old; with the schema of the champion unless a version is named."""
    client = api_client()
    return _cached_model(client.base_url, client.timeout, name, version)


def load_version(name: str, version: int) -> VersionDetails:
    """Evaluation, card and decision of one version, at most `FRESH_SECONDS` old."""
    client = api_client()
    return _cached_version(client.base_url, client.timeout, name, version)


def load_history(name: str) -> History:
    """What was decided about a model's versions, at most `FRESH_SECONDS` old."""
    client = api_client()
    return _cached_history(client.base_url, client.timeout, name)


def forget_answers() -> None:
    """Ask the API anew at the next run of a page."""
    for cached in (_cached_models, _cached_model, _cached_version, _cached_history):
        cached.clear()


def _say_choices_again() -> None:
    """Have the browser told what is chosen, in the new words.

    It knows a choice by the words it was shown. With those of the language before, the next press of anything would be
    taken for a choice that does not exist, and quietly replaced by the first of the list.
    """
    for key, value in st.session_state.to_dict().items():
        if key == "model" or str(key).startswith(WORDED_CHOICES):
            st.session_state[key] = value


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
        on_change=_say_choices_again,
        persist_state="session",
    )
    if language != start:
        # A reload, a bookmark and a shared address keep the language.
        st.query_params[LANGUAGE_KEY] = language
    return Translator(language)


def translator() -> Translator:
    """Texts in the language chosen in the sidebar."""
    return Translator(st.session_state[LANGUAGE_KEY])
