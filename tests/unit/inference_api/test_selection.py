"""Any version or alias of a model answers on request; what nobody has is named with what there is."""

import threading
from pathlib import Path
from typing import Any

import pytest

from inference_api import selection, version_pool
from inference_api.errors import Refusal
from inference_api.selection import read_query
from pipeline.errors import RegistryError
from pipeline.model_version import VersionInfo

from .conftest import API_KEY, MakeService, MemoryRegistry, Service

URL = "/models/covertype/predict"


@pytest.fixture
def two_versions(registry: MemoryRegistry, bundles: dict[str, Path], make_service: MakeService) -> Service:
    """Version 1 of covertype is the champion, version 2 the challenger."""
    registry.add("covertype", bundles["covertype-2"], champion=False)
    registry.challenge("covertype", 2)
    return make_service()


def example(service: Service, name: str = "covertype") -> dict[str, Any]:
    record: dict[str, Any] = service.client.get(f"/models/{name}").json()["input_example"]
    return record


@pytest.mark.parametrize("url", ["/predict", URL])
@pytest.mark.parametrize(
    ("query", "version"),
    [("", 1), ("?version=1", 1), ("?version=2", 2), ("?alias=champion", 1), ("?alias=challenger", 2)],
)
def test_version_or_alias_of_the_query_answers(two_versions: Service, url: str, query: str, version: int) -> None:
    reply = two_versions.client.post(url + query, json=example(two_versions))
    assert reply.status_code == 200
    assert reply.json()["model_version"] == version


def test_version_answers_as_that_version_does(two_versions: Service) -> None:
    record = example(two_versions)
    asked = two_versions.client.post(URL + "?version=2", json=record).json()
    assert asked["probabilities"] != two_versions.client.post(URL, json=record).json()["probabilities"]
    two_versions.registry.promote("covertype", 2)
    two_versions.store.refresh()
    promoted = two_versions.client.post(URL, json=record).json()
    assert (promoted["model_version"], promoted["probabilities"]) == (2, asked["probabilities"])


def test_model_named_in_the_body_may_be_of_any_version(two_versions: Service, bundles: dict[str, Path]) -> None:
    two_versions.registry.add("penguins", bundles["penguins"], champion=False)
    two_versions.store.refresh()
    record = example(two_versions, "penguins") | {"model": "penguins"}
    reply = two_versions.client.post("/predict?version=2", json=record).json()
    assert (reply["model_name"], reply["model_version"]) == ("penguins", 2)


def test_version_of_a_model_without_champion_can_be_asked_for(two_versions: Service) -> None:
    record = example(two_versions, "penguins")
    assert two_versions.client.post("/models/newcomer/predict", json=record).status_code == 503
    assert two_versions.client.post("/models/newcomer/predict?version=1", json=record).status_code == 200
    assert two_versions.client.get("/models/newcomer").json()["version"] is None
    assert two_versions.client.get("/models/newcomer?version=1").json()["version"] == 1


def test_model_describes_the_version_asked_for(two_versions: Service) -> None:
    champion = two_versions.client.get("/models/covertype").json()
    other = two_versions.client.get("/models/covertype?alias=challenger").json()
    assert (champion["version"], other["version"], other["champion_version"]) == (1, 2, 1)
    assert (champion["path"], champion["unit"], champion["traffic"]) == ("onnx", None, None)
    assert champion["input_example"] != other["input_example"]
    assert two_versions.client.get("/models/house_prices").json()["unit"] == "USD"


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("version=9", 404, "no version 9; versions: 2, 1; aliases: challenger, champion"),
        ("alias=nobody", 404, "no alias 'nobody'; versions: 2, 1"),
        ("version=1&alias=champion", 422, "not both"),
        ("version=1&version=2", 422, "twice"),
        ("version=one", 422, "whole number"),
        ("version=0", 422, "whole number"),
        ("version=%F0%9F%98%80", 422, "whole number"),
        ("version=99999999999999999999", 422, "whole number"),
        ("alias=", 422, "empty"),
        ("explain=maybe", 422, "true or false"),
        ("versoin=1", 422, "there is no parameter versoin; there are version, alias, explain, log"),
    ],
)
def test_query_that_makes_no_sense_is_refused_with_the_reason(
    two_versions: Service, query: str, status: int, words: str
) -> None:
    for reply in (
        two_versions.client.post(f"/predict?{query}", json=example(two_versions)),
        two_versions.client.post(f"{URL}?{query}", json=example(two_versions)),
    ):
        assert reply.status_code == status, reply.text
        assert words in reply.text


def test_mistake_in_the_query_is_located() -> None:
    with pytest.raises(Refusal) as refused:
        read_query(b"version=one")
    assert refused.value.detail[0]["loc"] == ["query", "version"]  # type: ignore[index]


