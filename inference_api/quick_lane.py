"""The way of a plain prediction, past FastAPI."""

import logging
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference_api.asgi import send_reply

logger = logging.getLogger(__name__)

# Answers a whole body at once, given the request's id too; None when that takes a closer look.
PlainAnswer = Callable[[bytes, str], bytes | None]


class QuickLane:
    """Answers plain predictions by itself, and leaves all other requests to FastAPI, body and all.

    FastAPI's middlewares, exception handlers and router take a third of the time of a prediction. A request that they
    have a part in, because something about it is special or wrong, takes that way.

    Parameters
    ----------
    app : FastAPI's own stack; it has a route at `path` that answers any request.
    path : where predictions are asked for.
    """

    def __init__(self, app: ASGIApp, path: str, answer: PlainAnswer) -> None:
        self.app = app
        self.path = path
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self.path or scope["method"] != "POST" or scope["query_string"]:
            await self.app(scope, receive, send)
            return
        message = await receive()
        reply = None
        if message["type"] == "http.request" and not message.get("more_body", False):
            reply = self._reply(message.get("body", b""), scope["request_id"])
        if reply is None:
            await self.app(scope, _first(message, receive), send)
        else:
            scope["endpoint"] = self  # what the request is counted under
            await send_reply(send, reply)

    def _reply(self, body: bytes, request_id: str) -> bytes | None:
        try:
            return self._answer(body, request_id)
        except Exception as error:
            # Whatever it is, the usual way meets it again, and has an answer to it.
            logger.debug("no plain answer to request %s: %s", request_id, error)
            return None


def _first(message: Message, receive: Receive) -> Receive:
    """`receive`, with a message that was taken from it before all others."""
    waiting = [message]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again
