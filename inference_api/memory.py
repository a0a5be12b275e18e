"""Gives memory back to the operating system."""

import ctypes
from collections.abc import Callable
from functools import cache


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
