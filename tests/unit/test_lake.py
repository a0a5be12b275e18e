"""The lake in a folder: whole objects, safe keys, clear errors."""

import errno
import os
from pathlib import Path

import pytest

from pipeline.errors import LakeError
from pipeline.lake import FileLake, open_lake
from pipeline.settings import PipelineSettings


@pytest.fixture
def lake(tmp_path: Path) -> FileLake:
    lake = FileLake(tmp_path / "lake")
    lake.create()
    return lake


def test_objects_are_found_by_key_and_by_uri(lake: FileLake) -> None:
    uri = lake.put("raw/a/b=1/x.json", b"content")

    assert lake.get(uri) == lake.get("raw/a/b=1/x.json") == b"content"
    assert lake.exists("raw/a/b=1/x.json")
    assert not lake.exists("raw/a/b=1")
    assert not lake.exists("raw/a/b=1/x.json/deeper")
    assert lake.key(uri) == "raw/a/b=1/x.json"


def test_a_prefix_need_not_end_at_a_folder(lake: FileLake) -> None:
    for key in ("raw/a1/x", "raw/a2/y", "raw/b/z", "other"):
        lake.put(key, b"")

    assert lake.list("raw/a") == ["raw/a1/x", "raw/a2/y"]
    assert lake.list("") == ["other", "raw/a1/x", "raw/a2/y", "raw/b/z"]
    assert lake.list("absent/") == []


def test_a_write_that_fails_leaves_nothing(lake: FileLake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.put("a/x", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LakeError, match="the disk is full"):
        lake.put("a/x", b"new")

    assert lake.get("a/x") == b"old"
    assert [path.name for path in (lake.folder / "a").iterdir()] == ["x"]


def test_a_half_written_file_of_a_dead_process_is_not_listed(lake: FileLake) -> None:
    lake.put("a/x", b"")
    (lake.folder / "a" / ".writing-abc").write_bytes(b"half")

    assert lake.list("a/") == ["a/x"]


@pytest.mark.parametrize("key", ["", "/etc/passwd", "a/../../b", "a//b", "a/", "./a"])
def test_a_key_cannot_leave_the_lake(lake: FileLake, key: str) -> None:
    with pytest.raises(LakeError, match="is not a key"):
        lake.put(key, b"")


def test_what_is_missing_is_named(lake: FileLake, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"there is no object .*raw/x"):
        lake.get("raw/x")
    with pytest.raises(LakeError, match="is not in the lake"):
        lake.get("s3://elsewhere/raw/x")
    with pytest.raises(LakeError, match="run `mlops init`"):
        FileLake(tmp_path / "absent").put("x", b"")
    with pytest.raises(LakeError, match="run `mlops init`"):
        FileLake(tmp_path / "absent").list("")


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LakeError, match="check LAKE_URL"):
        FileLake(tmp_path / "file" / "lake").create()


def test_the_setting_names_the_lake(tmp_path: Path) -> None:
    assert open_lake(PipelineSettings(lake_url=f"file://{tmp_path}/x")).uri("k") == f"file://{tmp_path}/x/k"
    bucket = PipelineSettings(lake_url="s3://bucket/some/prefix/", aws_endpoint_url_s3="http://127.0.0.1:1")
    assert open_lake(bucket).uri("k") == "s3://bucket/some/prefix/k"
    with pytest.raises(LakeError, match="names no bucket"):
        open_lake(PipelineSettings(lake_url="s3:///x"))
    with pytest.raises(LakeError, match="check AWS_ENDPOINT_URL_S3"):
        open_lake(PipelineSettings(lake_url="s3://bucket", aws_endpoint_url_s3="not a url"))
