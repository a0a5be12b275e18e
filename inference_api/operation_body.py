"""Bodies of operations on models, which say little: read no further than that, whoever sends them."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from inference_api.asgi import JSON_TYPE, starting_with
from inference_api.body import BodyReader
from inference_api.request_schema import parse_json

MOST_BYTES = 64 * 1024

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class OperationRoute(APIRoute):
    """A route whose body is small, and JSON whatever its content type says.

    FastAPI reads the whole of a body, of any size, before it asks for the API key.
    """

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler
        bodies = BodyReader(MOST_BYTES, "; this operation takes a few fields")

        async def with_small_body(request: Request) -> Response:
            async with bodies.read(request.scope, request.receive) as sent:
                body = bodies.unpacked(sent)
            if body.strip():
                parse_json(body)  # which says better what is wrong, and where
            message = {"type": "http.request", "body": bytes(body), "more_body": False}
            headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
            scope = {**request.scope, "headers": [*headers, (b"content-type", JSON_TYPE)]}
            return await handler(Request(scope, starting_with(message, request.receive)))

        return with_small_body
