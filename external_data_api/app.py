"""The HTTP face of the simulated source: health, batches and restart of every use case."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Response
from pydantic import BaseModel

from external_data_api.datasets import NoData
from external_data_api.publisher import GROUPS, InvalidGroup, Publisher
from external_data_api.state import State
from pipeline.errors import ConfigurationError, SourceExhausted
from pipeline.settings import ExternalDataApiSettings
from pipeline.use_case import UseCase, load_use_cases

logger = logging.getLogger(__name__)

GroupNumber = Annotated[int, Query(description=f"group that collects, {GROUPS[0]} to {GROUPS[-1]}")]
Day = Annotated[str | None, Query(description="accepted and ignored: some clients of the course send it")]


class BatchReply(BaseModel):
    """What a call for data answers: rows without column names, in the order of the use case's columns."""

    group_number: int
    batch_number: int
    data: list[list[str]]


def create_app(settings: ExternalDataApiSettings, clock: Callable[[], float] = time.time) -> FastAPI:
    """Build the service. Use cases without data are answered with what to do; the others do not wait for them.

    Parameters
    ----------
    settings : which data to serve, and how fast.
    clock : Unix time in seconds.

    Raises
    ------
    ConfigurationError
        A use case, a data file, a setting or the state file is wrong.
    """
    use_cases = load_use_cases(settings.use_cases_dir)
    _check_routes(use_cases)
    _warn_about_unknown_names(settings, use_cases)
    state = State(settings.source_state_dir / "state.json")
    publishers: dict[str, Publisher] = {}
    without_data: dict[str, str] = {}
    for name, use_case in use_cases.items():
        try:
            publishers[name] = Publisher(use_case, settings, state, clock)
        except NoData as error:
            without_data[name] = str(error)
    app = FastAPI(title="External data API", description="A simulated source that publishes data batch by batch.")

    @app.get("/", summary="Health, and which data each use case serves")
    def health() -> dict[str, Any]:
        return {
            "status": "ok",
            "batch_interval_seconds": settings.min_update_time,
            "use_cases": {name: publisher.describe() for name, publisher in publishers.items()},
            "without_data": without_data,
        }

    for publisher in publishers.values():
        _add_routes(app, publisher)
        logger.info("%s at %s: %s", publisher.use_case.name, publisher.use_case.source.path, publisher.summary())
    for name, problem in without_data.items():
        _add_refusals(app, use_cases[name], problem)
        logger.warning(problem)
    return app


def _add_routes(app: FastAPI, publisher: Publisher) -> None:
    """Serve one use case. Plain functions: FastAPI runs them in threads, where the state file may block."""
    use_case = publisher.use_case

    def read_data(group_number: GroupNumber, day: Day = None) -> Response:  # noqa: ARG001
        try:
            body = publisher.next_reply(group_number)
        except (InvalidGroup, SourceExhausted) as error:
            raise HTTPException(status_code=400, detail=str(error)) from None
        return Response(body, media_type="application/json")

    def restart(group_number: GroupNumber, day: Day = None) -> list[str]:  # noqa: ARG001
        try:
            publisher.restart(group_number)
        except InvalidGroup as error:
            raise HTTPException(status_code=400, detail=str(error)) from None
        return ["ok"]  # as the course's server answers

    errors: dict[int | str, dict[str, Any]] = {400: {"description": "Bad group number, or no batch is left"}}
    app.get(
        use_case.source.path,
        name=f"read_{use_case.name}",
        summary=f"A sample of the present batch: {use_case.title}",
        responses={200: {"model": BatchReply}, **errors},
    )(read_data)
    app.get(
        use_case.source.restart_path,
        name=f"restart_{use_case.name}",
        summary=f"Start again from batch 1: {use_case.title}",
        responses=errors,
    )(restart)


def _add_refusals(app: FastAPI, use_case: UseCase, problem: str) -> None:
    """Answer for a use case without data: 404, as asking again does not help."""

    def refuse() -> None:
        raise HTTPException(status_code=404, detail=problem)

    for path in (use_case.source.path, use_case.source.restart_path):
        app.get(path, summary=f"No data: {use_case.title}", responses={404: {"description": problem}})(refuse)


def _check_routes(use_cases: Mapping[str, UseCase]) -> None:
    taken = ["/", "/docs", "/redoc", "/openapi.json"]
    for use_case in use_cases.values():
        taken += [use_case.source.path, use_case.source.restart_path]
    clashes = sorted(path for path, count in Counter(taken).items() if count > 1)
    if clashes:
        raise ConfigurationError(
            f"source.path and source.restart_path of the use cases must differ from each other and from the service's "
            f"own pages; used twice: {', '.join(clashes)}"
        )


def _warn_about_unknown_names(settings: ExternalDataApiSettings, use_cases: Mapping[str, UseCase]) -> None:
    for names, suffix in ((settings.use_case_csv, "CSV"), (settings.use_case_sample_share, "SAMPLE_SHARE")):
        for name in names:
            if name not in use_cases:
                logger.warning("%s_%s is set, but there is no use case %s: ignored", name.upper(), suffix, name)
