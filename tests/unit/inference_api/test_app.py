"""The routes beside prediction: models, probes, operations, metrics, documentation."""

import gzip
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from inference_api import background_loads, registry_link, registry_threads, rollback
from pipeline.errors import RegistryError, RegistryUnavailable, WarehouseError

from .conftest import API_KEY, MakeService, MemoryRegistry, Service, follow_until

KEY = {"X-API-Key": API_KEY}


def test_probes_before_and_after_the_first_model(make_service: MakeService, registry: MemoryRegistry) -> None:
    registry.down = True
    service = make_service()
    assert service.client.get("/livez").status_code == 200
    early = service.client.get("/readyz")
    assert early.status_code == 503
    assert "cannot be read since 20" in early.json()["registry"]
    assert "localhost" not in early.text
    assert "localhost" not in service.client.post("/predict", json={}).text
    assert int(early.headers["retry-after"]) > 0
    registry.down = False
    service.store.refresh()
    ready = service.client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["registry"] == "ok"
    assert ready.json()["models"]["covertype"]["champion_version"] == 1


def test_models_lists_those_without_champion_too(service: Service) -> None:
    models = {model["name"]: model for model in service.client.get("/models").json()["models"]}
    assert models["covertype"] == {
        "name": "covertype",
        "title": "Forest cover type",
        "task": "classification",
        "champion_version": 1,
        "status": "serving",
        "detail": None,
    }
    assert models["newcomer"]["status"] == "no champion"
    assert models["newcomer"]["champion_version"] is None


def test_model_shows_versions_and_the_schema_of_a_record(service: Service, bundles: dict[str, Path]) -> None:
    service.registry.add("covertype", bundles["covertype-2"], champion=False)
    service.store.refresh()
    service.registry.down = True
    model = service.client.get("/models/covertype").json()
    assert [(version["version"], version["aliases"]) for version in model["versions"]] == [(2, []), (1, ["champion"])]
    assert model["target"] == "Cover_Type"
    assert model["metrics"] == {"accuracy": 0.5}
    schema = model["schema"]
    elevation = schema["properties"]["Elevation"]
    assert (elevation["type"], elevation["minimum"], elevation["maximum"]) == ("integer", 0, 9000)
    assert elevation["x-unit"] == "m"
    assert 0 <= elevation["default"] <= 9000
    area = schema["properties"]["Wilderness_Area"]
    assert area["x-categories"]["Cache"] == "Cache la Poudre Wilderness"
    assert area["default"] in area["enum"]
    assert len(schema["required"]) == 12
    assert service.client.post("/models/covertype/predict", json=model["input_example"]).status_code == 200


def test_defaults_of_a_schema_make_a_valid_record(service: Service) -> None:
    for name in ("covertype", "penguins", "house_prices"):
        schema = service.client.get(f"/models/{name}").json()["schema"]
        record = {key: value["default"] for key, value in schema["properties"].items() if "default" in value}
        assert len(record) == len(schema["properties"])
        assert service.client.post(f"/models/{name}/predict", json=record).status_code == 200


def test_nullable_and_date_columns_say_so_in_the_schema(service: Service) -> None:
    properties = service.client.get("/models/house_prices").json()["schema"]["properties"]
    assert properties["bed"]["type"] == ["number", "null"]
    assert properties["prev_sold_date"]["format"] == "date"


@pytest.mark.parametrize("method", ["reload", "rollback"])
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"X-API-Key": "ñ".encode("latin-1")}])
def test_operations_need_the_key(service: Service, method: str, headers: dict[str, Any]) -> None:
    reply = service.client.post(f"/models/covertype/{method}", headers=headers)
    assert reply.status_code == 401
    assert "X-API-Key" in reply.json()["detail"]


@pytest.mark.parametrize(("method", "path"), [("POST", "rollback"), ("PUT", "traffic")])
def test_large_body_of_an_operation_is_refused(service: Service, method: str, path: str) -> None:
    # Without the key, too: nobody may fill the memory of the service.
    reply = service.client.request(method, f"/models/covertype/{path}", content=b" " * 65_537)
    assert reply.status_code == 413
    assert "65,536 bytes" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("body", "words"), [(b"[" * 20_000, "nested"), (b'{"to": 1', "truncated"), (b"\xff", "malformed")]
)
def test_unreadable_body_of_an_operation_says_what_is_wrong(service: Service, body: bytes, words: str) -> None:
    reply = service.client.post("/models/covertype/rollback", content=body, headers=KEY)
    assert reply.status_code == 422
    assert words in reply.json()["detail"][0]["msg"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"mode": "off"}', {"Content-Type": "application/x-www-form-urlencoded"}),
        (b'{"mode": "off"}', {}),
        (gzip.compress(b'{"mode": "off"}', mtime=0), {"Content-Encoding": "gzip"}),
    ],
)
def test_body_of_an_operation_is_json_whatever_its_type_is_called(
    service: Service, body: bytes, headers: dict[str, str]
) -> None:
    reply = service.client.put("/models/covertype/traffic", content=body, headers={**KEY, **headers})
    assert (reply.status_code, reply.json()["mode"]) == (200, "off")


