"""Gives memory back to the operating system."""

import asyncio
import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

# After a large request: its reply has been sent by then, and of several in a row the last one is waited for.
PAUSE_SECONDS = 0.5


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not the GNU C library
        return None
    trim.argtypes = [ctypes.c_size_t]
    found: Callable[[int], int] = trim
    return found


def release_memory() -> bool:
    """Return what was freed; whether that is possible here.

    Reading a model takes several times the memory that it needs afterwards, and the C library keeps it all.
    """
    trim = _trim()
    if trim is None:
        return False
    trim(0)
    return True


class PausedRelease:
    """Releases memory in a pause after requests that took much of it, never between them and their replies.

    Parameters
    ----------
    submit : has a function called off the event loop.
    is_busy : whether such requests are at work, for which memory had to be taken again.
    """

    def __init__(self, submit: Callable[[Callable[[], Any]], Any], is_busy: Callable[[], bool]) -> None:
        self._submit = submit
        self._is_busy = is_busy
        self._planned: asyncio.TimerHandle | None = None

    def plan(self) -> None:
        """Release in a moment; to be called on the event loop."""
        if self._planned is None:
            self._planned = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._release)

    def cancel(self) -> None:
        """Plan nothing any more: the thread that would do it goes."""
        if self._planned is not None:
            self._planned.cancel()

    def _release(self) -> None:
        self._planned = None
        if self._is_busy():
            self.plan()
        else:
            self._submit(release_memory)
