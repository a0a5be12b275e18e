"""Structure of the DAGs, and what becomes of a task when `pipeline` raises."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import AssetAll
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

import wiring
from pipeline import collection, errors, retraining
from pipeline.use_case import UseCase
from wiring import rows_asset

NAMES = ["covertype", "house_prices", "penguins"]
COLLECT = ["poll", "validate", "store"]
TRAIN = ["decide", "snapshot", "search", "evaluate", "register", "compare", "promote", "verify_serving"]


@pytest.fixture(scope="module")
def dags() -> Mapping[str, Any]:
    bag = DagBag(collect_dags=False)
    bag.collect_dags()
    assert bag.import_errors == {}
    return bag.dags


@pytest.fixture
def call(dags: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run the function of a task as Airflow would, with collaborators that nothing may touch."""
    for name in ("open_source", "open_data_lake", "open_data_warehouse", "open_registry"):
        for module in {dag.get_task(dag.task_ids[0]).python_callable.__module__ for dag in dags.values()}:
            monkeypatch.setattr(f"{module}.{name}", lambda: None, raising=False)

    def run(dag_id: str, task_id: str, *arguments: Any, **keywords: Any) -> Any:
        return dags[dag_id].get_task(task_id).python_callable(*arguments, **keywords)

    return run


def raising(error: Exception) -> Callable[..., Any]:
    def function(*_: Any, **__: Any) -> Any:
        raise error

    return function


def returning(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


def test_every_use_case_has_both_dags(dags: Mapping[str, Any]) -> None:
    own = [name for name in dags if name != "prune_predictions"]
    assert sorted(own) == sorted([f"collect_{name}" for name in NAMES] + [f"train_{name}" for name in NAMES])


@pytest.mark.parametrize("name", NAMES)
def test_a_poll_is_one_short_run_that_never_overlaps_another(dags: Mapping[str, Any], name: str) -> None:
    dag = dags[f"collect_{name}"]
    assert [task.task_id for task in dag.topological_sort()] == COLLECT
    assert dag.schedule == timedelta(seconds=300)
    assert dag.max_active_runs == 1
    assert not dag.catchup


@pytest.mark.parametrize("name", NAMES)
def test_training_waits_for_new_rows_of_its_own_use_case(dags: Mapping[str, Any], name: str) -> None:
    dag = dags[f"train_{name}"]
    assert [task.task_id for task in dag.topological_sort()] == TRAIN
    assert dag.schedule.asset_condition == AssetAll(rows_asset(SimpleNamespace(name=name)))  # type: ignore[arg-type]
    assert dag.max_active_runs == 1
    assert dag.params["force"] is False


def test_training_looks_once_a_day_and_not_at_the_first_start(dags: Mapping[str, Any]) -> None:
    """So that the champion's age counts, and rows are trained on whose own run failed."""
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dags["train_covertype"]))
    now, restriction = pendulum.now("UTC"), TimeRestriction(earliest=None, latest=None, catchup=False)
    assert stored._time_restriction == restriction
    first = stored.timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    assert now < first.run_after <= now.add(days=1, minutes=1)
    assert first.run_after == first.run_after.start_of("day")
    second = stored.timetable.next_dagrun_info(
        last_automated_data_interval=first.data_interval, restriction=restriction
    )
    assert second.run_after == first.run_after.add(days=1)


def test_old_predictions_are_deleted_every_hour_as_the_settings_say(
    dags: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dag = dags["prune_predictions"]
    assert dag.schedule.expression == "0 * * * *"
    assert dag.max_active_runs == 1
    asked: list[tuple[float, int]] = []

    class Warehouse:
        def prune_served(self, *limits: Any) -> list[str]:
            asked.append(limits)
            return ["penguins: predictions deleted: 3"]

    prune = dag.get_task("prune").python_callable
    monkeypatch.setattr(f"{prune.__module__}.open_data_warehouse", Warehouse)
    monkeypatch.setenv("PREDICTIONS_KEPT_DAYS", "7")
    monkeypatch.setenv("PREDICTIONS_KEPT_ROWS", "1000")
    wiring.load_settings.cache_clear()
    try:
        prune()
    finally:
        monkeypatch.undo()
        wiring.load_settings.cache_clear()
    assert asked == [(7.0, 1000)]
    assert "predictions deleted: 3" in capsys.readouterr().out


def test_tasks_of_different_use_cases_work_on_their_own(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def poll(use_case: UseCase, *_: Any) -> None:
        seen.append(use_case.name)

    monkeypatch.setattr(collection, "poll", poll)
    monkeypatch.setattr(collection, "pending", returning([]))
    for name in NAMES:
        with pytest.raises(AirflowSkipException):
            call(f"collect_{name}", "poll")
    assert seen == NAMES


def test_every_task_retries_with_growing_pauses_and_explains_itself(dags: Mapping[str, Any]) -> None:
    for dag in dags.values():
        assert dag.doc_md
        assert dag.tags
        for task in dag.tasks:
            assert task.retries >= 1
            assert task.retry_exponential_backoff > 1
            assert task.owner == "mlops"


def test_the_default_use_case_goes_first(dags: Mapping[str, Any]) -> None:
    def weight(dag_id: str) -> int:
        return max(task.priority_weight for task in dags[dag_id].tasks)

    assert weight("train_covertype") > weight("collect_penguins")
    assert weight("collect_covertype") > weight("train_covertype")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (errors.SourceExhausted("no more"), AirflowSkipException),
        (errors.CollectionBusy("another poll"), AirflowSkipException),
        (errors.SourceRejected("bad group"), AirflowFailException),
        (errors.ConfigurationError("bad setting"), AirflowFailException),
        (errors.SourceError("502"), errors.SourceError),
        (errors.LakeError("no bucket"), errors.LakeError),
    ],
)
def test_what_a_poll_raises_decides_between_skip_failure_and_retry(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: Exception, outcome: type[Exception]
) -> None:
    monkeypatch.setattr(collection, "poll", raising(error))
    monkeypatch.setattr(collection, "pending", returning([]))
    with pytest.raises(outcome, match=str(error)):
        call("collect_covertype", "poll")


