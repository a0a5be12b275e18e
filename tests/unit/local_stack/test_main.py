"""The verbs of the local stack that need no service."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from local_stack.__main__ import main


def test_mlops_without_a_stack_says_what_to_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mlops", "--folder", str(tmp_path), "status"]) == 2
    assert "start `make local` first" in capsys.readouterr().err


def test_mlops_sees_the_warehouse_of_the_stack(tmp_path: Path) -> None:
    (tmp_path / "services.json").write_text("[]", encoding="utf-8")

    assert main(["mlops", "--folder", str(tmp_path), "init"]) == 0

    assert (tmp_path / "warehouse.db").is_file()
    assert (tmp_path / "lake").is_dir()


def test_notebook_without_a_stack_says_what_to_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notebook", "--folder", str(tmp_path)]) == 2
    assert "start `make local` first" in capsys.readouterr().err


def test_notebook_opens_the_folder_of_notebooks_with_the_settings_of_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "services.json").write_text("[]", encoding="utf-8")
    called: dict[str, Any] = {}

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        called.update(options, command=command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    assert main(["notebook", "--folder", str(tmp_path)]) == 0
    assert called["command"][1:4] == ["-m", "jupyter", "lab"]
    assert (Path(called["command"][4]) / "penguins_experiments.ipynb").is_file()
    assert called["env"]["WAREHOUSE_URL"] == f"sqlite:///{tmp_path}/warehouse.db"


def test_mlops_hands_its_exit_code_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "services.json").write_text("[]", encoding="utf-8")

    assert main(["mlops", "--folder", str(tmp_path), "status", "wines"]) == 1

    assert "there is no use case 'wines'" in capfd.readouterr().err
