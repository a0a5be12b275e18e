"""Reads a request body, and what it was compressed from, no further than allowed."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from inference_api.asgi import Body
from inference_api.body_budget import BodyBudget, Share
from inference_api.errors import Refusal, invalid, mistake

# Large bodies held at the same time, from their first byte until they are answered, as a multiple of the largest one.
BODIES_AT_ONCE = 4
# How long a client may pause within a body: what it has sent so far is held all that time.
IDLE_SECONDS = 30.0
GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
# A gzip file may hold several members one after the other; programs make one a file, or one for each 64 kB.
MOST_MEMBERS = 1024
# What is unpacked at a time: behind the end of a member, the rest of it is copied.
_PACKED_BYTES = 64 * 1024


class BodyReader:
    """Reads bodies of at most `limit` bytes, and holds `at_once` times that over all requests.

    Parameters
    ----------
    advice : what the refusal of a larger one ends with.
    """

    def __init__(
        self,
        limit: int,
        advice: str = " (MAX_BODY_BYTES); send fewer records per request",
        at_once: int = BODIES_AT_ONCE,
    ) -> None:
        self._limit = limit
        self._advice = advice
        self._budget = BodyBudget(limit * at_once)

    @asynccontextmanager
    async def read(self, scope: Scope, receive: Receive) -> AsyncIterator[Body]:
        """The body of a request, as it was sent; it counts as held until the block ends.

        Raises
        ------
        Refusal
            413 as soon as a body is known to be too large; 429 when too much is held already; 415 for a compression
            that is not accepted; 408 when the rest of it does not come; 400 for a body that was lost to an upgrade of
            the protocol.
        """
        headers = scope["headers"]
        _check_encoding(headers)
        message = await _received(receive)
        body: Body = message.get("body", b"")
        with self._budget.share() as share:
            if message.get("more_body", False):
                self._check_declared(headers)
                body = await self._read_rest(receive, body, share)
            else:
                self._take(body, share)
            if not body:
                _check_upgrade(headers)
            if body.startswith(GZIP_MAGIC):
                _check_encoding(headers, packed=True)
            yield body

    def unpacked(self, body: Body) -> Body:
        """The body as it is, or what it was made from when it is gzip; raises as `inflate` does."""
        return self.inflate(body) if body.startswith(GZIP_MAGIC) else body

    def inflate(self, body: Body) -> bytes:
        """What a gzip body was made from.

        Raises
        ------
        Refusal
            413 when that is larger than a body may be, without making it; 422 when it is damaged.
        """
        parts: list[bytes] = []
        room, place, packed = self._limit, 0, memoryview(body)
        try:
            for _ in range(MOST_MEMBERS):
                unpacker = zlib.decompressobj(_GZIP_WINDOW)
                while not unpacker.eof:
                    if place >= len(body):
                        raise zlib.error("it ends too early")
                    piece = packed[place : place + _PACKED_BYTES]
                    part = unpacker.decompress(piece, room + 1)
                    place += len(piece) - len(unpacker.unused_data)
                    room -= len(part)
                    if room < 0:
                        raise self._too_large()
                    parts.append(part)
                if place == len(body):
                    return b"".join(parts)
            raise zlib.error(f"it has more than {MOST_MEMBERS:,} members")
        except zlib.error as error:
            raise invalid([mistake((), f"the body is no valid gzip: {error}", "gzip_invalid")]) from None

    def _check_declared(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        declared = dict(headers).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._limit:
            raise self._too_large()

    async def _read_rest(self, receive: Receive, first: Body, share: Share) -> Body:
        # Grows where it is: joining the chunks of 30 MB would keep other requests waiting for 20 ms.
        body, more = bytearray(first), True
        self._take(body, share)
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(IDLE_SECONDS) as deadline:
                while more:
                    message = await _received(receive)
                    deadline.reschedule(now() + IDLE_SECONDS)
                    body += message.get("body", b"")
                    self._take(body, share)
                    more = message.get("more_body", False)
        except TimeoutError:
            raise _stalled(len(body)) from None
        return body

    def _take(self, body: Body, share: Share) -> None:
        """Count what has come of a body."""
        if len(body) > self._limit:
            raise self._too_large()
        share.grow_to(len(body))

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body is larger than {self._limit:,} bytes{self._advice}")


async def _received(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message


def _stalled(size: int) -> Refusal:
    refusal = Refusal(
        408,
        f"the body stopped after {size:,} bytes, and nothing more came for {IDLE_SECONDS:g} s; send the request again",
    )
    # The rest, should it come, is no request.
    refusal.headers["Connection"] = "close"
    return refusal


def _check_encoding(headers: Iterable[tuple[bytes, bytes]], *, packed: bool | None = None) -> None:
    """Refuse any compression but gzip, and gzip that no header speaks of.

    Parameters
    ----------
    packed : whether the body is compressed, where that is known.

    Raises
    ------
    Refusal
        415, with the remedy.
    """
    encoding = b"".join(value.strip().lower() for name, value in headers if name == b"content-encoding")
    if encoding not in (b"", b"identity", b"gzip", b"x-gzip") or (packed and not encoding.endswith(b"gzip")):
        raise Refusal(
            415,
            "compressed bodies are accepted with Content-Encoding: gzip only; send it so, or the body as it is",
        )


def _check_upgrade(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse a request whose body the server leaves to another protocol (Java's client asks for HTTP/2 by default)."""
    wanted = b", ".join(value for name, value in headers if name == b"upgrade")
    if wanted:
        raise Refusal(
            400,
            f"the request asks to be upgraded to {wanted[:60].decode('latin-1')}, and has no body otherwise; "
            "this service speaks HTTP/1.1: send it as that",
        )
