"""What reading a model or a large body took is given back."""

import asyncio
import ctypes
import gzip
import json
import sys
import threading

import psutil
import pytest

from inference_api import memory
from inference_api.memory import release_memory
from inference_api.request_schema import LARGE_BYTES
from tests.course_client import COURSE_RECORD

from .conftest import Service

URL = "/models/covertype/predict"

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


def test_memory_is_released_in_a_pause_after_large_bodies_and_not_before(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many one after the other the last one is waited for; small ones take none."""
    calls: list[str] = []
    released, busy = threading.Event(), iter([True, False])

    def release() -> None:
        calls.append(threading.current_thread().name)
        released.set()

    monkeypatch.setattr(memory, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(memory, "release_memory", release)
    planned = memory.PausedRelease.plan
    plans: list[int] = []
    monkeypatch.setattr(memory.PausedRelease, "plan", lambda self: plans.append(1) or planned(self))  # type: ignore[func-returns-value]
    body = json.dumps({"records": [COURSE_RECORD] * 100}).encode()
    assert service.client.post(URL, content=body).status_code == 200
    assert not plans
    assert service.client.post(URL, content=body + b" " * LARGE_BYTES).status_code == 200
    assert released.wait(10)
    assert calls == ["inference_0"]

    async def pauses() -> None:
        found: list[object] = []
        release = memory.PausedRelease(found.append, lambda: next(busy))
        release.plan()
        release.plan()
        while not found:
            await asyncio.sleep(0.01)
        assert len(found) == 1
        assert next(busy, None) is None

    asyncio.run(pauses())


@pytest.mark.parametrize(("url", "record"), [(URL, {"records": [COURSE_RECORD]}), ("/predict", COURSE_RECORD)])
def test_packed_bodies_count_as_what_they_unpack_to(
    service: Service, monkeypatch: pytest.MonkeyPatch, url: str, record: object
) -> None:
    plans: list[int] = []
    monkeypatch.setattr(memory.PausedRelease, "plan", lambda _: plans.append(1))
    packed = gzip.compress(json.dumps(record).encode() + b" " * LARGE_BYTES, 0)
    assert service.client.post(url, content=packed, headers={"Content-Encoding": "gzip"}).status_code == 200
    assert plans
