"""Request id and metrics around every request.

Plain ASGI: Starlette's BaseHTTPMiddleware more than halves the rate.
"""

from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference_api.asgi import send_reply, starting_with
from inference_api.metrics import ServiceMetrics
from inference_api.quick_lane import QuickLane
from inference_api.request_ids import REQUEST_ID, REQUEST_ID_HEADER, id_factory

_ENCODING_HEADER = b"content-encoding"


class RequestContext:
    """Gives each request an id (the client's own when it sends a sensible one), returns it, and counts the request.

    Parameters
    ----------
    lane : answers some requests in place of `app`.
    """

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics, lane: QuickLane) -> None:
        self.app = app
        self._lane = lane
        self._new_id = id_factory()
        # Finding a labelled child in prometheus_client costs more than counting in it.
        self._counter: Callable[..., Any] = lru_cache(512)(metrics.requests.labels)
        self._latency: Callable[..., Any] = lru_cache(64)(metrics.latency.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        request_id, encoded = None, False
        for name, value in scope["headers"]:
            if name == REQUEST_ID_HEADER:
                if REQUEST_ID.fullmatch(sent := value.decode("latin-1")):
                    request_id = sent
            elif name == _ENCODING_HEADER:
                encoded = True
        if request_id is None:
            request_id = self._new_id()
        scope["request_id"] = request_id
        id_header = (REQUEST_ID_HEADER, request_id.encode("ascii"))
        # Whether an encoding is accepted, the usual way knows.
        if not encoded and self._lane.takes(scope):
            message = await receive()
            answer = self._lane.reply(message, request_id)
            if answer is not None:
                reply, record = answer
                try:
                    await send_reply(send, reply, headers=(id_header,))
                    record()
                finally:
                    self._count(self._lane.path, "POST", 200, started)
                return
            receive = starting_with(message, receive)
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), id_header]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            route = route_of(scope)
            self._count(route, scope["method"] if route != "unmatched" else "any", status, started)

    def _count(self, route: str, method: str, status: int, started: float) -> None:
        self._counter(route, method, str(status)).inc()
        self._latency(route).observe(perf_counter() - started)


def route_of(scope: Scope) -> str:
    """The path template of a request, so that names in paths do not each make a time series."""
    # FastAPI notes its own routes only; the endpoints of plain ones know their path.
    found = scope.get("route") or scope.get("endpoint")
    return str(getattr(found, "path", "unmatched"))
