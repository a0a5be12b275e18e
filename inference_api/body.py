"""Reads a request body, no further than allowed."""

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from inference_api.errors import Refusal

# Large bodies held at the same time, as a multiple of the largest one.
BODIES_AT_ONCE = 4
GZIP_MAGIC = b"\x1f\x8b"
COMPRESSED = "compressed bodies are not accepted; send the JSON as it is"


class BodyReader:
    """Reads bodies of at most `limit` bytes, and of `BODIES_AT_ONCE` times that over all requests.

    Raises
    ------
    Refusal
        413 as soon as a body is known to be too large; 429 when too much is held already; 415 for a compressed one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body: bytes = message.get("body", b"")
        if message.get("more_body", False):
            body = await self._read_rest(scope, receive, body)
        elif len(body) > self._limit:
            raise self._too_large()
        if body.startswith(GZIP_MAGIC):
            raise Refusal(415, COMPRESSED)
        return body

    async def _read_rest(self, scope: Scope, receive: Receive, first: bytes) -> bytes:
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._limit:
            raise self._too_large()
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refusal(415, COMPRESSED)
        chunks, size, more = [first], len(first), True
        self._held += size
        try:
            while more:
                if size > self._limit:
                    raise self._too_large()
                if self._held > self._limit * BODIES_AT_ONCE:
                    raise Refusal(429, "too many large requests at once; try again in a second", retry_after=1)
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk = message.get("body", b"")
                chunks.append(chunk)
                size += len(chunk)
                self._held += len(chunk)
                more = message.get("more_body", False)
            if size > self._limit:
                raise self._too_large()
            return b"".join(chunks)
        finally:
            self._held -= size

    def _too_large(self) -> Refusal:
        return Refusal(
            413, f"the body is larger than {self._limit:,} bytes (MAX_BODY_BYTES); send fewer records per request"
        )
