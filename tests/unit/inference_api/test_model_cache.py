"""The cache gives back undamaged bundles only, and does not grow."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from inference_api.model_cache import ModelCache, ServedRecord, writable_folder
from pipeline.bundle import BundleError, bundle_digest

from .conftest import MemoryRegistry


def remember(cache: ModelCache, registry: MemoryRegistry, version: int) -> Path:
    info = next(info for info in registry.versions("covertype") if info.version == version)
    folder, digest = cache.fetch(registry, info)
    cache.remember(ServedRecord(champion=info, digest=digest, versions=registry.versions("covertype")))
    return folder


def test_remembered_model_is_recalled(registry: MemoryRegistry, tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    folder = remember(cache, registry, 1)
    [(record, found)] = ModelCache(tmp_path).recall()
    assert found == folder
    assert record.champion.version == 1


@pytest.mark.parametrize("name", ["model.onnx", "bundle.json"])
def test_damaged_bundle_is_not_recalled_but_downloaded_again(
    registry: MemoryRegistry, tmp_path: Path, name: str
) -> None:
    cache = ModelCache(tmp_path)
    folder = remember(cache, registry, 1)
    good = bundle_digest(folder)
    (folder / name).write_bytes(b"damaged")
    assert cache.recall() == []
    assert bundle_digest(remember(cache, registry, 1)) == good
    assert len(cache.recall()) == 1


def test_damaged_record_is_ignored(registry: MemoryRegistry, tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    remember(cache, registry, 1)
    (tmp_path / "covertype" / "served.json").write_text("{", encoding="utf-8")
    assert cache.recall() == []


def test_bundle_other_than_the_registered_one_is_refused(
    registry: MemoryRegistry, bundles: dict[str, Path], tmp_path: Path
) -> None:
    registry.bundles["covertype-1"] = bundles["penguins"]
    with pytest.raises(BundleError, match="damaged"):
        remember(ModelCache(tmp_path), registry, 1)
    assert not any(path.is_dir() for path in (tmp_path / "covertype").iterdir())


def test_only_the_current_and_the_previous_bundle_are_kept(
    registry: MemoryRegistry, bundles: dict[str, Path], tmp_path: Path
) -> None:
    cache = ModelCache(tmp_path)
    for version in range(1, 5):
        remember(cache, registry, version)
        registry.add("covertype", bundles["covertype"])
    names = sorted(path.name.split("-")[0] for path in (tmp_path / "covertype").iterdir() if path.is_dir())
    assert names == ["3", "4"]


def test_download_that_a_killed_process_left_is_removed(registry: MemoryRegistry, tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    remember(cache, registry, 1)
    left, fresh = (tmp_path / "covertype" / f".download-{name}" for name in ("left", "fresh"))
    left.mkdir()
    os.utime(left, (0, 0))
    fresh.mkdir()
    assert len(cache.recall()) == 1
    assert (left.exists(), fresh.exists()) == (False, True)


def test_another_worker_may_put_the_same_bundle_in_place_a_moment_earlier(
    registry: MemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, rename = ModelCache(tmp_path), Path.replace

    def late(self: Path, target: Path) -> Path:
        if self.name == "model":
            shutil.copytree(self, target)
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", late)
    folder = remember(cache, registry, 1)
    [(_, found)] = cache.recall()
    assert found == folder


def test_another_worker_may_drop_the_same_bundles(
    registry: MemoryRegistry, bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, stat = ModelCache(tmp_path, keep=1), Path.stat
    for _ in range(2):
        registry.add("covertype", bundles["covertype"])
    old = remember(cache, registry, 1)
    remember(cache, registry, 2)

    def gone(self: Path, **options: Any) -> os.stat_result:
        # Listed, and dropped by the other one before it is looked at.
        if self == old and sys._getframe(1).f_code.co_name != "is_dir":
            shutil.rmtree(self, ignore_errors=True)
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", gone)
    assert remember(cache, registry, 3).is_dir()


@pytest.mark.parametrize(
    "change", [{"name": ".."}, {"name": "../penguins"}, {"name": ""}, {"run_id": "../../elsewhere"}]
)
def test_registry_cannot_name_a_place_outside_the_cache(
    registry: MemoryRegistry, tmp_path: Path, change: dict[str, str]
) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    version = registry.versions("covertype")[0].model_copy(update=change)
    with pytest.raises(BundleError, match="no folder can be named after"):
        ModelCache(tmp_path / "cache").fetch(registry, version)
    assert beside.is_dir()


def test_download_that_another_worker_finishes_meanwhile_is_no_trouble(
    registry: MemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ModelCache(tmp_path)
    remember(cache, registry, 1)
    glob = Path.glob
    gone = tmp_path / "covertype" / ".download-gone"
    monkeypatch.setattr(Path, "glob", lambda self, p: [gone] if "download" in p else glob(self, p))
    assert len(cache.recall()) == 1


def test_folder_that_cannot_be_written_is_replaced_by_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    assert writable_folder(tmp_path / "cache") == tmp_path / "cache"
    instead = writable_folder(file)
    assert instead.is_dir()
    assert "MODEL_CACHE_DIR cannot be used" in caplog.text
    instead.rmdir()
