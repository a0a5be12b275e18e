"""Routes of foreign protocols: plain Starlette ones, whose errors have the form that the protocol gives them."""

import logging
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from inference_api.asgi import Payload, send_reply
from inference_api.errors import Refusal, in_words
from pipeline.errors import PipelineError

logger = logging.getLogger(__name__)

Answer = Callable[[Scope, Receive], Awaitable[Payload]]
# From status, as this service has it, and text to status and body.
ErrorForm = Callable[[int, str], tuple[int, bytes]]


class ProtocolEndpoint:
    """An ASGI endpoint that sends the JSON bytes its function returns, and any error in the form of its protocol."""

    def __init__(self, path: str, answer: Answer, error_form: ErrorForm) -> None:
        self.path = path
        self._answer = answer
        self._error_form = error_form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, headers = 200, []
        try:
            reply = await self._answer(scope, receive)
        except ClientDisconnect:
            raise
        except Refusal as refusal:
            status, reply = self._error_form(refusal.status, in_words(refusal))
            headers += [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
        except PipelineError as error:
            status, reply = self._error_form(503, str(error))
            headers.append((b"retry-after", b"5"))
        except Exception:
            request_id = scope.get("request_id", "")
            logger.exception("request %s to %s failed", request_id, self.path)
            status, reply = self._error_form(500, f"internal error; quote request id {request_id}")
        await send_reply(send, reply, status=status, headers=headers)
