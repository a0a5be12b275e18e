"""Replies as they are sent."""

import asyncio

import pytest
from starlette.types import Message

from inference_api.asgi import PIECE_BYTES, Payload, send_reply


def sent(body: Payload) -> list[Message]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    asyncio.run(send_reply(send, body, status=201, media=b"text/plain", headers=[(b"a", b"b")]))
    return messages


@pytest.mark.parametrize("body", [b"abc", [b"a", b"bc"], b"", [b""], b"x" * (2 * PIECE_BYTES)])
def test_a_small_reply_or_one_in_one_piece_is_sent_at_once(body: Payload) -> None:
    start, only = sent(body)
    whole = body if isinstance(body, bytes) else b"".join(body)
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(whole)).encode()), (b"a", b"b")]
    assert start == {"type": "http.response.start", "status": 201, "headers": headers}
    assert only["body"] == whole
    assert not only.get("more_body", False)


def test_a_large_reply_is_sent_in_its_pieces() -> None:
    start, *pieces = sent([b"a" * PIECE_BYTES, b"b", b"c"])
    assert dict(start["headers"])[b"content-length"] == str(PIECE_BYTES + 2).encode()
    assert [piece["body"] for piece in pieces] == [b"a" * PIECE_BYTES, b"b", b"c"]
    assert [piece.get("more_body", False) for piece in pieces] == [True, True, False]
