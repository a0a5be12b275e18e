"""What the endpoints that are plain ASGI have in common."""

from collections.abc import Iterable

from starlette.types import Send

JSON_TYPE = b"application/json"
Headers = Iterable[tuple[bytes, bytes]]


async def send_reply(
    send: Send, body: bytes | list[bytes], *, status: int = 200, media: bytes = JSON_TYPE, headers: Headers = ()
) -> None:
    """Send a whole reply.

    Parameters
    ----------
    body : a large one in pieces: nobody has to join it, and between two of them other requests get their turn.
    """
    pieces = [body] if isinstance(body, bytes) else body
    size = str(sum(map(len, pieces))).encode("ascii")
    start = [(b"content-type", media), (b"content-length", size), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    for piece in pieces[:-1]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": pieces[-1]})