def test_reload_serves_a_new_champion_at_once(service: Service, bundles: dict[str, Path]) -> None:
    service.registry.add("covertype", bundles["covertype-2"])
    reply = service.client.post("/models/covertype/reload", headers=KEY)
    assert reply.status_code == 200
    assert reply.json()["champion_version"] == 2


def test_reload_of_a_model_that_is_new_to_the_service(service: Service, bundles: dict[str, Path]) -> None:
    service.registry.add("fresh", bundles["penguins"])
    assert service.client.post("/models/fresh/reload", headers=KEY).json()["champion_version"] == 1
    assert service.client.post("/models/nobody/reload", headers=KEY).status_code == 404


def test_reload_while_the_registry_is_down(service: Service) -> None:
    service.registry.down = True
    reply = service.client.post("/models/covertype/reload", headers=KEY)
    assert reply.status_code == 503
    assert "does not answer" in reply.json()["detail"]


def test_rollback_moves_the_champion_and_serves_it(
    make_service: MakeService, registry: MemoryRegistry, bundles: dict[str, Path]
) -> None:
    registry.add("covertype", bundles["covertype-2"])

    def roll_back(name: str, to: int | None, reason: str) -> dict[str, Any]:
        registry.promote(name, to or 1)
        return {"to_version": to or 1, "reason": reason}

    service = make_service(roll_back=roll_back)
    assert service.client.get("/models/covertype").json()["champion_version"] == 2
    reply = service.client.post("/models/covertype/rollback", headers=KEY, json={"reason": "worse in the field"})
    assert reply.status_code == 200
    assert reply.json()["champion_version"] == 1
    assert reply.json()["record"] == {"to_version": 1, "reason": "worse in the field"}
    assert (
        service.client.post("/models/covertype/rollback", headers=KEY, json={"to": 2}).json()["champion_version"] == 2
    )
    assert service.client.post("/models/covertype/rollback", headers=KEY, json={"to": "two"}).status_code == 422


def test_rollback_that_is_impossible_says_why(make_service: MakeService) -> None:
    def roll_back(name: str, to: int | None, reason: str) -> dict[str, Any]:  # noqa: ARG001
        raise RegistryError(f"the champion of {name} replaced none, so there is nothing to return to")

    service = make_service(roll_back=roll_back)
    reply = service.client.post("/models/covertype/rollback", headers=KEY)
    assert reply.status_code == 409
    assert "nothing to return to" in reply.json()["detail"]
    service.registry.down = True
    reply = service.client.post("/models/covertype/rollback", headers=KEY)
    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) > 0


