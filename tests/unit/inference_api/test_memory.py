"""What reading a model took is given back."""

import ctypes
import sys

import psutil
import pytest

from inference_api import memory
from inference_api.memory import release_memory

PIECES, PIECE_BYTES = 4000, 16 * 1024


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    memory._trim.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library's")
def test_freed_memory_goes_back_to_the_system() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    pieces = [libc.malloc(PIECE_BYTES) for _ in range(PIECES)]
    for piece in pieces:
        ctypes.memset(piece, 1, PIECE_BYTES)
    last = libc.malloc(PIECE_BYTES)  # in use: the library cannot shrink its heap from the end
    for piece in pieces:
        libc.free(piece)
    held = psutil.Process().memory_info().rss
    assert release_memory()
    freed = held - psutil.Process().memory_info().rss
    libc.free(last)
    assert freed > PIECES * PIECE_BYTES / 2


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not release_memory()
    memory._trim.cache_clear()
