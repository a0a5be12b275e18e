"""The model registry as the service sees it: how it is asked, and what is said of it while it does not answer."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from inference_api.model_state import Failures, problem_of
from inference_api.registry_reader import RegistryReader
from pipeline.errors import PipelineError

logger = logging.getLogger(__name__)

# A registry that hangs is said to be silent long before its client gives up.
SILENT_SECONDS = 10.0
NOT_ASKED = "the model registry has not been asked yet"
BEING_READ = "the model registry is being read"

Answer = TypeVar("Answer")


class RegistryLink:
    """A registry that is opened when it is first needed, and may be down, slow or lying.

    Parameters
    ----------
    open_registry : called by the first who asks, since importing MLflow takes longer than serving from the cache.
    first_pause : seconds until a registry that failed is asked again; twice as many after every further failure.

    Attributes
    ----------
    problem : why it cannot be read, for who runs the service; None while it can.
    listed_at : when its list of models was last read, in seconds of the monotonic clock; 0 for never.
    """

    def __init__(self, open_registry: Callable[[], RegistryReader], first_pause: float) -> None:
        self.problem: str | None = NOT_ASKED
        self.listed_at = 0.0
        self._open_registry = open_registry
        self._registry: RegistryReader | None = None
        self._first_pause = first_pause
        self._failures = Failures()
        self._problem_since: datetime | None = None
        # When the questions were asked that wait for their answers.
        self._asked_at: list[float] = []

    @property
    def report(self) -> str | None:
        """`problem` for anybody: whatever may name hosts is left to the log."""
        if self.problem is None:
            silence = max((time.monotonic() - asked_at for asked_at in tuple(self._asked_at)), default=0.0)
            waits = bool(self._asked_at) and silence >= SILENT_SECONDS
            return f"the model registry has not answered for {silence:.0f} s" if waits else None
        if self._problem_since is None:
            return self.problem
        since = self._problem_since.isoformat(timespec="seconds")
        return f"the model registry is unreachable or cannot be read since {since}; the log of this service says why"

    @property
    def pause(self) -> float:
        """Seconds for which a registry that failed should be left alone."""
        return self._failures.remaining

    def opened(self) -> RegistryReader:
        if self._registry is None:
            self._registry = self._open_registry()
        return self._registry

    def ask(self, question: Callable[[RegistryReader], Answer]) -> Answer:
        """The registry's answer to a question, from any thread."""
        registry, asked_at = self.opened(), time.monotonic()
        self._asked_at.append(asked_at)
        try:
            answer = question(registry)
        finally:
            self._asked_at.remove(asked_at)
        if self.problem == NOT_ASKED:
            self.problem = BEING_READ
        return answer

    def was_read(self) -> None:
        """Note that all that was asked was answered, with something that can be used."""
        self.problem = self._problem_since = None
        self._failures = Failures()

    def failed(self, error: Exception) -> None:
        """Note that it did not answer, or with something that cannot be used."""
        problem = problem_of(error)
        if not isinstance(error, PipelineError):
            logger.exception("the model registry gave an answer that cannot be used", exc_info=error)
        elif self.problem != problem:
            logger.warning("the model registry cannot be read, serving what is loaded: %s", problem)
        self._problem_since = self._problem_since or datetime.now(UTC)
        self.problem = problem
        self._failures.add(self._first_pause)
