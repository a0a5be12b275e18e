"""Collection and training as the scheduler chains them: real steps, from the first batch until the source is empty."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from pipeline import retraining
from pipeline.settings import PipelineSettings, load_settings
from pipeline.source import EXHAUSTED_DETAIL
from pipeline.use_case import UseCase
from pipeline.warehouse import open_warehouse
from tests.integration.http_server import http_server

BATCHES = 4
ROWS_PER_BATCH = 60


class Source:
    """The batch source: each request hands out the next batch, until none is left."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, path: str, _: bytes) -> tuple[int, dict[str, Any]]:
        group = int(parse_qs(urlsplit(path).query)["group_number"][0])
        if self.given == BATCHES:
            return 400, {"detail": EXHAUSTED_DETAIL}
        self.given += 1
        rows = [penguin(index) for index in range(self.given * 1000, self.given * 1000 + ROWS_PER_BATCH)]
        return 200, {"group_number": group, "batch_number": self.given, "data": rows}


def penguin(index: int) -> list[str]:
    """A bird whose bill tells its species, most of the time; no two are alike."""
    kind = index % 3
    bill = 38 + 5 * kind + (index * 7 % 40) / 10
    species = ["Adelie", "Chinstrap", "Gentoo"][kind]
    return [species, "Biscoe", f"{bill:.1f}", "17.0", str(180 + index % 40), str(3000 + index % 5000), "", "2008"]


class OutletEvents(dict[Any, Any]):
    """Stands in for Airflow's, and remembers what was announced."""

    def __init__(self) -> None:
        self.announced: list[str] = []

    def __missing__(self, alias: Any) -> Any:
        return SimpleNamespace(add=lambda asset, extra: self.announced.append(asset.name))  # noqa: ARG005


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation below `tmp_path`."""
    with http_server(Source()) as url:
        for name, value in {
            "WAREHOUSE_URL": f"sqlite:///{tmp_path / 'warehouse.db'}",
            "LAKE_URL": f"file://{tmp_path / 'lake'}",
            "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
            "SOURCE_URL": url,
            "SEARCH_JOBS": "1",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        (tmp_path / "lake").mkdir()
        load_settings.cache_clear()
        yield
    load_settings.cache_clear()


@pytest.fixture
def small_search(penguins: UseCase) -> UseCase:
    document = penguins.model_dump()
    forest = {"estimator": "random_forest", "parameters": {"n_estimators": [10]}}
    document["training"]["search"] = {"folds": 2, "candidates": [forest]}
    return UseCase.model_validate(document)


def task_of(dag: Any, name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = dag.get_task(name).python_callable
    return function


@pytest.mark.filterwarnings("ignore:The .airflow")  # skops looks at every module that is loaded
@pytest.mark.usefixtures("settings")
def test_each_batch_may_train_until_the_source_is_exhausted_and_then_nothing_fails(
    small_search: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect, train = importlib.import_module("collect"), importlib.import_module("train")
    collecting, training = collect.make_dag(small_search), train.make_dag(small_search)
    served: list[int] = []
    monkeypatch.setattr(train, "get_current_context", lambda: {"params": {"force": False}})
    monkeypatch.setattr(retraining, "verify_serving", lambda *arguments: served.append(arguments[4]))
    warehouse = open_warehouse(load_settings(PipelineSettings))
    warehouse.migrate([small_search])
    states: list[str] = []

    for _ in range(BATCHES + 2):
        try:
            archived = task_of(collecting, "poll")()
        except AirflowSkipException:
            states.append("exhausted")
            continue
        events = OutletEvents()
        task_of(collecting, "store")(task_of(collecting, "validate")(archived), outlet_events=events)
        assert events.announced == ["rows_penguins"]
        states.append(run_training(training))

    assert states == ["trained", "trained", "skipped", "trained", "exhausted", "exhausted"]
    decisions = [item.train for item in reversed(warehouse.decisions("penguins"))]
    assert decisions == [True, True, False, True]
    assert warehouse.row_count(small_search) == BATCHES * ROWS_PER_BATCH
    assert served[0] == 1
    warehouse.close()


def run_training(dag: Any) -> str:
    """Run the tasks as Airflow does: nothing after a decision against, no verification without a promotion."""
    if not task_of(dag, "decide")():
        return "skipped"
    frozen = task_of(dag, "snapshot")()
    run = task_of(dag, "evaluate")(task_of(dag, "search")(frozen))
    version = task_of(dag, "register")(run)
    decision = task_of(dag, "compare")(version)
    if decision["accepted"]:
        task_of(dag, "verify_serving")(task_of(dag, "promote")(version, decision))
    else:
        with pytest.raises(AirflowSkipException, match="the champion stays"):
            task_of(dag, "promote")(version, decision)
    return "trained"
