"""The store follows the champion, keeps the last good model on any failure, and restarts without a registry."""

import gc
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from inference_api import background_loads
from inference_api.errors import Refusal
from inference_api.metrics import ServiceMetrics
from inference_api.model_cache import ModelCache
from inference_api.model_store import ModelStore
from pipeline.errors import RegistryError
from pipeline.model_version import VersionInfo

from .conftest import MemoryRegistry


def open_store(registry: Any, tmp_path: Path) -> ModelStore:
    cache = ModelCache(tmp_path / "cache")
    return ModelStore(lambda: registry, cache, ServiceMetrics(), poll_seconds=0.02, default="covertype")


def served(store: ModelStore, name: str = "covertype") -> int | None:
    state = store.states.get(name)
    return state.predictor.version if state is not None and state.predictor is not None else None


def wait_until(condition: Any) -> None:
    waiting = threading.Event()
    for _ in range(500):
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError("did not come about in 10 s")


def test_promotion_is_followed_by_polling(registry: MemoryRegistry, bundles: dict[str, Path], tmp_path: Path) -> None:
    store = open_store(registry, tmp_path)
    store.start()
    try:
        wait_until(lambda: served(store) == 1)
        registry.add("covertype", bundles["covertype-2"])
        wait_until(lambda: served(store) == 2)
        registry.promote("covertype", 1)
        wait_until(lambda: served(store) == 1)
    finally:
        store.stop()


def test_champion_is_downloaded_once(registry: MemoryRegistry, tmp_path: Path) -> None:
    store = open_store(registry, tmp_path)
    for _ in range(3):
        store.refresh()
    assert registry.downloads == 3  # three models


def test_model_that_cannot_be_loaded_leaves_the_last_good_one(
    registry: MemoryRegistry, bundles: dict[str, Path], tmp_path: Path
) -> None:
    store = open_store(registry, tmp_path)
    store.refresh()
    good = store.find("covertype")
    registry.add("covertype", None)
    store.refresh()
    state = store.states["covertype"]
    assert store.find("covertype") is good
    assert state.status == "stale"
    assert state.problem == (
        "version 2 cannot be served: version 2 of covertype has no serving bundle; still serving version 1"
    )
    assert served(store, "penguins") == 1
    registry.add("covertype", bundles["covertype-2"])
    store.refresh()
    assert served(store) == 3
    assert store.states["covertype"].status == "serving"


def test_storage_that_hangs_amid_a_promotion_is_reported(
    registry: MemoryRegistry, bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_loads, "LONG_LOAD_SECONDS", 0.02)
    store = open_store(registry, tmp_path)
    store.refresh()
    registry.add("covertype", bundles["covertype-2"])
    downloads, arrives = registry.downloads, registry.hold_download("covertype-2")
    store.start()
    try:
        wait_until(lambda: registry.downloads > downloads)
        wait_until(lambda: store.states["covertype"].problem)
        state = store.states["covertype"]
        assert (state.status, served(store)) == ("stale", 1)
        assert state.problem == "version 2 is being loaded, which takes long; still serving version 1"
        arrives.set()
        wait_until(lambda: served(store) == 2)
        assert store.states["covertype"].problem is None
    finally:
        arrives.set()
        store.stop()


