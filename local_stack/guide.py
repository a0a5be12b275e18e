"""The one process with a voice: says what came up, where to look, and what the loop has just done."""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import requests
from sqlalchemy.exc import SQLAlchemyError

from local_stack.airflow_client import AirflowClient
from local_stack.services import Service, read_services
from local_stack.stages import Batches, Failures, Predictions, Promotions, Trainings
from pipeline.errors import PipelineError
from pipeline.settings import PipelineSettings, load_settings
from pipeline.use_case import load_use_cases
from pipeline.warehouse import open_warehouse

TICK_SECONDS = 1.0
FAILURES_EVERY_TICKS = 3  # Airflow's API is the most expensive to ask
News = TypeVar("News")
Watcher = Batches | Trainings | Promotions | Predictions
# Not (yet) answering; the next look may succeed.
PASSING = (requests.RequestException, PipelineError, SQLAlchemyError)


class Guide:
    """Looks at the stack again and again and reports what is new.

    Parameters
    ----------
    running : services of the stack.
    """

    def __init__(self, running: list[Service]) -> None:
        self.started = time.monotonic()
        self.waiting = [service for service in running if service.health]
        self._looks = 0
        self.settings = load_settings(PipelineSettings)
        self.default = self.settings.default_use_case
        self.airflow = _airflow(running)
        self.failures = Failures(self.airflow, Path(os.environ["AIRFLOW__LOGGING__BASE_LOG_FOLDER"]))
        warehouse = open_warehouse(self.settings)
        api = self.settings.inference_api_url
        self.predictions: dict[str, Predictions] = {}
        self.watchers: list[tuple[str, Watcher]] = []
        for name, use_case in load_use_cases(self.settings.use_cases_dir).items():
            self.predictions[name] = Predictions(use_case, api, is_default=name == self.default)
            trail: list[Watcher] = [
                Batches(use_case, warehouse),
                Trainings(use_case, warehouse),
                Promotions(use_case, warehouse),
                self.predictions[name],
            ]
            self.watchers += [(name, watcher) for watcher in trail]

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.started:5.0f} s  {text}", flush=True)

    def look(self) -> list[str]:
        """One look at everything; return the failures of the default use case."""
        for service in list(self.waiting):
            if _is_up(service):
                self.waiting.remove(service)
                login = f"   ({service.login})" if service.login else ""
                self.say(f"{service.title:<18} {service.url}{login}")
                if not self.waiting:
                    self.say("all services are up; the DAGs run by themselves")
        for name, watcher in self.watchers:
            for text in _careful(watcher.news()):
                self.say(f"{name}: {text}")
        fatal: list[str] = []
        self._looks += 1
        if self._looks % FAILURES_EVERY_TICKS:
            return fatal
        for dag_id, what, final in _careful(self.failures.news()):
            self.say(f"✗ {dag_id}: {what}")
            if final and dag_id in (f"collect_{self.default}", f"train_{self.default}"):
                fatal.append(dag_id)
        return fatal

    def until_prediction(self, timeout: float) -> int:
        """Report until the default use case has answered a prediction; 1 when it cannot."""
        while time.monotonic() - self.started < timeout:
            if fatal := self.look():
                print(f"error: no prediction, because {', '.join(fatal)} failed", flush=True)
                return 1
            if self.predictions[self.default].answered:
                return 0
            time.sleep(TICK_SECONDS)
        missing = ", ".join(service.name for service in self.waiting)
        print(f"error: no prediction within {timeout:.0f} s" + (f"; not up: {missing}" if missing else ""), flush=True)
        return 1

    def for_ever(self) -> None:
        """Report until the stack is stopped."""
        print("Ctrl-C stops everything; logs are in " + os.environ["MLOPS_STACK_LOGS"], flush=True)
        while True:
            self.look()
            time.sleep(TICK_SECONDS)


def _airflow(running: list[Service]) -> AirflowClient:
    url = next(service.url for service in running if service.name == "airflow-api-server")
    return AirflowClient(url, os.environ["AIRFLOW_ADMIN_USER"], os.environ["AIRFLOW_ADMIN_PASSWORD"])


def _is_up(service: Service) -> bool:
    try:
        return requests.get(service.health, timeout=2).ok
    except requests.RequestException:
        return False


def _careful(news: Iterator[News]) -> Iterator[News]:
    """The news that could be had; a service that does not answer now is asked again at the next look."""
    try:
        yield from news
    except PASSING:
        return


def main(arguments: Sequence[str] | None = None) -> int:
    """Report for ever, or until the first prediction."""
    parser = argparse.ArgumentParser(prog="python -m local_stack.guide", description=__doc__)
    parser.add_argument("services", type=Path, help="list of services, as the launcher wrote it")
    parser.add_argument("--until-prediction", type=float, metavar="SECONDS", help="stop after the first prediction")
    options = parser.parse_args(arguments)
    guide = Guide(read_services(options.services))
    if options.until_prediction:
        return guide.until_prediction(options.until_prediction)
    guide.for_ever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
