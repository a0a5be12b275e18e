"""Reads a request body, and what it was compressed from, no further than allowed."""

import zlib
from collections.abc import Iterable

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from inference_api.asgi import Body
from inference_api.errors import Refusal, invalid, mistake

# Large bodies held at the same time, as a multiple of the largest one.
BODIES_AT_ONCE = 4
GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
# A gzip file may hold several members one after the other; programs make one a file, or one for each 64 kB.
MOST_MEMBERS = 1024
# What is unpacked at a time: behind the end of a member, the rest of it is copied.
_PACKED_BYTES = 64 * 1024


class BodyReader:
    """Reads bodies of at most `limit` bytes, and of `BODIES_AT_ONCE` times that over all requests.

    Parameters
    ----------
    advice : what the refusal of a larger one ends with.

    Raises
    ------
    Refusal
        413 as soon as a body is known to be too large; 429 when too much is held already; 415 for a compression that is
        not accepted; 400 for a body that was lost to an upgrade of the protocol.
    """

    def __init__(self, limit: int, advice: str = " (MAX_BODY_BYTES); send fewer records per request") -> None:
        self._limit = limit
        self._advice = advice
        self._held = 0

    async def read(self, scope: Scope, receive: Receive) -> Body:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body: Body = message.get("body", b"")
        if message.get("more_body", False):
            body = await self._read_rest(scope, receive, body)
        elif len(body) > self._limit:
            raise self._too_large()
        if not body:
            _check_upgrade(scope["headers"])
        if body.startswith(GZIP_MAGIC):
            check_encoding(scope["headers"], packed=True)
        return body

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

    async def _read_rest(self, scope: Scope, receive: Receive, first: Body) -> Body:
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._limit:
            raise self._too_large()
        check_encoding(scope["headers"])
        # Grows where it is: joining the chunks of 30 MB would keep other requests waiting for 20 ms.
        body, more = bytearray(first), True
        self._held += len(first)
        try:
            while more:
                if len(body) > self._limit:
                    raise self._too_large()
                if self._held > self._limit * BODIES_AT_ONCE:
                    raise Refusal(429, "too many large requests at once; try again in a second", retry_after=1)
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk = message.get("body", b"")
                body += chunk
                self._held += len(chunk)
                more = message.get("more_body", False)
            if len(body) > self._limit:
                raise self._too_large()
            return body
        finally:
            self._held -= len(body)

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body is larger than {self._limit:,} bytes{self._advice}")


def check_encoding(headers: Iterable[tuple[bytes, bytes]], *, packed: bool | None = None) -> None:
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
