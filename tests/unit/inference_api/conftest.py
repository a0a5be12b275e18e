"""Tiny real bundles, a registry in memory, and an application over both."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from inference_api.app import create_app
from inference_api.model_store import ModelStore
from inference_api.version_pool import VersionPool
from pipeline.bundle import bundle_digest
from pipeline.errors import RegistryError
from pipeline.model_version import VersionInfo
from pipeline.settings import InferenceApiSettings
from pipeline.traffic import TRAFFIC_TAG, TrafficRule
from pipeline.use_case import UseCase
from tests.bundles import make_bundle

API_KEY = "a-key-for-tests"


@dataclass
class MemoryRegistry:
    """The registry's methods over bundles in folders; can be told to fail."""

    bundles: dict[str, Path] = field(default_factory=dict)
    models: dict[str, Path] = field(default_factory=dict)
    known: dict[str, list[VersionInfo]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    down: bool = False
    downloads: int = 0
    # Not set: it takes questions, and answers none.
    answering: threading.Event = field(default_factory=threading.Event)

    # Downloads that hang until they are let go, by run.
    held: dict[str, threading.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answering.set()

    def hold_download(self, run_id: str) -> threading.Event:
        """Have the bundle of a run hang in storage; returns what lets it arrive."""
        return self.held.setdefault(run_id, threading.Event())

    def model_tags(self) -> dict[str, dict[str, str]]:
        self._check()
        return {name: self.tags.get(name, {}) for name in self.known}

    def set_traffic(self, name: str, rule: TrafficRule) -> None:
        self._check()
        self.tags[name] = {TRAFFIC_TAG: rule.model_dump_json()}

    def versions(self, name: str) -> list[VersionInfo]:
        self._check()
        return sorted(self.known.get(name, []), key=lambda version: -version.version)

    def has_bundle(self, version: VersionInfo) -> bool:
        self._check()
        return version.run_id not in self.models

    def download_model(self, version: VersionInfo, folder: Path) -> Path:
        self._check()
        self.downloads += 1
        shutil.copytree(self.models[version.run_id], folder)
        return folder

    def download_bundle(self, version: VersionInfo, folder: Path) -> Path:
        self._check()
        self.downloads += 1
        if version.run_id in self.held:
            self.held[version.run_id].wait(60)
        if version.run_id not in self.bundles:
            raise RegistryError(f"version {version.version} of {version.name} has no serving bundle")
        shutil.copytree(self.bundles[version.run_id], folder)
        return folder

    def add(self, name: str, bundle: Path | None, *, champion: bool = True) -> int:
        """Register a version, as champion unless told otherwise; returns its number."""
        versions = self.known.setdefault(name, [])
        run_id = f"{name}-{len(versions) + 1}"
        tags = {}
        if bundle is not None:
            self.bundles[run_id] = bundle
            tags["serving_digest"] = bundle_digest(bundle)
        versions.append(
            VersionInfo(
                name=name,
                version=len(versions) + 1,
                run_id=run_id,
                tags=tags,
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
        )
        if champion:
            self.promote(name, len(versions))
        return len(versions)

    def add_plain(self, name: str, model: Path) -> int:
        """Register the folder of an MLflow model without a serving bundle, as champion; returns its number."""
        version = self.add(name, None)
        self.models[self.known[name][-1].run_id] = model
        return version

    def promote(self, name: str, version: int | None) -> None:
        self.known[name] = [
            info.model_copy(update={"aliases": ["champion"] if info.version == version else []})
            for info in self.known[name]
        ]

    def challenge(self, name: str, version: int | None) -> None:
        """Give a version the alias challenger, and no other one."""
        self.known[name] = [
            info.model_copy(
                update={
                    "aliases": [alias for alias in info.aliases if alias != "challenger"]
                    + (["challenger"] if info.version == version else [])
                }
            )
            for info in self.known[name]
        ]

    def _check(self) -> None:
        self.answering.wait()
        if self.down:
            raise RegistryError("the MLflow server at http://localhost:1 does not answer")


def follow_until(store: ModelStore, condition: Callable[[], bool]) -> None:
    """Poll the registry until something has come about."""
    waiting = threading.Event()
    for _ in range(1000):
        store.refresh()
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError("did not come about in 20 s")


@pytest.fixture(scope="session")
def bundles(
    covertype: UseCase, penguins: UseCase, house_prices: UseCase, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """One bundle a use case, and a second one of covertype."""
    root = tmp_path_factory.mktemp("bundles")
    made = {
        use_case.name: make_bundle(use_case, root / use_case.name) for use_case in (covertype, penguins, house_prices)
    }
    return made | {"covertype-2": make_bundle(covertype, root / "covertype-2", seed=1, run_id="run-2")}


@pytest.fixture
def registry(bundles: dict[str, Path]) -> MemoryRegistry:
    """Three models in production, and one that has only been registered."""
    registry = MemoryRegistry()
    for name in ("covertype", "penguins", "house_prices"):
        registry.add(name, bundles[name])
    registry.add("newcomer", bundles["penguins"], champion=False)
    return registry


@dataclass
class Service:
    """A running application: its client, and what it was given."""

    client: TestClient
    store: ModelStore
    registry: MemoryRegistry
    logged: list[dict[str, Any]]
    pool: VersionPool
    cache_dir: Path


MakeService = Callable[..., Service]


def _read(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the prediction log as it is read back."""
    return row | {"features": json.loads(row["features"])}


@pytest.fixture
def make_service(registry: MemoryRegistry, tmp_path: Path) -> Iterator[MakeService]:
    """Start applications over the registry; settings may be overridden by keyword."""
    clients: list[TestClient] = []

    def make(*, wait: bool = True, registry: MemoryRegistry = registry, **overrides: Any) -> Service:
        logged: list[dict[str, Any]] = []
        # A poll that never comes: tests refresh by themselves.
        defaults: dict[str, Any] = {
            "model_cache_dir": tmp_path / "cache",
            "model_poll_seconds": 3600,
            "api_key": API_KEY,
        }
        collaborators = {
            "prediction_writer": overrides.pop(
                "prediction_writer", lambda: lambda rows: logged.extend(map(_read, rows))
            ),
            "roll_back": overrides.pop("roll_back", None),
            "records": overrides.pop("records", None),
        }
        settings = InferenceApiSettings(**(defaults | overrides))
        app = create_app(settings, registry=lambda: registry, **collaborators)
        client = TestClient(app)
        client.__enter__()
        clients.append(client)
        store: ModelStore = app.state.store
        if wait:
            store.refresh()
        return Service(client, store, registry, logged, app.state.pool, settings.model_cache_dir)

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def service(make_service: MakeService) -> Service:
    """An application that serves the three use cases."""
    return make_service()
