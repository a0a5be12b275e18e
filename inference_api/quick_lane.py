"""The way of a plain prediction, past FastAPI."""

import logging
from collections.abc import Callable

from starlette.types import Message, Scope

logger = logging.getLogger(__name__)

# A reply, and what takes note of it: the client need not wait for that.
PlainReply = tuple[bytes, Callable[[], None]]
# Answers a whole body at once, given the request's id too; None when that takes a closer look.
PlainAnswer = Callable[[bytes, str], PlainReply | None]


class QuickLane:
    """Answers plain predictions by itself, and leaves all other requests to FastAPI.

    FastAPI's middlewares, exception handlers and router take a third of the time of a prediction. A request that they
    have a part in, because something about it is special or wrong, takes that way.

    Parameters
    ----------
    path : where predictions are asked for; FastAPI has a route there that answers any request.
    """

    def __init__(self, path: str, answer: PlainAnswer) -> None:
        self.path = path
        self._answer = answer

    def takes(self, scope: Scope) -> bool:
        """Whether a request may be a plain prediction."""
        return scope["path"] == self.path and scope["method"] == "POST" and not scope["query_string"]

    def reply(self, message: Message, request_id: str) -> PlainReply | None:
        """The answer to a request that comes in one message, None where FastAPI has to see it."""
        if message["type"] != "http.request" or message.get("more_body", False):
            return None
        try:
            return self._answer(message.get("body", b""), request_id)
        except Exception as error:
            # Whatever it is, the usual way meets it again, and has an answer to it.
            logger.debug("no plain answer to request %s: %s", request_id, error)
            return None