def test_rollback_that_is_not_in_the_history_is_done_and_not_to_be_repeated(
    make_service: MakeService, registry: MemoryRegistry, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add("covertype", bundles["covertype-2"])

    def move(*_: Any, **__: Any) -> None:
        registry.promote("covertype", 1)
        raise WarehouseError("rollback of version 1 of covertype is done, but not in the history: it is down")

    monkeypatch.setattr("pipeline.promotion.rollback", move)
    monkeypatch.setattr("pipeline.warehouse.open_warehouse", lambda _: None)
    reply = make_service().client.post("/models/covertype/rollback", headers=KEY)
    assert reply.status_code == 200
    assert "retry-after" not in reply.headers
    body = reply.json()
    assert (body["champion_version"], body["record"]) == (1, None)
    assert "is done, but not in the history" in body["warning"]


def test_rollback_that_never_began_may_be_repeated(make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise WarehouseError("WAREHOUSE_URL is not a database URL")

    monkeypatch.setattr("pipeline.warehouse.open_warehouse", refuse)
    reply = make_service().client.post("/models/covertype/rollback", headers=KEY)
    assert reply.status_code == 503
    assert "retry-after" in reply.headers


@pytest.fixture
def hanging(registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Makes the registry answer nothing until the end of the test."""
    monkeypatch.setattr(registry_threads, "ASK_SECONDS", 0.05)
    monkeypatch.setattr(rollback, "ROLLBACK_SECONDS", 0.05)
    yield registry.answering.clear
    registry.answering.set()


def test_rollback_does_not_begin_while_the_registry_hangs(
    make_service: MakeService, hanging: Callable[[], None]
) -> None:
    moved: list[str] = []
    service = make_service(roll_back=lambda name, *_: moved.append(name))
    hanging()
    reply = service.client.post("/models/covertype/rollback", headers=KEY)
    assert reply.status_code == 503
    assert "nothing was changed" in reply.json()["detail"]
    # Nor does it later, when nobody expects it any more.
    service.registry.answering.set()
    assert service.client.post("/models/covertype/reload", headers=KEY).status_code in (200, 202)
    assert moved == []


def test_rollback_without_storage_may_be_tried_again(make_service: MakeService) -> None:
    def roll_back(name: str, to: int | None, reason: str) -> dict[str, Any]:  # noqa: ARG001
        raise RegistryUnavailable("cannot look for the serving bundle: it answers with errors only")

    reply = make_service(roll_back=roll_back).client.post("/models/covertype/rollback", headers=KEY)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")


def test_storage_that_hangs_keeps_no_model_from_being_rolled_back(
    make_service: MakeService, registry: MemoryRegistry, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_loads, "LONG_LOAD_SECONDS", 0.05)

    def roll_back(name: str, *_: Any) -> dict[str, Any]:
        registry.promote(name, 1)
        return {"to_version": 1}

    service = make_service(roll_back=roll_back)
    store, arrives = service.store, registry.hold_download("covertype-2")
    registry.add("covertype", bundles["covertype-2"])
    registry.add("penguins", bundles["penguins"])
    follow_until(store, lambda: store.find("penguins").version == 2)
    assert "takes long; still serving version 1" in str(store.states["covertype"].problem)
    for name in ("penguins", "covertype"):
        reply = service.client.post(f"/models/{name}/rollback", headers=KEY)
        assert (reply.status_code, reply.json()["champion_version"], reply.json()["status"]) == (200, 1, "serving")
    arrives.set()
    store.refresh()
    assert store.find("covertype").version == 1


def test_rollback_that_takes_long_says_that_it_goes_on(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "ROLLBACK_SECONDS", 0.05)
    going_on = threading.Event()
    service = make_service(roll_back=lambda *_: going_on.wait() and {})
    reply = service.client.post("/models/covertype/rollback", headers=KEY)
    going_on.set()
    assert reply.status_code == 202
    assert reply.json()["record"] is None
    assert "goes on" in reply.json()["warning"]


def test_registry_that_hangs_is_reported_before_its_client_gives_up(
    service: Service, hanging: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "inference_registry_up 1.0" in service.client.get("/metrics").text
    hanging()
    assert service.client.post("/models/covertype/reload", headers=KEY).status_code == 202
    assert service.client.get("/readyz").json()["registry"] == "ok"
    monkeypatch.setattr(registry_link, "SILENT_SECONDS", 0)
    assert "has not answered for" in service.client.get("/readyz").json()["registry"]
    assert "inference_registry_up 0.0" in service.client.get("/metrics").text
    assert service.client.get("/readyz").status_code == 200


def test_metrics_count_requests_by_route(service: Service) -> None:
    service.client.post("/predict", json={})
    service.client.get("/models/covertype")
    service.client.get("/models/penguins")
    service.client.get("/wp-login.php")
    text = service.client.get("/metrics").text
    assert 'inference_requests_total{method="POST",route="/predict",status="422"} 1.0' in text
    assert 'inference_requests_total{method="GET",route="/models/{name}",status="200"} 2.0' in text
    assert 'inference_requests_total{method="any",route="unmatched",status="404"} 1.0' in text
    assert 'inference_model_version{model="covertype"} 1.0' in text


def test_openapi_documents_every_route_with_the_schemas_of_live_models(
    service: Service, bundles: dict[str, Path]
) -> None:
    document = service.client.get("/openapi.json").json()
    assert {"/predict", "/models/{name}/predict", "/models/{name}/reload", "/readyz"} <= set(document["paths"])
    operation = document["paths"]["/predict"]["post"]
    assert (
        operation["requestBody"]["content"]["application/json"]["examples"]["penguins"]["value"]["model"] == "penguins"
    )
    assert {"200", "413", "422", "429", "503"} <= set(operation["responses"])
    assert "Elevation" in document["components"]["schemas"]["record_covertype"]["properties"]
    service.registry.add("fresh", bundles["penguins"])
    service.store.refresh()
    assert "record_fresh" in service.client.get("/openapi.json").json()["components"]["schemas"]


def test_front_page_and_docs(service: Service) -> None:
    assert service.client.get("/").json()["default_model"] == "covertype"
    assert "openapi.json" in service.client.get("/docs").text


def test_unexpected_failure_gives_an_id_to_quote(make_service: MakeService) -> None:
    def roll_back(name: str, to: int | None, reason: str) -> dict[str, Any]:  # noqa: ARG001
        raise ZeroDivisionError

    service = make_service(roll_back=roll_back)
    service.client._transport.raise_server_exceptions = False
    reply = service.client.post("/models/covertype/rollback", headers=KEY | {"X-Request-ID": "quote-me"})
    assert reply.status_code == 500
    assert "quote-me" in reply.json()["detail"]
