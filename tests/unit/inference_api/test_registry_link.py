"""What is said of a registry that has not answered yet, does not answer, or answers again."""

import logging
from typing import Any

import pytest

from inference_api import registry_link
from inference_api.registry_link import BEING_READ, NOT_ASKED, RegistryLink
from pipeline.errors import RegistryError

from .conftest import MemoryRegistry


def models(registry: Any) -> list[str]:
    return sorted(registry.model_tags())


def refuse(registry: Any) -> None:  # noqa: ARG001
    raise RegistryError("http://me:secret@mlflow:5000 does not answer")


def test_opened_when_it_is_first_asked(registry: MemoryRegistry) -> None:
    opened = []
    link = RegistryLink(lambda: opened.append(registry) or registry, 1)  # type: ignore[func-returns-value]
    assert (opened, link.report) == ([], NOT_ASKED)
    assert link.ask(models) == link.ask(models) == models(registry)
    assert (opened, link.report) == ([registry], BEING_READ)
    link.was_read()
    assert (link.problem, link.report) == (None, None)


def test_registry_is_silent_only_while_it_is_asked(registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_link, "SILENT_SECONDS", 0)
    link = RegistryLink(lambda: registry, 1)
    link.was_read()
    assert link.ask(lambda _: link.report) == "the model registry has not answered for 0 s"
    assert link.report is None
    with pytest.raises(RegistryError):
        link.ask(refuse)
    assert link.report is None


def test_outage_is_told_once_and_without_its_host(registry: MemoryRegistry, caplog: pytest.LogCaptureFixture) -> None:
    link, error = RegistryLink(lambda: registry, 10), RegistryError("http://me:secret@mlflow:5000 does not answer")
    link.failed(error)
    since = link.report
    link.failed(error)
    assert link.problem == "http://mlflow:5000 does not answer"
    assert since == link.report
    assert "since" in str(since)
    assert "mlflow:5000" not in str(since)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert link.pause > 10  # the second failure: 20 s, a quarter more or less
    link.was_read()
    assert (link.report, link.pause <= 0) == (None, True)


def test_nonsense_is_logged_with_its_trace(registry: MemoryRegistry, caplog: pytest.LogCaptureFixture) -> None:
    link = RegistryLink(lambda: registry, 1)
    link.failed(ValueError("no number"))
    assert link.problem == "no number"
    assert [(record.levelno, bool(record.exc_info)) for record in caplog.records] == [(logging.ERROR, True)]
