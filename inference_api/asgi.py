"""What the endpoints that are plain ASGI have in common."""

from collections.abc import Awaitable, Callable, Iterable

from starlette.types import Message, Receive, Scope, Send

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
    size = len(body) if isinstance(body, bytes) else sum(map(len, body))
    start = [(b"content-type", media), (b"content-length", b"%d" % size), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    if isinstance(body, bytes) or size <= PIECE_BYTES:
        await send({"type": "http.response.body", "body": body if isinstance(body, bytes) else b"".join(body)})
        return
    for piece in body[:-1]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": body[-1]})


def starting_with(message: Message, receive: Receive) -> Receive:
    """`receive`, with a message that was taken from it before all others."""
    waiting = [message]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again


class Endpoint:
    """An ASGI endpoint that sends the bytes its function returns: JSON, or what ``scope["reply_type"]`` says."""

    def __init__(self, path: str, answer: Callable[[Scope, Receive], Awaitable[Payload]]) -> None:
        self.path = path
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = await self._answer(scope, receive)
        await send_reply(send, reply, media=scope.get("reply_type", JSON_TYPE))
