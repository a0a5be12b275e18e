"""The OpenAPI document: every prediction route is in it, and its examples are requests that work."""

import json
from typing import Any

from .conftest import Service

# What each path of the document stands for when its examples are sent.
VALUES = {"version": "1"}


def _document(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = service.client.get("/openapi.json").json()
    return found


def test_every_route_of_a_protocol_is_documented(service: Service) -> None:
    paths = _document(service)["paths"]
    for route in service.client.app.routes:  # type: ignore[attr-defined]
        path = getattr(route, "path", "")
        if path.startswith(("/v2", "/predict", "/invocations", "/ping", "/health", "/version")):
            assert path in paths or path in ("/v2/", "/v2/{rest:path}"), path
    assert len({op["operationId"] for ops in paths.values() for op in ops.values()}) == sum(map(len, paths.values()))


def test_references_lead_somewhere(service: Service) -> None:
    document = _document(service)
    text = json.dumps(document)
    for piece in text.split('"#/components/schemas/')[1:]:
        assert piece.split('"')[0] in document["components"]["schemas"]


def test_examples_are_requests_that_work(service: Service) -> None:
    sent = 0
    for path, operations in _document(service)["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        if not path.startswith(("/v2", "/predict", "/invocations")) and not path.endswith(("/predict", "/invocations")):
            continue
        for content_type, media in content.items():
            for name, example in media.get("examples", {}).items():
                url = path.format(name=name.split(",")[0], **VALUES)
                body = example["value"] if isinstance(example["value"], str) else json.dumps(example["value"])
                reply = service.client.post(url, content=body, headers={"Content-Type": content_type})
                assert reply.status_code == 200, f"{url} {body}: {reply.text}"
                sent += 1
    assert sent > 20
