"""All volumes of the stack in one archive, and back."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.docker_scripts import load_script

VOLUMES = ("mysql_data", "minio_data", "postgres_data", "source_data")


@pytest.fixture(scope="module")
def backup() -> ModuleType:
    return load_script("backup")


def volumes(folder: Path) -> Path:
    for name in VOLUMES:
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture
def full(tmp_path: Path) -> Path:
    folder = volumes(tmp_path / "full")
    for name in VOLUMES[:3]:
        (folder / name / "deep").mkdir(mode=0o700)
        (folder / name / "deep" / "table.ibd").write_bytes(name.encode() * 50_000)
        (folder / name / "link").symlink_to("deep/table.ibd")
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return volumes(tmp_path / "empty")


def saved(backup: ModuleType, folder: Path) -> bytes:
    output = io.BytesIO()
    backup.save(folder, output)
    return output.getvalue()


def test_what_was_saved_is_loaded_again(backup: ModuleType, full: Path, empty: Path) -> None:
    backup.load(empty, io.BytesIO(saved(backup, full)))
    for name in VOLUMES[:3]:
        assert (empty / name / "deep" / "table.ibd").read_bytes() == name.encode() * 50_000
        assert (empty / name / "deep").stat().st_mode & 0o777 == 0o700
        assert (empty / name / "link").is_symlink()
    assert list((empty / "source_data").iterdir()) == []


def test_a_stack_that_runs_is_not_saved(backup: ModuleType, full: Path) -> None:
    (full / "postgres_data" / "17").mkdir()
    (full / "postgres_data" / "17" / "postmaster.pid").write_text("1")
    output = io.BytesIO()
    with pytest.raises(backup.BackupRefused, match=r"docker compose --profile '\*' stop"):
        backup.save(full, output)
    assert output.getvalue() == b""


def test_a_mysql_that_runs_is_not_saved_though_postgresql_has_ended(backup: ModuleType, full: Path) -> None:
    table = full / "mysql_data" / "ibdata1"
    table.write_text("tables")
    hold = "import fcntl, sys; file = open(sys.argv[1], 'r+'); fcntl.lockf(file, fcntl.LOCK_EX); print(); input()"
    output = io.BytesIO()
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(table)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as mysql:
        assert mysql.stdout is not None
        mysql.stdout.readline()
        with pytest.raises(backup.BackupRefused, match=r"docker compose --profile '\*' stop"):
            backup.save(full, output)
        mysql.communicate(b"\n")
    assert output.getvalue() == b""
    assert saved(backup, full)


def test_volumes_without_data_are_no_backup(backup: ModuleType, empty: Path) -> None:
    output = io.BytesIO()
    with pytest.raises(backup.BackupRefused, match="nothing in minio_data, mysql_data, postgres_data"):
        backup.save(empty, output)
    assert output.getvalue() == b""


def test_nothing_is_written_over(backup: ModuleType, full: Path, empty: Path) -> None:
    (empty / "minio_data" / "mine").write_text("kept")
    with pytest.raises(backup.BackupRefused, match=r"data in minio_data: docker compose --profile '\*' down --volumes"):
        backup.load(empty, io.BytesIO(saved(backup, full)))
    assert [path.name for path in empty.glob("*/*")] == ["mine"]


@pytest.mark.parametrize("damage", [lambda text: text[:-20], lambda text: text[: len(text) // 2], lambda _: b"hello"])
def test_a_damaged_archive_is_named_as_such(backup: ModuleType, full: Path, empty: Path, damage: object) -> None:
    assert callable(damage)
    with pytest.raises(backup.BackupRefused, match=r"damaged or cut off.*down --volumes"):
        backup.load(empty, io.BytesIO(damage(saved(backup, full))))


def test_another_archive_is_no_backup(backup: ModuleType, empty: Path) -> None:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w|gz") as archive:
        archive.addfile(tarfile.TarInfo("mysql_data/note"))
    with pytest.raises(backup.BackupRefused, match="without minio_data, postgres_data"):
        backup.load(empty, io.BytesIO(output.getvalue()))


@pytest.mark.parametrize("arguments", [[], ["dump"], ["save", "now"]])
def test_another_verb_is_answered_with_the_usage(backup: ModuleType, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="usage: docker compose run"):
        backup.main(arguments)