def test_least_recently_used_version_is_unloaded(
    registry: MemoryRegistry, bundles: dict[str, Path], make_service: MakeService
) -> None:
    for _ in range(5):
        registry.add("covertype", bundles["covertype"], champion=False)
    service = make_service(model_lru_size=2)
    for version in (5, 6, 2, 3, 2, 4):
        assert service.client.post(f"{URL}?version={version}", json=example(service)).status_code == 200
    assert service.pool.loaded == [("covertype", 2), ("covertype", 4)]
    folders = [path for path in (service.cache_dir / "covertype").iterdir() if path.is_dir()]
    # On disk as well: the champion's, those that are loaded, and one more.
    assert sorted(path.name.split("-")[0] for path in folders) == ["1", "2", "3", "4"]


def test_version_that_takes_long_to_load_is_answered_once_it_is_there(
    two_versions: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_pool, "WAIT_SECONDS", 0.05)
    release, download = threading.Event(), two_versions.registry.download_bundle

    def slowly(version: VersionInfo, folder: Path) -> Path:
        release.wait(10)
        return download(version, folder)

    monkeypatch.setattr(two_versions.registry, "download_bundle", slowly)
    reply = two_versions.client.post(f"{URL}?version=2", json=example(two_versions))
    assert reply.status_code == 503
    assert "is being loaded" in reply.json()["detail"]
    assert int(reply.headers["retry-after"]) > 0
    assert two_versions.client.post(URL, json=example(two_versions)).status_code == 200
    release.set()
    monkeypatch.setattr(version_pool, "WAIT_SECONDS", 10)
    assert two_versions.client.post(f"{URL}?version=2", json=example(two_versions)).json()["model_version"] == 2


def test_version_that_cannot_be_loaded_says_why_and_is_left_alone_for_a_while(two_versions: Service) -> None:
    version = two_versions.registry.add("covertype", None, champion=False)
    two_versions.store.refresh()
    before = two_versions.registry.downloads
    for _ in range(3):
        reply = two_versions.client.post(f"{URL}?version={version}", json=example(two_versions))
        assert reply.status_code == 503
        assert "has no serving bundle" in reply.json()["detail"]
        assert int(reply.headers["retry-after"]) > 0
    assert two_versions.registry.downloads == before + 1
    assert two_versions.client.post(URL, json=example(two_versions)).json()["model_version"] == 1


def test_version_loaded_once_answers_while_the_registry_is_down(two_versions: Service) -> None:
    record = example(two_versions)
    assert two_versions.client.post(f"{URL}?version=2", json=record).status_code == 200
    two_versions.registry.down = True
    two_versions.store.refresh()
    assert two_versions.client.post(f"{URL}?version=2", json=record).status_code == 200
    assert two_versions.client.get("/models/covertype?version=9").status_code == 404


def test_model_registered_a_moment_ago_is_found(
    service: Service, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(selection, "LONGEST_LOOK_SECONDS", 10.0)
    service.registry.add("fresh", bundles["penguins"])
    assert service.client.get("/models/fresh").json()["champion_version"] == 1
    version = service.registry.add("fresh", bundles["penguins"], champion=False)
    reply = service.client.post(f"/models/fresh/predict?version={version}", json=example(service, "penguins"))
    assert reply.json()["model_version"] == version
    assert service.client.get("/models/nobody").status_code == 404


def test_unknown_names_do_not_each_ask_the_registry(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> dict[str, dict[str, str]]:
        raise AssertionError("it has been read a moment ago")

    monkeypatch.setattr(selection, "LOOK_SECONDS", 3600.0)
    monkeypatch.setattr(service.registry, "model_tags", refuse)
    for number in range(20):
        assert service.client.get(f"/models/nobody-{number}").status_code == 404
    assert service.store.registry.problem is None


def test_name_is_not_unknown_before_the_registry_was_read(make_service: MakeService, registry: MemoryRegistry) -> None:
    make_service()  # fills the cache
    registry.down = True
    late = make_service(wait=False)
    late.store.load_cached()
    reply = late.client.get("/models/newcomer")
    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) > 0
    assert late.client.post("/models/newcomer/predict", json={}).status_code == 503
    assert late.client.get("/models/covertype").json()["champion_version"] == 1
    reply = late.client.post(URL + "?version=2", json=example(late))
    assert reply.status_code == 503
    assert "is not known" in reply.json()["detail"]
    registry.down = False
    late.store.refresh()
    assert late.client.get("/models/nobody").status_code == 404


def test_rollback_of_an_unknown_model_is_not_found(service: Service) -> None:
    reply = service.client.post("/models/nobody/rollback", headers={"X-API-Key": API_KEY})
    assert reply.status_code == 404


def test_damaged_download_of_a_version_is_refused(two_versions: Service, bundles: dict[str, Path]) -> None:
    two_versions.registry.bundles["covertype-2"] = bundles["penguins"]
    reply = two_versions.client.post(f"{URL}?version=2", json=example(two_versions))
    assert reply.status_code == 503
    assert "damaged" in reply.json()["detail"]


def test_slow_registry_keeps_no_request_waiting(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(selection, "LONGEST_LOOK_SECONDS", 0.05)
    hang = threading.Event()

    def hanging() -> dict[str, dict[str, str]]:
        hang.wait(30)
        raise RegistryError("gave up")

    monkeypatch.setattr(service.registry, "model_tags", hanging)
    try:
        assert service.client.get("/models/nobody").status_code == 404
    finally:
        hang.set()
