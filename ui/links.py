"""Addresses of the other services' pages about the thing shown, where the settings say how people reach them."""

from dataclasses import dataclass
from urllib.parse import quote

import streamlit as st

from pipeline.settings import UiSettings
from ui.i18n import Translator

GRAFANA_DASHBOARD = "inference"
# The pages remember here what they show, for the links beside them.
_SUBJECT = "subject"


@dataclass(frozen=True)
class Link:
    """One button of the sidebar."""

    name: str
    url: str
    help: str = ""


def remember_subject(name: str) -> None:
    """Say which use case or model the page shows."""
    st.session_state[_SUBJECT] = name


def subject(settings: UiSettings) -> str:
    """The use case or model that was shown last, at first the default one."""
    return str(st.session_state.get(_SUBJECT, settings.default_use_case))


def links(settings: UiSettings, page: str, name: str, t: Translator) -> list[Link]:
    """Pages of the other services about a use case.

    Parameters
    ----------
    page : path of the UI's page: beside ``data`` Airflow shows the collection, else the training.
    name : use case, which is also the name of its model.
    """
    found = []
    if settings.airflow_public_url:
        dag = f"{'collect' if page == 'data' else 'train'}_{name}"
        found.append(Link(f"Airflow · {dag}", f"{settings.airflow_public_url.rstrip('/')}/dags/{quote(dag)}"))
    if settings.mlflow_public_url:
        found.append(Link(f"MLflow · {name}", f"{settings.mlflow_public_url.rstrip('/')}/#/models/{quote(name)}"))
    if settings.grafana_public_url:
        address = f"{settings.grafana_public_url.rstrip('/')}/d/{GRAFANA_DASHBOARD}?var-model={quote(name)}"
        found.append(Link(f"Grafana · {name}", address, t("links.grafana_help")))
    return found


def version_link(settings: UiSettings, name: str, version: int) -> str | None:
    """Address of a version's page in MLflow, where the settings say how people reach it."""
    if not settings.mlflow_public_url:
        return None
    return f"{settings.mlflow_public_url.rstrip('/')}/#/models/{quote(name)}/versions/{version}"


def draw_links(settings: UiSettings, page: str, t: Translator) -> None:
    """Draw a button for each, or nothing where none is set."""
    found = links(settings, page, subject(settings), t)
    if found:
        st.caption(t("links.title"))
    for link in found:
        st.link_button(link.name, link.url, icon=":material/open_in_new:", help=link.help or None, type="tertiary")


def api_address(settings: UiSettings) -> str:
    """Where a person reaches the inference API, for commands to copy."""
    return (settings.inference_api_public_url or settings.inference_api_url).rstrip("/")