@pytest.mark.parametrize("error", [errors.SourceExhausted, errors.SourceRejected, errors.SourceError])
def test_what_a_crash_left_unstored_is_handed_on_even_by_a_source_that_fails(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    archived = SimpleNamespace(model_dump=returning({"uri": "file:///lake/batch=10"}))
    monkeypatch.setattr(collection, "poll", raising(error("no more")))
    monkeypatch.setattr(collection, "pending", returning([archived]))
    assert call("collect_covertype", "poll") == [{"uri": "file:///lake/batch=10"}]


def test_a_delivery_that_cannot_be_read_fails_only_when_there_is_no_other(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Delivery(SimpleNamespace):
        def model_dump(self, **_: Any) -> dict[str, Any]:
            return {"uri": self.uri}

    def validate_delivery(_use_case: Any, _lake: Any, archived: Any) -> Any:
        if archived.uri == "bad":
            raise errors.LakeError("gone")
        return archived

    monkeypatch.setattr("pipeline.lake.ArchivedDelivery.model_validate", lambda item: Delivery(**item))
    monkeypatch.setattr(collection, "validate_delivery", validate_delivery)
    assert call("collect_covertype", "validate", [{"uri": "bad"}, {"uri": "good"}]) == [{"uri": "good"}]
    with pytest.raises(errors.LakeError, match="bad cannot be read: gone"):
        call("collect_covertype", "validate", [{"uri": "bad"}])


class OutletEvents(dict[Any, Any]):
    """Stands in for Airflow's, and remembers what was announced."""

    def __init__(self) -> None:
        self.announced: list[str] = []

    def __missing__(self, alias: Any) -> Any:
        return SimpleNamespace(add=lambda asset, extra: self.announced.append(f"{asset.name} {extra}"))


@pytest.mark.parametrize(
    ("accepted", "announced"), [(12, ["rows_covertype {'accepted': 12, 'batches': [3]}"]), (0, [])]
)
def test_only_new_rows_start_a_training(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, accepted: int, announced: list[str]
) -> None:
    entry = SimpleNamespace(accepted=accepted, batch_number=3, model_dump=returning({}))
    monkeypatch.setattr(collection, "store_delivery", returning(entry))
    monkeypatch.setattr(collection.ProcessedDelivery, "model_validate", returning(None))
    events = OutletEvents()
    for _ in range(2):  # a repeated store announces again: the first try may have died before it could
        call("collect_covertype", "store", [{}], outlet_events=events)
    assert events.announced == announced * 2


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (errors.TrainingError("one class only"), AirflowFailException),
        (errors.ArtifactsGone("no model.onnx"), AirflowFailException),
        (errors.ServingError("wrong answer"), AirflowFailException),
        (errors.RegistryError("unreachable"), errors.RegistryError),
        (errors.WarehouseError("locked"), errors.WarehouseError),
    ],
)
def test_training_errors_that_a_retry_cannot_help_fail_at_once(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: Exception, outcome: type[Exception]
) -> None:
    monkeypatch.setattr(retraining, "snapshot", raising(error))
    with pytest.raises(outcome, match=str(error)):
        call("train_covertype", "snapshot")


def test_a_use_case_with_a_mistake_says_where(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wrong.yaml").write_text("name: wrong\n")
    settings = SimpleNamespace(use_cases_dir=tmp_path)
    monkeypatch.setattr(wiring, "load_settings", returning(settings))
    with pytest.raises(errors.ConfigurationError, match=r"wrong\.yaml"):
        wiring.use_cases()
