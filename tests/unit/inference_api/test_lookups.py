"""Lookups are shared by those who ask for the same, kept for a while, and never wait for ever."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from pydantic import BaseModel

from inference_api import lookups as module
from inference_api.errors import Refusal
from inference_api.lookups import Lookups
from pipeline.errors import WarehouseError


class Answer(BaseModel):
    number: int


def counting(numbers: list[int]) -> Callable[[], Answer]:
    def look_up() -> Answer:
        numbers.append(len(numbers))
        return Answer(number=len(numbers))

    return look_up


def test_reply_is_kept_for_its_time() -> None:
    async def ask() -> list[bytes]:
        lookups, numbers = Lookups("test"), list[int]()
        kept = [await lookups.reply("kept", counting(numbers), 600) for _ in range(2)]
        anew = [await lookups.reply("anew", counting(numbers), -1) for _ in range(2)]
        lookups.close()
        return [bytes(reply.body) for reply in [*kept, *anew]]

    assert asyncio.run(ask()) == [b'{"number":1}', b'{"number":1}', b'{"number":2}', b'{"number":3}']


def test_slow_lookup_is_given_up_by_the_client_and_found_by_the_next() -> None:
    release = threading.Event()

    def slow() -> Answer:
        release.wait(30)
        return Answer(number=1)

    async def ask() -> bytes:
        lookups = Lookups("test", patience_seconds=0.01)
        with pytest.raises(Refusal, match="takes longer than") as refused:
            await lookups.reply("slow", slow, 600)
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "5")
        release.set()
        await asyncio.wait([*lookups._running.values()])
        found = await lookups.reply("slow", slow, 600)
        lookups.close()
        return bytes(found.body)

    assert asyncio.run(ask()) == b'{"number":1}'


def test_too_many_that_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    release = threading.Event()

    async def ask() -> None:
        lookups = Lookups("test", threads=1)
        running = [asyncio.ensure_future(lookups.run(lambda: release.wait(30))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="too many lookups"):
            await lookups.run(release.set)
        release.set()
        await asyncio.gather(*running)
        lookups.close()

    asyncio.run(ask())


def test_failure_is_told_without_its_details_and_not_repeated_at_once(caplog: pytest.LogCaptureFixture) -> None:
    attempts: list[int] = []

    def fail() -> Answer:
        attempts.append(1)
        raise WarehouseError("the warehouse at mysql:3306 denies access to user 'warehouse'")

    async def ask() -> None:
        lookups = Lookups("test")
        for _ in range(3):
            with pytest.raises(Refusal, match="the warehouse is unreachable or cannot be read") as refused:
                await lookups.reply("down", fail, 600)
            assert refused.value.status == 503
        lookups.close()

    asyncio.run(ask())
    assert len(attempts) == 1
    assert "denies access" in caplog.text


def test_replies_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_REPLIES", 10)

    async def ask() -> int:
        lookups = Lookups("test")
        for number in range(50):
            await lookups.reply(number, lambda: Answer(number=1), 600)
        lookups.close()
        return len(lookups._kept)

    assert asyncio.run(ask()) <= 10
