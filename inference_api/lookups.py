"""Looks things up in warehouse and registry, apart from predictions: threads of their own, few, and replies kept.

However many people look at a page, the warehouse is asked once every few seconds; however slow it is, predictions and
probes have the event loop to themselves.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel
from starlette.responses import Response

from inference_api.errors import Refusal
from pipeline.errors import WarehouseError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

THREADS = 4
# Lookups under way or waiting for a thread.
MOST_WAITING = 32
# What a client waits; the lookup goes on, and its reply is there for the next one who asks.
PATIENCE_SECONDS = 8.0
KEPT_REPLIES = 256
REFUSAL_SECONDS = 2.0


class _Kept(NamedTuple):
    until: float
    body: bytes | Refusal


class Lookups:
    """Runs lookups in threads, and keeps their replies as bytes.

    Parameters
    ----------
    name : of the threads.
    """

    def __init__(self, name: str, threads: int = THREADS, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
        self._patience = patience_seconds
        self._running: dict[Hashable, asyncio.Future[bytes]] = {}
        self._kept: dict[Hashable, _Kept] = {}
        self._waiting = 0

    def close(self) -> None:
        """Give up what has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def reply(self, key: Hashable, look_up: Callable[[], BaseModel], seconds: float) -> Response:
        """The reply to a lookup: as it was found within the last `seconds`, or found now.

        Those who ask for the same while it is looked up get the same reply.

        Raises
        ------
        Refusal
            503: the warehouse is down or slow, or too many lookups wait.
        """
        kept = self._kept.get(key)
        if kept is None or kept.until < time.monotonic():
            running = self._running.get(key)
            if running is None:
                running = self._running[key] = asyncio.ensure_future(self.run(lambda: _encoded(look_up)))
                running.add_done_callback(lambda done: self._finished(key, done, seconds))
            return _json(await self._in_time(running))
        if isinstance(kept.body, Refusal):
            raise kept.body
        return _json(kept.body)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run some work in a thread; raises as `reply` does."""
        if self._waiting >= MOST_WAITING:
            raise Refusal(503, "too many lookups wait for an answer; try again in a few seconds", retry_after=2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _explained, work)
        finally:
            self._waiting -= 1

    async def _in_time(self, running: "asyncio.Future[bytes]") -> bytes:
        done, _ = await asyncio.wait([running], timeout=self._patience)
        if not done:
            raise Refusal(
                503,
                f"this takes longer than {self._patience:g} s: the warehouse or the registry is slow",
                retry_after=5,
            )
        return running.result()

    def _finished(self, key: Hashable, done: "asyncio.Future[bytes]", seconds: float) -> None:
        self._running.pop(key, None)
        if done.cancelled():
            return
        error, now = done.exception(), time.monotonic()
        if error is None:
            self._kept[key] = _Kept(now + seconds, done.result())
        elif isinstance(error, Refusal) and error.status == 503:
            self._kept[key] = _Kept(now + REFUSAL_SECONDS, error)
        if len(self._kept) > KEPT_REPLIES:
            self._kept = {k: kept for k, kept in list(self._kept.items())[-KEPT_REPLIES // 2 :] if kept.until > now}


def log_failure(error: Exception) -> None:
    """What a reply for anybody leaves out."""
    logger.warning("a lookup failed: %s", error)


def _encoded(look_up: Callable[[], BaseModel]) -> bytes:
    return look_up().model_dump_json(by_alias=True).encode()


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _explained(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except WarehouseError as error:
        # The message may name hosts, and this reply is for anybody.
        log_failure(error)
        detail = "the warehouse is unreachable or cannot be read; the log of this service says why"
        raise Refusal(503, detail, retry_after=5) from error