def test_registry_is_being_read_while_the_first_models_are_loaded(
    registry: MemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, reports, download = open_store(registry, tmp_path), [], registry.download_bundle

    def download_and_look(version: VersionInfo, folder: Path) -> Path:
        reports.append(store.registry.report)
        return download(version, folder)

    monkeypatch.setattr(registry, "download_bundle", download_and_look)
    assert "not been asked" in str(store.registry.report)
    store.refresh()
    assert set(reports) == {"the model registry is being read"}
    assert store.registry.report is None


def test_damaged_download_is_not_served(registry: MemoryRegistry, bundles: dict[str, Path], tmp_path: Path) -> None:
    store = open_store(registry, tmp_path)
    store.refresh()
    registry.add("covertype", bundles["covertype-2"])
    registry.bundles["covertype-2"] = bundles["penguins"]  # not what the digest was registered of
    store.refresh()
    assert served(store) == 1
    assert "is damaged" in (store.states["covertype"].problem or "")


def test_failing_version_is_not_downloaded_at_every_poll(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    registry.add("covertype", None)
    store = open_store(registry, tmp_path)
    store._poll_seconds = 3600
    for _ in range(5):
        store.refresh()
    assert registry.downloads == 1
    store.refresh("covertype")  # a reload that somebody asks for does not wait
    assert registry.downloads == 2


def test_outage_changes_nothing_but_the_report(registry: MemoryRegistry, tmp_path: Path) -> None:
    store = open_store(registry, tmp_path)
    store.refresh()
    before = store.states
    registry.down = True
    store.refresh()
    assert store.states is before
    assert "does not answer" in (store.registry.problem or "")
    registry.down = False
    store.refresh()
    assert store.registry.problem is None


class PartlyUnreadable(MemoryRegistry):
    """Holds a model that nobody here made."""

    def versions(self, name: str) -> list[VersionInfo]:
        if name == "foreign":
            self._check()
            raise ValueError("version 'one' of http://me:secret@mlflow:5000 is no number")
        return super().versions(name)


def test_model_that_cannot_be_read_does_not_keep_the_others_from_being_followed(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    registry = PartlyUnreadable()
    registry.known["foreign"] = []
    registry.add("penguins", bundles["penguins"])
    store = open_store(registry, tmp_path)
    store.refresh()
    assert served(store, "penguins") == 1
    assert store.registry.problem is None
    assert store.states["foreign"].problem == (
        "what the registry holds of it cannot be used: version 'one' of http://… is no number"
    )
    with pytest.raises(Refusal, match="is no number") as refused:
        store.find("foreign")
    assert refused.value.status == 503


def test_outage_amid_a_poll_is_not_held_against_a_model(registry: MemoryRegistry, tmp_path: Path) -> None:
    store = open_store(registry, tmp_path)
    store.refresh()
    before = store.states

    def break_down(name: str) -> list[VersionInfo]:
        registry.down = True
        return MemoryRegistry.versions(registry, name)

    registry.versions = break_down  # type: ignore[method-assign]
    store.refresh()
    assert store.states is before
    assert "does not answer" in (store.registry.problem or "")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("http://me:p@ss@mlflow:5000 has no serving bundle", "http://… has no serving bundle"),
        ("MLflow at https://mlflow.internal:5000: it does not answer", "MLflow at https://…: it does not answer"),
        ('endpoint URL: "http://minio:9000/mlflow/1?x"', 'endpoint URL: "http://…/mlflow/1?x"'),
        ("HTTPConnectionPool(host='mlflow', port=5000)", "HTTPConnectionPool(host='…', port=5000)"),
        ("Can't connect to MySQL server on 'db.internal'", "Can't connect to MySQL server on '…'"),
    ],
)
def test_credentials_and_hosts_are_for_the_log_only(
    registry: MemoryRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture, message: str, shown: str
) -> None:
    registry.add("covertype", None)

    def refuse(version: VersionInfo, folder: Path) -> Path:  # noqa: ARG001
        raise RegistryError(message)

    registry.download_bundle = refuse  # type: ignore[method-assign]
    store = open_store(registry, tmp_path)
    store.refresh()
    assert f"version 2 cannot be served: {shown}" in (store.states["covertype"].problem or "")
    assert message.replace("me:p@ss@", "") in caplog.text


@pytest.mark.parametrize("answer", [None, 5])
def test_registry_that_answers_nonsense_is_an_outage(registry: MemoryRegistry, tmp_path: Path, answer: Any) -> None:
    store = open_store(registry, tmp_path)
    store.refresh()
    registry.model_tags = lambda: answer  # type: ignore[method-assign]
    registry.versions = lambda _: answer  # type: ignore[method-assign,assignment]
    store.refresh()
    assert served(store) == 1
    assert store.registry.problem is not None


def test_restart_during_an_outage_serves_from_the_cache(registry: MemoryRegistry, tmp_path: Path) -> None:
    open_store(registry, tmp_path).refresh()
    registry.down = True
    store = open_store(registry, tmp_path)
    store.start()
    try:
        wait_until(lambda: all(served(store, name) == 1 for name in ("covertype", "penguins", "house_prices")))
        wait_until(lambda: "does not answer" in (store.registry.problem or ""))
        assert [version.version for version in store.states["covertype"].versions] == [1]
        registry.down = False
        wait_until(lambda: store.registry.problem is None and store.states["covertype"].confirmed)
    finally:
        store.stop()


def test_registry_that_cannot_even_be_opened(tmp_path: Path) -> None:
    def refuse() -> MemoryRegistry:
        raise RegistryError("no such scheme")

    store = ModelStore(refuse, ModelCache(tmp_path), ServiceMetrics(), poll_seconds=1, default="covertype")
    store.refresh()
    assert store.registry.problem == "no such scheme"
    with pytest.raises(Refusal, match="cannot be read since") as refused:
        store.find("covertype")
    assert refused.value.status == 503
    assert "Retry-After" in refused.value.headers


def test_cache_that_cannot_be_read_does_not_end_the_following(
    registry: MemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> None:
        raise FileNotFoundError("another worker was quicker")

    monkeypatch.setattr(ModelCache, "recall", refuse)
    store = open_store(registry, tmp_path)
    store.start()
    try:
        wait_until(lambda: served(store) == 1)
    finally:
        store.stop()


def test_cached_model_of_another_registry_is_dropped(registry: MemoryRegistry, tmp_path: Path) -> None:
    open_store(registry, tmp_path).refresh()
    store = open_store(MemoryRegistry(), tmp_path)
    store.load_cached()
    assert served(store) == 1
    store.refresh()
    assert served(store) is None


def test_champion_that_loses_its_alias_is_served_on(registry: MemoryRegistry, tmp_path: Path) -> None:
    store = open_store(registry, tmp_path)
    store.refresh()
    registry.promote("covertype", None)
    store.refresh()
    assert served(store) == 1
    assert store.states["covertype"].status == "stale"


def test_same_version_number_of_another_run_is_another_model(
    registry: MemoryRegistry, bundles: dict[str, Path], tmp_path: Path
) -> None:
    store = open_store(registry, tmp_path)
    store.refresh()
    before = store.find("covertype")
    fresh = MemoryRegistry()
    fresh.add("covertype", bundles["covertype-2"])
    fresh.known["covertype"] = [fresh.known["covertype"][0].model_copy(update={"run_id": "other"})]
    fresh.bundles["other"] = bundles["covertype-2"]
    registry.known, registry.bundles = fresh.known, fresh.bundles
    store.refresh()
    assert served(store) == 1
    assert store.find("covertype") is not before


def test_cache_folder_that_cannot_be_written_is_reported(registry: MemoryRegistry, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder", encoding="utf-8")
    store = open_store(registry, tmp_path)
    store.refresh()
    assert "cache" in (store.states["covertype"].problem or "")


def test_modules_that_an_outage_brought_are_kept_from_the_garbage_collector(
    registry: MemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow is imported to find that the registry is down; walking it delays requests by 80 ms."""
    registry.down = True
    store = open_store(registry, tmp_path)
    monkeypatch.setattr(store, "refresh", lambda: sys.modules.setdefault("a_module_of_mlflow", sys))
    try:
        store.start()
        wait_until(gc.get_freeze_count)
    finally:
        store.stop()
        sys.modules.pop("a_module_of_mlflow", None)
        gc.unfreeze()


def test_models_that_went_are_left_to_the_garbage_collector(
    registry: MemoryRegistry, bundles: dict[str, Path], tmp_path: Path
) -> None:
    store = open_store(registry, tmp_path)
    store.refresh()
    store.settle()
    try:
        frozen = gc.get_freeze_count()
        assert frozen > 0
        first = weakref.ref(store.find("covertype"))
        registry.add("covertype", bundles["covertype-2"])
        store.refresh()
        store.settle()
        assert served(store) == 2
        assert gc.get_freeze_count() <= frozen
        assert first() is None
    finally:
        gc.unfreeze()
