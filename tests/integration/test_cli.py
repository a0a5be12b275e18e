"""The `mlops` command against a source over HTTP, a SQLite warehouse, a lake in a folder and a real MLflow store."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from palmerpenguins import load_penguins

from pipeline.cli import main
from pipeline.settings import PipelineSettings, load_settings
from pipeline.source import EXHAUSTED_DETAIL
from pipeline.warehouse import open_warehouse
from tests.integration.http_server import http_server

PENGUINS = Path(__file__).resolve().parents[2] / "use_cases" / "penguins.yaml"
BATCHES = 4


class Source:
    """The batch source: each request hands out the next batch, until none is left."""

    def __init__(self) -> None:
        table = load_penguins().sample(frac=1, random_state=0).astype(object)
        self.rows = [["" if value != value else str(value) for value in row] for row in table.itertuples(index=False)]
        self.given = 0

    def __call__(self, path: str, _: bytes) -> tuple[int, dict[str, Any]]:
        group = int(parse_qs(urlsplit(path).query)["group_number"][0])
        if self.given == BATCHES:
            return 400, {"detail": EXHAUSTED_DETAIL}
        self.given += 1
        rows = self.rows[self.given - 1 :: BATCHES]
        return 200, {"group_number": group, "batch_number": self.given, "data": rows}


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings of an installation below `tmp_path`, whose only use case is penguins with a search of one candidate."""
    document = yaml.safe_load(PENGUINS.read_text(encoding="utf-8"))
    forest = {"estimator": "random_forest", "parameters": {"n_estimators": [10]}}
    document["training"]["search"] = {"folds": 2, "candidates": [forest]}
    (tmp_path / "use_cases").mkdir()
    (tmp_path / "use_cases" / "penguins.yaml").write_text(yaml.safe_dump(document))
    settings = {
        "USE_CASES_DIR": str(tmp_path / "use_cases"),
        "DEFAULT_USE_CASE": "penguins",
        "WAREHOUSE_URL": f"sqlite:///{tmp_path / 'warehouse.db'}",
        "LAKE_URL": f"file://{tmp_path / 'lake'}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
        "SOURCE_URL": "http://127.0.0.1:9",
        "INFERENCE_API_URL": "http://127.0.0.1:9",
        "SEARCH_JOBS": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    found = Source()
    with http_server(found) as url:
        monkeypatch.setenv("SOURCE_URL", url)
        load_settings.cache_clear()
        yield found


def test_the_whole_loop_by_hand(source: Source, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    assert run("init") == (0, "ready: warehouse and lake for penguins\n", "")
    assert run("init")[0] == 0

    code, out, _ = run("collect")
    assert code == 0
    assert "penguins: batch 1 (epoch 0): 86 rows delivered, 86 accepted, 0 known already, 0 quarantined" in out
    code, out, _ = run("collect", "--all")
    assert code == 0
    assert "has handed out its last batch" in out.splitlines()[-1]
    code, out, _ = run("collect")
    assert code == 0
    assert "has handed out its last batch" in out
    assert source.given == BATCHES

    code, out, err = run("train", "penguins", "--no-verify")
    assert code == 0, err
    assert out.startswith("penguins: version 1 is the champion\n  ")
    assert "s] search: candidate 1/1 random_forest" in err
    code, out, _ = run("train")
    assert (code, out) == (0, "penguins: no training, version 1 was trained on these 344 rows already\n")
    code, out, _ = run("train", "--force", "--no-verify")
    assert code == 0
    assert out.startswith("penguins: version 2 is not promoted\n  accuracy")

    assert run("promote", "--reason", "to see it") == (
        0,
        "penguins: version 2 is the champion (before: version 1)\n",
        "",
    )
    assert run("rollback") == (0, "penguins: version 1 is the champion (before: version 2)\n", "")
    code, out, err = run("rollback")
    assert (code, out) == (1, "")
    assert err.startswith("mlops rollback: version 1 of penguins is its first champion")
    assert run("rollback", "--to", "9")[2].startswith(
        "mlops rollback: model 'penguins' has no version '9'; versions: 1, 2"
    )

    code, out, _ = run("status")
    assert code == 0
    assert out.startswith("penguins: 344 rows; deliveries: 4; quarantined rows: 0; champion: version 1\n")
    assert "to see it" in out
    status = json.loads(run("status", "--json")[1])
    assert status["champion"] == 1
    assert [item["action"] for item in status["promotions"]] == ["rollback", "promote", "reject", "promote"]
    assert [item["train"] for item in status["decisions"]] == [True, False, True]

    assert run("prune") == (0, "no prediction is logged\n", "")
    warehouse = open_warehouse(load_settings(PipelineSettings))
    for days in (0, 1, 100):
        at = datetime.now(UTC) - timedelta(days=days)
        row = {
            "request_id": f"{days}",
            "use_case": "penguins",
            "model_version": 1,
            "features": {},
            "prediction": "Adelie",
        }
        warehouse.log_predictions([row | {"at": at}])
    assert run("prune")[1] == "penguins: predictions deleted: 1; outcomes deleted: 0\n"
    assert run("prune", "--days", "0", "--rows", "1")[1] == "penguins: predictions deleted: 1; outcomes deleted: 0\n"
    assert [row["request_id"] for row in warehouse.predictions("penguins")] == ["0"]
    warehouse.close()

    code, out, _ = run("audit")
    assert code == 0
    assert "344 delivered = 344 accepted + 0 duplicate + 0 quarantined, over 4 deliveries" in out
    assert "penguins version 1 (champion)\n  proved: all 344 rows of its snapshot " in out
    assert out.count("fitted again with the logged parameters it predicts the same, exactly, on ") == 2
    assert "version 1 is the champion, as the last rollback in the history says" in out
    assert out.endswith("every version is accounted for\n")
    code, out, _ = run("audit", "--version", "2", "--no-refit")
    assert code == 0
    assert "penguins version 2\n" in out
    assert "penguins version 1" not in out
    assert "fitted again" not in out
    assert run("audit", "--version", "9")[2].startswith("mlops audit: model 'penguins' has no version '9'")
    next((tmp_path / "lake" / "snapshots").rglob("*.parquet")).write_bytes(b"not a snapshot")
    code, out, err = run("audit", "--no-refit")
    assert code == 1
    assert "violation: version 1: its snapshot: snapshot " in err
    assert out.endswith("2 violations\n")
    next((tmp_path / "lake" / "raw").rglob("*.json")).write_text("{}")
    code, _, err = run("audit")
    assert code == 1
    assert err.startswith("violation: ")


def test_a_command_before_init_says_what_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 1
    assert "run `mlops init`" in capsys.readouterr().err


def test_an_unknown_use_case_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", "mammoths"]) == 1
    assert "there is no use case 'mammoths'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "init"])
def test_a_parameter_no_estimator_has_is_refused_before_anything_is_made(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "use_cases" / "penguins.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["training"]["search"]["candidates"] = [{"estimator": "linear", "parameters": {"alpha": [1]}}]
    path.write_text(yaml.safe_dump(document))
    assert main([command]) == 1
    error = capsys.readouterr().err
    assert "use case penguins: training.search: linear (LogisticRegression) has no parameter alpha; it has C," in error
    assert not (tmp_path / "warehouse.db").exists()


def test_check_refuses_other_columns_than_those_of_stored_rows(
    source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--stored"]) == 0  # an empty warehouse refuses nothing
    assert main(["init"]) == main(["collect"]) == main(["check", "--stored"]) == 0
    assert source.given == 1
    path = tmp_path / "use_cases" / "penguins.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("name: year", "name: season"), encoding="utf-8")
    assert main(["check"]) == 0
    assert main(["check", "--stored"]) == 1
    assert "table rows_penguins holds 86 rows and lacks season" in capsys.readouterr().err


def test_a_default_use_case_that_was_retired_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEFAULT_USE_CASE", "mammoths")
    load_settings.cache_clear()
    assert main(["check"]) == 1
    assert "DEFAULT_USE_CASE: there is no use case 'mammoths'" in (error := capsys.readouterr().err)
    assert "known: penguins" in error
    assert main(["init"]) == 1
    assert not (tmp_path / "warehouse.db").exists()


def test_check_touches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "fit for use: penguins\n"
    assert [path.name for path in tmp_path.iterdir()] == ["use_cases"]


def test_a_source_that_is_down_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert main(["collect"]) == 1
    assert "http://127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["rollback", "--to", "0"],
        ["rollback", "--to", "best"],
        ["train", "--jobs", "x"],
        ["prune", "--days", "-1"],
    ],
)
def test_a_mistake_on_the_command_line_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    # The names of our functions mean nothing to who typed it.
    assert "invalid _" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["check", "init", "collect", "train", "promote", "rollback", "prune", "status", "audit"]
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    assert f"usage: mlops {command}" in capsys.readouterr().out


def test_ctrl_c_is_not_a_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.warehouse.core.Warehouse.ledger", interrupted)
    assert main(["status"]) == 130
    assert "interrupted" in capsys.readouterr().err
