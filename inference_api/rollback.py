"""A roll back over HTTP: carried out, refused or still under way, and never without being told."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from inference_api.errors import Refusal
from inference_api.model_state import problem_of
from inference_api.model_store import RETRY_AFTER_SECONDS, ModelStore
from inference_api.registry_threads import RegistryThreads
from pipeline.errors import PipelineError, RegistryError, RegistryUnavailable

# What a client waits for a roll back: several questions to registry and warehouse.
ROLLBACK_SECONDS = 20.0
UNCHANGED = "nothing was changed"

logger = logging.getLogger(__name__)

RollBack = Callable[[str, int | None, str], dict[str, Any]]


class NotInHistory(PipelineError):
    """The champion was moved, but the record of it could not be written: repeating the roll back would go further."""


@dataclass(frozen=True)
class Outcome:
    """What came of a roll back.

    Attributes
    ----------
    record : its entry in the history; None with a warning.
    warning : what must be known before anybody repeats it.
    goes_on : whether it, or the load of the new champion, is still under way.
    """

    record: dict[str, Any] | None = None
    warning: str | None = None
    goes_on: bool = False


class RollbackOperation:
    """Moves a champion back and has it served.

    Parameters
    ----------
    roll_back : given name, version (None: the previous champion) and reason, moves the champion and returns the record;
        raises NotInHistory when it did the first only.
    threads : where the registry is waited for; no longer than they allow but for the roll back itself.
    """

    def __init__(self, store: ModelStore, roll_back: RollBack, threads: RegistryThreads) -> None:
        self._store = store
        self._roll_back = roll_back
        self._threads = threads

    async def run(self, name: str, to: int | None, reason: str) -> Outcome:
        """Roll a model back.

        Raises
        ------
        Refusal
            409: there is nothing to return to; 503: the registry cannot be used. Nothing was changed.
        """
        await self._require_registry()
        moving = self._threads.submit(self._roll_back, name, to, reason)
        try:
            record = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(moving)), ROLLBACK_SECONDS)
            outcome = Outcome(record)
        except TimeoutError:
            if moving.cancel():
                raise _unavailable(f"too many operations wait for the model registry: {UNCHANGED}") from None
            moving.add_done_callback(partial(_log_late, name))
            late = "this takes long and goes on; see the history of the model before you repeat it"
            return Outcome(warning=late, goes_on=True)
        except NotInHistory as error:
            outcome = Outcome(warning=str(error))
        except RegistryUnavailable as error:
            raise _unavailable(str(error)) from error
        except RegistryError as error:
            raise Refusal(409, str(error)) from error
        try:
            await self._threads.in_time(lambda: self._store.refresh(name))
        except TimeoutError:
            return Outcome(outcome.record, outcome.warning, goes_on=True)
        return outcome

    async def _require_registry(self) -> None:
        """Ask something harmless first: a registry that hangs must not move the champion when nobody expects it."""
        try:
            await self._threads.in_time(self._store.ask_registry)
        except TimeoutError:
            raise _unavailable(f"the model registry does not answer: {UNCHANGED}") from None
        except Exception as error:  # whatever a registry that is down or lying makes of it
            problem = f"the model registry cannot be read: {problem_of(error)}; {UNCHANGED}"
            raise _unavailable(problem) from error


def _unavailable(problem: str) -> Refusal:
    return Refusal(503, problem, retry_after=RETRY_AFTER_SECONDS)


def _log_late(name: str, done: "Future[Any]") -> None:
    """What came of a roll back that its client did not wait for."""
    if (error := done.exception()) is not None:
        logger.warning("the roll back of %s failed: %s", name, error)
    else:
        logger.info("the roll back of %s is done", name)
