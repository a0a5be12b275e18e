"""Bodies are read no further than allowed, and count as held until they are answered."""

import asyncio
import gzip
import tracemalloc
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope

from inference_api import body as body_module
from inference_api import feedback_routes
from inference_api.body import BODIES_AT_ONCE, BodyReader
from inference_api.body_budget import BUFFERED_BYTES, SMALL_BODIES_BYTES
from inference_api.errors import Refusal
from inference_api.lookups import Lookups
from inference_api.request_schema import LARGE_BYTES
from inference_api.selection import Selector

from .conftest import MakeService, Service

PLAIN: Scope = {"type": "http", "headers": []}
LIMIT = 2 * LARGE_BYTES


def pieces(*sizes: int) -> Receive:
    """A body that comes whole, in pieces of these sizes."""
    waiting = [{"type": "http.request", "body": b" " * size, "more_body": True} for size in sizes]
    waiting[-1]["more_body"] = False

    async def receive() -> Message:
        return waiting.pop(0)

    return receive


def stalled(size: int) -> Receive:
    """A body of which so many bytes come, and never the rest."""
    waiting = [{"type": "http.request", "body": b" " * size, "more_body": True}]

    async def receive() -> Message:
        return waiting.pop() if waiting else await asyncio.Future()

    return receive


async def status_of(reader: BodyReader, receive: Receive) -> int:
    """200 where a body is read."""
    try:
        async with reader.read(PLAIN, receive):
            return 200
    except Refusal as refusal:
        return refusal.status


def test_large_bodies_are_bounded_until_they_are_answered() -> None:
    reader = BodyReader(LIMIT)

    async def ask() -> None:
        async with AsyncExitStack() as answering:
            for _ in range(BODIES_AT_ONCE):
                await answering.enter_async_context(reader.read(PLAIN, pieces(LIMIT)))
            assert await status_of(reader, pieces(LARGE_BYTES, 1)) == 429
            assert await status_of(reader, pieces(LARGE_BYTES + 1)) == 429
            assert reader._budget._held == BODIES_AT_ONCE * LIMIT
        assert await status_of(reader, pieces(LIMIT)) == 200
        assert reader._budget._held == 0

    asyncio.run(ask())


def test_a_body_that_fails_is_not_held_any_more() -> None:
    reader = BodyReader(LIMIT)

    async def ask() -> None:
        with pytest.raises(Refusal):
            async with reader.read(PLAIN, pieces(LARGE_BYTES, LARGE_BYTES, 1)):
                pass
        with pytest.raises(ZeroDivisionError):
            async with reader.read(PLAIN, pieces(LIMIT)):
                raise ZeroDivisionError
        assert reader._budget._held == 0

    asyncio.run(ask())


def test_a_few_slow_uploads_do_not_lock_smaller_bodies_out() -> None:
    reader = BodyReader(LIMIT)

    async def ask() -> None:
        slow = [asyncio.ensure_future(status_of(reader, stalled(LIMIT - 16))) for _ in range(BODIES_AT_ONCE)]
        await asyncio.sleep(0)
        assert await status_of(reader, pieces(LARGE_BYTES, 100)) == 429
        assert await status_of(reader, pieces(LARGE_BYTES - 100, 100)) == 200
        # Many of the size that is kept room for; then it is full for them too, but not for single records.
        slow += [
            asyncio.ensure_future(status_of(reader, stalled(LARGE_BYTES)))
            for _ in range(SMALL_BODIES_BYTES // LARGE_BYTES)
        ]
        await asyncio.sleep(0)
        assert await status_of(reader, pieces(BUFFERED_BYTES, 100)) == 429
        assert await status_of(reader, pieces(BUFFERED_BYTES - 100, 100)) == 200
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        assert reader._budget._held == 0

    asyncio.run(ask())


class ShiftedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    ahead = 0.0

    def put_forward(self, seconds: float) -> None:
        self.ahead += seconds

    def time(self) -> float:
        return super().time() + self.ahead


def run_shifted(ask: Callable[[ShiftedLoop], Coroutine[Any, Any, None]]) -> None:
    loop = ShiftedLoop()
    try:
        loop.run_until_complete(ask(loop))
    finally:
        loop.close()


@pytest.mark.parametrize("size", [10, LIMIT - 1])
def test_a_body_that_stops_is_given_up(size: int) -> None:
    reader = BodyReader(LIMIT)

    async def ask(loop: ShiftedLoop) -> None:
        receive = stalled(size)

        async def receive_late() -> Message:
            loop.call_soon(loop.put_forward, body_module.IDLE_SECONDS + 1)
            return await receive()

        async with reader.read(PLAIN, receive_late):
            pass

    with pytest.raises(Refusal) as refused:
        run_shifted(ask)
    assert refused.value.status == 408
    assert f"the body stopped after {size:,} bytes" in str(refused.value.detail)
    assert refused.value.headers["Connection"] == "close"
    assert reader._budget._held == 0


def test_a_slow_body_is_waited_for_as_long_as_it_comes() -> None:
    reader = BodyReader(LIMIT)

    async def ask(loop: ShiftedLoop) -> None:
        receive = pieces(*[1000] * 50)

        async def receive_slowly() -> Message:
            loop.put_forward(body_module.IDLE_SECONDS / 2)
            await asyncio.sleep(0)
            return await receive()

        async with reader.read(PLAIN, receive_slowly) as body:
            assert len(body) == 50_000

    run_shifted(ask)


def test_an_encoding_that_is_not_accepted_is_refused_before_anything_is_read() -> None:
    async def receive() -> Message:
        raise AssertionError("it was read")

    async def ask() -> None:
        async with BodyReader(LIMIT).read({**PLAIN, "headers": [(b"content-encoding", b"br")]}, receive):
            pass

    with pytest.raises(Refusal) as refused:
        asyncio.run(ask())
    assert refused.value.status == 415


async def post(
    service: Service, url: str, receive: Receive, headers: Iterable[tuple[bytes, bytes]] = ()
) -> tuple[int, bytes]:
    """Status and body of the reply to a request to the application itself."""
    sent: list[Any] = []

    async def send(message: Message) -> None:
        sent.append(message)

    path, _, query = url.partition("?")
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": query.encode(),
        "headers": list(headers),
    }
    await service.client.app(scope, receive, send)
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])


