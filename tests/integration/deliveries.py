"""A source that answers from memory, and ways to make its collector die at any step."""

import contextlib
import gc
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import event

from pipeline.errors import SourceExhausted
from pipeline.lake import Lake
from pipeline.source import SourceClient
from pipeline.use_case import UseCase
from pipeline.warehouse import Warehouse


def reply(batch_number: int, rows: list[Any], group_number: int = 1) -> bytes:
    return json.dumps({"group_number": group_number, "batch_number": batch_number, "data": rows}).encode()


class MemorySource(SourceClient):
    """Hands out the given replies once each, in order, and remembers them; then it is exhausted."""

    def __init__(self, *replies: bytes | Exception, timeout: float = 5) -> None:
        super().__init__("http://source.invalid", timeout=timeout)
        self.replies = list(replies)
        self.handed_out: list[bytes] = []

    def fetch(self, use_case: UseCase) -> bytes:  # noqa: ARG002
        if not self.replies:
            raise SourceExhausted("the source has handed out its last batch")
        body = self.replies.pop(0)
        if isinstance(body, Exception):
            raise body
        self.handed_out.append(body)
        return body


class Crash(BaseException):
    """The process is killed: no handler of the product sees this as an error of its own."""


@contextlib.contextmanager
def process() -> Iterator[None]:
    """A process that may be killed in the block: what it had open is closed, as the system does for the dead."""
    gc.freeze()  # to be collected is what the process makes, not all that the tests have loaded
    try:
        yield
    except Crash as crash:
        crash.__traceback__ = crash.__context__ = None
        gc.collect()
    finally:
        gc.unfreeze()


class Steps:
    """Counts the places where a process can die, and kills it at one of them; the dead do nothing more."""

    def __init__(self, crash_at: int | None = None) -> None:
        self.crash_at = crash_at
        self.taken = 0

    def step(self) -> None:
        self.taken += 1
        if self.crash_at is not None and self.taken >= self.crash_at:
            raise Crash(f"killed at step {self.taken}")


class DyingLake(Lake):
    """A lake whose user may die before and after each access."""

    def __init__(self, lake: Lake, steps: Steps) -> None:
        super().__init__(lake.root)
        self.lake = lake
        self.steps = steps

    def _between(self, method: Any, *arguments: Any) -> Any:
        self.steps.step()
        result = method(*arguments)
        self.steps.step()
        return result

    def create(self) -> None:
        self._between(self.lake.create)

    def put(self, key: str, data: bytes) -> str:
        return str(self._between(self.lake.put, key, data))

    def get(self, uri_or_key: str) -> bytes:
        return bytes(self._between(self.lake.get, uri_or_key))

    def list(self, prefix: str) -> list[str]:
        return list(self._between(self.lake.list, prefix))

    def modified_at(self, key: str) -> datetime | None:
        moment: datetime | None = self._between(self.lake.modified_at, key)
        return moment


@contextlib.contextmanager
def dying(warehouse: Warehouse, steps: Steps) -> Iterator[None]:
    """While in the block, the user of the warehouse may die before and after each statement and commit."""
    engine = warehouse.database.engine
    commit = engine.dialect.do_commit

    def step(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN"):
            steps.step()

    def do_commit(connection: Any) -> None:
        steps.step()
        commit(connection)
        steps.step()

    event.listen(engine, "before_cursor_execute", step)
    event.listen(engine, "after_cursor_execute", step)
    engine.dialect.do_commit = do_commit  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        engine.dialect.do_commit = commit  # type: ignore[method-assign]
        event.remove(engine, "before_cursor_execute", step)
        event.remove(engine, "after_cursor_execute", step)
