"""Plain predictions go past FastAPI; whatever is special about a request, or wrong with it, takes the usual way."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from inference_api.metrics import ServiceMetrics
from inference_api.middleware import RequestContext
from inference_api.quick_lane import PlainReply, QuickLane
from tests.course_client import COURSE_RECORD

from .conftest import Service


class Stack:
    """A lane in front of an application that answers with what it received."""

    def __init__(self, answer: Callable[[bytes, str], PlainReply | None]) -> None:
        self.events: list[Any] = []
        self.metrics = ServiceMetrics()
        self._context = RequestContext(self._behind, self.metrics, QuickLane("/predict", answer))

    async def _behind(self, _: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        self.events.append("behind")
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def ask(self, *pieces: bytes, **scope: Any) -> tuple[int, bytes, dict[bytes, bytes]]:
        """Status, body and headers of the reply."""
        sent: list[Message] = []
        waiting: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        waiting[-1]["more_body"] = False

        async def receive() -> Message:
            return waiting.pop(0)

        async def send(message: Message) -> None:
            self.events.append(message["type"])
            sent.append(message)

        usual = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": []}
        asyncio.run(self._context(usual | scope, receive, send))
        return sent[0]["status"], b"".join(each["body"] for each in sent[1:]), dict(sent[0]["headers"])


def test_a_plain_prediction_is_sent_before_it_is_recorded() -> None:
    stack = Stack(lambda body, _: (body.upper(), lambda: stack.events.append("recorded")))
    status, body, headers = stack.ask(b"abc", headers=[(b"x-request-id", b"mine")])
    assert (status, body) == (200, b"ABC")
    assert headers == {b"content-type": b"application/json", b"content-length": b"3", b"x-request-id": b"mine"}
    assert stack.events == ["http.response.start", "http.response.body", "recorded"]
    assert b'inference_requests_total{method="POST",route="/predict",status="200"} 1.0' in stack.metrics.render()


@pytest.mark.parametrize(
    "scope", [{"path": "/predict/"}, {"method": "GET"}, {"query_string": b"version=1"}, {"path": "/livez"}]
)
def test_other_requests_are_not_the_lanes(scope: dict[str, Any]) -> None:
    def answer(*_: Any) -> PlainReply:
        raise AssertionError("it was asked")

    assert Stack(answer).ask(b"abc", **scope)[:2] == (418, b"abc")


def test_what_it_cannot_answer_goes_on_with_its_whole_body() -> None:
    def fail(*_: Any) -> PlainReply:
        raise RuntimeError("the model is broken")

    for answer in (lambda *_: None, fail):
        status, body, headers = Stack(answer).ask(b"abc", headers=[(b"x-request-id", b"mine")])
        assert (status, body) == (418, b"abc")
        assert headers[b"x-request-id"] == b"mine"
    asked: list[bytes] = []
    assert Stack(lambda body, _: asked.append(body)).ask(b"abc", b"def")[:2] == (418, b"abcdef")
    assert asked == []


def test_the_api_answers_plain_predictions_without_its_router(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = service.client.post("/predict?log=true", json=COURSE_RECORD).json()

    async def closed(*_: Any) -> None:
        raise AssertionError("it came this way")

    monkeypatch.setattr(service.client.app.router, "middleware_stack", closed)  # type: ignore[attr-defined]
    quick = service.client.post("/predict", json=COURSE_RECORD)
    assert quick.json() == usual | {"request_id": quick.headers["x-request-id"]}
    with pytest.raises(AssertionError, match="it came this way"):
        service.client.post("/predict", content=json.dumps({**COURSE_RECORD, "Elevation": "2596"}))
