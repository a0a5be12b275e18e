"""Threads for what people ask of the registry: few, so that one that hangs does not use up those of other routes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# What a client waits for an answer of the registry, or for a model to be loaded; it then goes on in the background.
ASK_SECONDS = 5.0


class RegistryThreads:
    """A few threads in which routes wait for the registry."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="model-admin")

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Begin something, which whoever asked waits for in a way of its own."""
        return self._threads.submit(function, *args)

    async def in_time(self, work: Callable[[], Any]) -> None:
        """Do something and wait for it.

        Raises
        ------
        TimeoutError
            It takes long, and goes on.
        """
        await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self.submit(work))), ASK_SECONDS)
