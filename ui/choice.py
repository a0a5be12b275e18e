"""Which model, and which version of it: the two choices that Predict and Batch begin with."""

from collections.abc import Sequence

import streamlit as st

from pipeline.settings import UiSettings, load_settings
from ui.answers import ModelDetails, ModelSummary
from ui.api_client import ApiProblem
from ui.i18n import Translator
from ui.links import remember_subject
from ui.messages import show_problem
from ui.session import load_model, load_models

# Fewer would be of no use to the person who looks for an old one, more would bury the new ones.
MOST_VERSIONS = 30
CHAMPION = 0


def choose_subject(t: Translator) -> tuple[int | None, ModelDetails] | None:
    """Draw both choices in a row, or why there is nothing to choose.

    Returns
    -------
    What `choose_version` returns, with a schema; None after a problem, which is on the page then.
    """
    try:
        models = load_models()
        if not models:
            raise ApiProblem("no_model")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = choose_model(models, t)
            remember_subject(chosen.name)
            version, details = choose_version(load_model(chosen.name), t)
        if details.record_schema is None:
            raise ApiProblem("no_model", details.detail or "")
    except ApiProblem as problem:
        show_problem(problem, t, key="page", whole_page=True)
        return None
    return version, details


def choose_model(models: Sequence[ModelSummary], t: Translator) -> ModelSummary:
    """Draw the choice of a model: at first the default use case, else the first that can predict."""
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
        width=320,
    )
    return by_name[name]


def choose_version(champion: ModelDetails, t: Translator) -> tuple[int | None, ModelDetails]:
    """Draw the choice of a version: the champion, whichever it is, or one by its number.

    Returns
    -------
    Version to ask for (None: the champion), and the details with that version's schema.

    Raises
    ------
    ApiProblem
        The version chosen cannot be read.
    """
    versions = selectable_versions(champion)
    if not versions:
        return None, champion
    number = st.selectbox(
        t("choice.version"),
        [CHAMPION, *versions],
        format_func=lambda number: version_words(champion, number, t),
        key=f"version_{champion.name}",
        persist_state="session",
        help=t("choice.version_help"),
        width=260,
    )
    return (None, champion) if number == CHAMPION else (number, load_model(champion.name, number))


def selectable_versions(details: ModelDetails) -> list[int]:
    """Versions other than the champion, newest first; none of an API that knows the champion only."""
    if details.version is None:
        return []
    others = (version.version for version in details.versions if version.version != details.champion_version)
    return sorted(others, reverse=True)[:MOST_VERSIONS]


def version_words(details: ModelDetails, number: int, t: Translator) -> str:
    """The version with its aliases: "Version 3 · challenger"; or the champion, whichever it is."""
    if number == CHAMPION:
        return t("choice.champion", version=details.champion_version)
    aliases = next((version.aliases for version in details.versions if version.version == number), [])
    return " · ".join([t("choice.number", version=number), *aliases])