def in_service(service: Service, ask: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine in the event loop of the application."""
    assert service.client.portal is not None
    service.client.portal.call(ask)


class Gate:
    """Holds up whoever passes until it is opened, and has room for `most` of them."""

    def __init__(self, function: Callable[..., Awaitable[Any]], most: int) -> None:
        self._function = function
        self._most = most
        self.waiting = 0
        self.open = asyncio.Event()

    def passing(self) -> Callable[..., Awaitable[Any]]:
        async def passed(*args: Any) -> Any:
            self.waiting += 1
            if not self.open.is_set() and self.waiting > self._most:
                raise Refusal(500, "more than that came through")
            await self.open.wait()
            return await self._function(*args)

        return passed

    async def hold(self, asked: Sequence["asyncio.Future[Any]"]) -> None:
        """Until all of these wait here."""
        while self.waiting < len(asked):
            assert not any(each.done() for each in asked), [each.result() for each in asked if each.done()]
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    "url",
    [
        "/predict?version=1",
        "/models/covertype/predict",
        "/v2/models/covertype/infer",
        "/models/covertype/invocations",
    ],
)
def test_bodies_count_while_a_version_is_waited_for(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    service = make_service(max_body_bytes=LIMIT)
    gate = Gate(Selector.choose, BODIES_AT_ONCE)
    monkeypatch.setattr(Selector, "choose", gate.passing())

    async def ask() -> None:
        waiting: list[asyncio.Future[Any]] = []
        for _ in range(BODIES_AT_ONCE):
            waiting.append(asyncio.ensure_future(post(service, url, pieces(LARGE_BYTES, LARGE_BYTES))))
            await gate.hold(waiting)
        status, reply = await post(service, url, pieces(LARGE_BYTES, LARGE_BYTES))
        assert status == 429, reply
        gate.open.set()
        assert {status for status, _ in await asyncio.gather(*waiting)} <= {400, 422}
        status, reply = await post(service, url, pieces(LARGE_BYTES, LARGE_BYTES))
        assert status in (400, 422), reply

    in_service(service, ask)


@pytest.mark.parametrize("url", ["/predict?version=1", "/models/covertype/predict?version=1"])
def test_packed_bodies_stay_packed_while_a_version_is_waited_for(
    service: Service, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    gate = Gate(Selector.choose, 5)
    monkeypatch.setattr(Selector, "choose", gate.passing())
    packed = gzip.compress(b"{" + b" " * (4 * LARGE_BYTES) + b"}")
    message = {"type": "http.request", "body": packed, "more_body": False}

    async def receive() -> Message:
        return message

    async def ask() -> None:
        waiting: list[asyncio.Future[Any]] = []
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5):
            waiting.append(asyncio.ensure_future(post(service, url, receive, [(b"content-encoding", b"gzip")])))
            await gate.hold(waiting)
        assert tracemalloc.get_traced_memory()[0] - before < 4 * LARGE_BYTES
        gate.open.set()
        assert {status for status, _ in await asyncio.gather(*waiting)} == {422}

    tracemalloc.start()
    try:
        in_service(service, ask)
    finally:
        tracemalloc.stop()


def test_feedback_counts_while_a_thread_is_waited_for(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(Lookups.run, 2)
    monkeypatch.setattr(Lookups, "run", gate.passing())
    monkeypatch.setattr(feedback_routes, "BODIES_AT_ONCE", 2)
    service = make_service()
    url = "/models/covertype/feedback"

    async def ask() -> None:
        waiting: list[asyncio.Future[Any]] = []
        for _ in range(2):
            waiting.append(asyncio.ensure_future(post(service, url, pieces(LARGE_BYTES, LARGE_BYTES, 400_000))))
            await gate.hold(waiting)
        assert (await post(service, url, pieces(LARGE_BYTES, LARGE_BYTES, 400_000)))[0] == 429
        gate.open.set()
        assert {status for status, _ in await asyncio.gather(*waiting)} == {422}

    in_service(service, ask)


def test_feedback_is_read_no_further_than_its_outcomes_may_take(service: Service) -> None:
    read = 0

    async def receive() -> Message:
        nonlocal read
        read += LARGE_BYTES
        return {"type": "http.request", "body": b" " * LARGE_BYTES, "more_body": True}

    async def ask() -> None:
        status, reply = await post(service, "/models/covertype/feedback", receive)
        assert (status, b"send the outcomes in several" in reply) == (413, True)
        assert read <= 3 * LARGE_BYTES
        bomb = gzip.compress(b" " * (3 * LARGE_BYTES))
        packed = {"type": "http.request", "body": bomb, "more_body": False}

        async def receive_packed() -> Message:
            return packed

        headers = [(b"content-encoding", b"gzip")]
        status, said = await post(service, "/models/covertype/feedback", receive_packed, headers)
        assert (status, b"2,560,000 bytes; send the outcomes in several" in said) == (413, True)

    in_service(service, ask)
