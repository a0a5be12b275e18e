"""The OpenAPI document: every prediction route is in it, and its examples are requests that work."""

import json
from typing import Any

import jsonschema
import pytest

from .conftest import API_KEY, MakeService, MemoryRegistry, Service

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


def _is_valid(document: dict[str, Any], content: dict[str, Any], value: Any) -> bool:
    # References lead to the components of the document.
    schema = content["application/json"]["schema"] | {"components": document["components"]}
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


def test_examples_are_as_the_schemas_of_the_bodies_say(service: Service) -> None:
    document, checked = _document(service), 0
    for path, operations in document["paths"].items():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {})
            if not content:
                continue
            assert content["application/json"]["examples"], path
            for name, example in content["application/json"]["examples"].items():
                assert _is_valid(document, content, example["value"]), (path, name)
                checked += 1
    assert checked > 20


def test_body_of_predict_names_its_model(service: Service) -> None:
    document = _document(service)
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    penguin = dict(service.store.find("penguins").bundle.input_example)
    tree = dict(service.store.find("covertype").bundle.input_example)
    assert _is_valid(document, content, penguin | {"model": "penguins"})
    assert _is_valid(document, content, tree)
    assert not _is_valid(document, content, penguin)
    assert not _is_valid(document, content, penguin | {"model": "covertype"})


def test_body_of_a_models_own_path_is_one_record_or_many_and_nothing_else(service: Service) -> None:
    document = _document(service)
    content = document["paths"]["/models/{name}/predict"]["post"]["requestBody"]["content"]
    penguin = dict(service.store.find("penguins").bundle.input_example)
    columns = {name: [value] * 2 for name, value in penguin.items()}
    for good in (penguin, {"records": [penguin] * 2}, {"columns": columns}):
        assert _is_valid(document, content, good), good
        assert service.client.post("/models/penguins/predict", json=good).status_code == 200
    wrong: list[Any] = [
        {"foo": 1},
        {"columns": 3},
        {"columns": {}},
        {"columns": columns | {"island": "Biscoe"}},
        {"columns": columns | {"island": [["Biscoe"]]}},
        {"columns": columns | {"wings": [2, 2]}},
        {"columns": columns, "records": [penguin]},
        {"records": 3},
        {"records": []},
        {"records": [{"island": "Biscoe", "wings": 2}]},
        {"records": [penguin], "more": 1},
    ]
    for bad in wrong:
        assert not _is_valid(document, content, bad), bad
        assert service.client.post("/models/penguins/predict", json=bad).status_code == 422


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/predict", {"version", "alias", "explain", "log"}),
        ("/models/{name}/predict", {"version", "alias", "explain", "log"}),
        ("/invocations", {"version", "alias", "log"}),
        ("/models/{name}/invocations", {"version", "alias", "log"}),
        ("/v2/models/{name}/infer", {"version", "alias", "log"}),
        ("/v2/models/{name}/versions/{version}/infer", {"log"}),
    ],
)
def test_query_parameters_of_predictions_are_documented_where_they_work(
    service: Service, path: str, parameters: set[str]
) -> None:
    operation = _document(service)["paths"][path]["post"]
    assert {each["name"] for each in operation["parameters"] if each["in"] == "query"} == parameters
    content = operation["requestBody"]["content"]["application/json"]
    [body] = [each["value"] for name, each in content["examples"].items() if name in ("covertype", "default")]
    values = {"version": "1", "alias": "champion", "explain": "true", "log": "false"}
    for name, value in values.items():
        reply = service.client.post(path.format(name="covertype", version="1") + f"?{name}={value}", json=body)
        assert (reply.status_code == 200) is (name in parameters), (name, reply.text)


@pytest.mark.parametrize("headers", [{"Content-Encoding": "br"}, {"Upgrade": "h2c"}])
@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("post", "/predict"),
        ("post", "/models/{name}/predict"),
        ("post", "/models/{name}/feedback"),
        ("put", "/models/{name}/traffic"),
        ("post", "/models/{name}/rollback"),
        ("post", "/invocations"),
        ("post", "/v2/models/{name}/infer"),
    ],
)
def test_refusals_of_bodies_are_documented(service: Service, method: str, route: str, headers: dict[str, str]) -> None:
    body = b"" if "Upgrade" in headers else b"{}"
    headers = headers | {"X-API-Key": API_KEY}
    reply = service.client.request(method, route.format(name="covertype"), content=body, headers=headers)
    assert reply.status_code == (400 if "Upgrade" in headers else 415)
    document = _document(service)
    content = document["paths"][route][method]["responses"][str(reply.status_code)]["content"]
    assert _is_valid(document, content, reply.json())


@pytest.mark.parametrize(
    ("method", "route", "url", "key", "body", "status"),
    [
        ("post", "/predict", "/predict", False, {}, 422),
        ("post", "/models/{name}/predict", "/models/nope/predict", False, {}, 404),
        ("get", "/models/{name}", "/models/nope", False, None, 404),
        ("get", "/models/{name}", "/models/covertype?version=9", False, None, 404),
        ("get", "/models/{name}", "/models/covertype?version=2", False, None, 503),
        ("post", "/models/{name}/reload", "/models/covertype/reload", False, None, 401),
        ("post", "/models/{name}/reload", "/models/covertype/reload", True, None, 200),
        ("post", "/models/{name}/reload", "/models/nope/reload", True, None, 404),
        ("put", "/models/{name}/traffic", "/models/covertype/traffic", False, {"mode": "off"}, 401),
        ("put", "/models/{name}/traffic", "/models/covertype/traffic", True, {"mode": "off"}, 200),
        ("put", "/models/{name}/traffic", "/models/covertype/traffic", True, {"mode": "on"}, 422),
        ("put", "/models/{name}/traffic", "/models/covertype/traffic", True, {"mode": "x" * 70_000}, 413),
        ("post", "/models/{name}/rollback", "/models/covertype/rollback", False, {}, 401),
        ("post", "/models/{name}/rollback", "/models/nope/rollback", True, {}, 404),
        ("post", "/models/{name}/feedback", "/models/covertype/feedback", False, {}, 409),
        ("get", "/data/{use_case}", "/data/nope", False, None, 404),
        ("post", "/invocations", "/invocations", False, {}, 400),
        ("post", "/v2/models/{name}/infer", "/v2/models/nope/infer", False, {}, 404),
    ],
)
def test_replies_are_as_the_document_says(
    make_service: MakeService,
    registry: MemoryRegistry,
    method: str,
    route: str,
    url: str,
    key: bool,
    body: Any,
    status: int,
) -> None:
    registry.add("covertype", None, champion=False)  # which cannot be served
    service = make_service(prediction_log=False)
    document = _document(service)
    reply = service.client.request(method, url, json=body, headers={"X-API-Key": API_KEY} if key else {})
    assert reply.status_code == status
    content = document["paths"][route][method]["responses"][str(status)]["content"]
    assert _is_valid(document, content, reply.json()), reply.text
