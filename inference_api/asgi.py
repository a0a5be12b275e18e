"""What the endpoints that are plain ASGI have in common."""

from collections.abc import Iterable

from starlette.types import Send

JSON_TYPE = b"application/json"
# A smaller reply is sent at once.
PIECE_BYTES = 512 * 1024

Headers = Iterable[tuple[bytes, bytes]]
# What is received: a large one grows where it is.
Body = bytes | bytearray
# What is sent: a large one in pieces, which nobody has to join, and between two of which others get their turn.
Payload = bytes | list[bytes]


async def send_reply(
    send: Send, body: Payload, *, status: int = 200, media: bytes = JSON_TYPE, headers: Headers = ()
) -> None:
    """Send a whole reply."""
    pieces = [body] if isinstance(body, bytes) else body
    size = sum(map(len, pieces))
    if size <= PIECE_BYTES:
        pieces = [b"".join(pieces)]
    start = [(b"content-type", media), (b"content-length", str(size).encode("ascii")), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    for piece in pieces[:-1]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": pieces[-1]})
