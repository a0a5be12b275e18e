"""Asks the inference API about collected data and models in service; answers are kept for seconds only."""

from typing import TypeVar
from urllib.parse import quote

import streamlit as st

from pipeline.settings import UiSettings, load_settings
from ui.answers import Answer
from ui.api_client import ApiClient, ApiProblem
from ui.operations_answers import CollectedUseCase, Collection, Distributions, Monitoring, Quarantine, UseCases

AnswerType = TypeVar("AnswerType", bound=Answer)

# A page that refreshes by itself, opened many times, asks no more often than this.
FRESH_SECONDS = 2
SLOW_FRESH_SECONDS = 10
SHOWN_QUARANTINE = 100


class OperationsClient(ApiClient):
    """The routes behind the pages Data and Monitoring; every method raises `ApiProblem` and nothing else."""

    def use_cases(self) -> list[CollectedUseCase]:
        """Use cases that data is collected for."""
        return self._look(UseCases, "/data").use_cases

    def collection(self, use_case: str) -> Collection:
        """Batches of a use case, and when the source was and will be asked."""
        return self._look(Collection, f"/data/{quote(use_case, safe='')}")

    def quarantine(self, use_case: str) -> Quarantine:
        """The newest `SHOWN_QUARANTINE` refused rows."""
        return self._look(Quarantine, f"/data/{quote(use_case, safe='')}/quarantine?limit={SHOWN_QUARANTINE}")

    def distributions(self, use_case: str) -> Distributions:
        """How the accepted rows are spread."""
        return self._look(Distributions, f"/data/{quote(use_case, safe='')}/distributions")

    def monitoring(self, model: str, hours: int) -> Monitoring:
        """Traffic, drift and live metric of a model over the last hours."""
        return self._look(Monitoring, f"/models/{quote(model, safe='')}/monitoring?hours={hours}")

    def _look(self, answer: type[AnswerType], path: str) -> AnswerType:
        try:
            return self._ask(answer, "GET", path)
        except ApiProblem as problem:
            if problem.status == 503:
                # These routes need the warehouse, and no model: 503 has another meaning here than for a prediction.
                raise ApiProblem("no_warehouse", problem.detail, problem.status) from problem
            raise


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _cached_use_cases(base_url: str, timeout: float) -> list[CollectedUseCase]:
    return OperationsClient(base_url, timeout).use_cases()


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _cached_collection(base_url: str, timeout: float, name: str) -> Collection:
    return OperationsClient(base_url, timeout).collection(name)


# The number of stored rows is part of the key: what only changes with them is asked for again when they do.
@st.cache_data(ttl=SLOW_FRESH_SECONDS, show_spinner=False)
def _cached_quarantine(base_url: str, timeout: float, name: str, stored: int) -> Quarantine:  # noqa: ARG001
    return OperationsClient(base_url, timeout).quarantine(name)


@st.cache_data(ttl=6 * SLOW_FRESH_SECONDS, show_spinner=False)
def _cached_distributions(base_url: str, timeout: float, name: str, stored: int) -> Distributions:  # noqa: ARG001
    return OperationsClient(base_url, timeout).distributions(name)


@st.cache_data(ttl=SLOW_FRESH_SECONDS / 2, show_spinner=False)
def _cached_monitoring(base_url: str, timeout: float, model: str, hours: int) -> Monitoring:
    return OperationsClient(base_url, timeout).monitoring(model, hours)


def _api() -> tuple[str, float]:
    settings = load_settings(UiSettings)
    return settings.inference_api_url.rstrip("/"), settings.ui_timeout_seconds


def load_use_cases() -> list[CollectedUseCase]:
    """Use cases, the default one first."""
    default = load_settings(UiSettings).default_use_case
    return sorted(_cached_use_cases(*_api()), key=lambda use_case: use_case.name != default)


def load_collection(name: str) -> Collection:
    """Batches of a use case, at most `FRESH_SECONDS` old."""
    return _cached_collection(*_api(), name)


def load_quarantine(collection: Collection) -> Quarantine:
    """Refused rows; asked for again when the collection has more of them."""
    return _cached_quarantine(*_api(), collection.use_case, collection.quarantined)


def load_distributions(collection: Collection) -> Distributions:
    """Distributions; asked for again when the collection has more rows."""
    return _cached_distributions(*_api(), collection.use_case, collection.rows)


def load_monitoring(model: str, hours: int) -> Monitoring:
    """Monitoring of a model, some seconds old at most."""
    return _cached_monitoring(*_api(), model, hours)


def forget_operations() -> None:
    """Ask the API anew at the next run of a page."""
    for cached in (
        _cached_use_cases,
        _cached_collection,
        _cached_quarantine,
        _cached_distributions,
        _cached_monitoring,
    ):
        cached.clear()
