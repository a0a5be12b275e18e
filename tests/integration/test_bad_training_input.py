"""What cannot make a model, or breaks on the way to one, ends in a clear decision or error; the champion stays."""

import io
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import mlflow
import pandas as pd
import polars as pl
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.dummy import DummyClassifier

from pipeline import retraining
from pipeline.errors import ConfigurationError, RegistryError, TrainingError, WarehouseError
from pipeline.lake import FileLake
from pipeline.mlflow_client import global_tracking_uri
from pipeline.model_audit import audit_models
from pipeline.model_version import VersionInfo
from pipeline.use_case import UseCase
from tests.integration.training_loop import Loop, penguins_as_delivered, searching

ROWS = penguins_as_delivered()
# Positions in a delivered row.
SPECIES, ISLAND, FLIPPER, MASS = 0, 1, 4, 5


@pytest.fixture(scope="module")
def champion_store(penguins: UseCase, mlflow_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A stump, promoted on 200 rows, so that any sound challenger would replace it."""
    folder = tmp_path_factory.mktemp("bad_input") / "store"
    loop = Loop.begin(folder, searching(penguins, n_estimators=10, min_samples_leaf=1), mlflow_tables)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        loop.store(1, ROWS[:200])
        assert loop.retrain(searching(penguins, n_estimators=1, max_depth=1, max_features=1.0)).promoted
    yield loop
    loop.warehouse.close()


@pytest.fixture
def loop(champion_store: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    """The store to change at will; whatever a test does to it, version 1 must be the champion afterwards."""
    champion_store.warehouse.close()
    for name in ("warehouse.db", "mlflow.db"):
        shutil.copy(champion_store.folder / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    copy = Loop(tmp_path, champion_store.use_case)
    shutil.copytree(champion_store.lake.folder, tmp_path / "lake")
    copy.lake = FileLake(tmp_path / "lake")
    yield copy
    copy.warehouse.close()


@pytest.fixture
def _champion_untouched(loop: Loop) -> Iterator[None]:
    yield
    assert loop.champion() == 1
    assert [version.version for version in loop.registry.versions("penguins") if version.stage == "Production"] == [1]


def emptied(loop: Loop) -> Loop:
    """The same registry, and a warehouse without rows."""
    loop.warehouse.close()
    (loop.folder / "warehouse.db").unlink()
    found = Loop(loop.folder, loop.use_case)
    found.lake = loop.lake
    found.warehouse.migrate([loop.use_case])
    return found


def edited(use_case: UseCase, change: Callable[[list[dict[str, Any]]], None]) -> UseCase:
    """The use case with its columns changed, as an edited YAML file gives it."""
    document = use_case.model_dump()
    change(document["columns"])
    return UseCase.model_validate(document)


@pytest.mark.usefixtures("_champion_untouched")
def test_too_few_rows_are_a_decision_even_by_force(loop: Loop) -> None:
    empty = emptied(loop)
    empty.store(1, ROWS[:10])
    result = empty.retrain(forced=True)
    assert not result.training.train
    assert "10 rows are too few to train: 24 are needed" in result.training.reasons[0]
    with pytest.raises(TrainingError, match="collect more batches"):
        retraining.snapshot(empty.use_case, empty.warehouse, empty.lake)


@pytest.mark.usefixtures("_champion_untouched")
def test_one_class_only_is_named(loop: Loop) -> None:
    empty = emptied(loop)
    empty.store(1, [row for row in ROWS if row[SPECIES] == "Gentoo"])
    with pytest.raises(TrainingError, match="training rows have the class 'Gentoo' in 'species'"):
        empty.retrain(forced=True)


def test_constant_and_missing_columns_train_a_model_that_says_so(loop: Loop) -> None:
    empty = emptied(loop)
    rows = [list(row) for row in ROWS]
    for row in rows:
        row[FLIPPER], row[MASS] = "200", ""
    empty.store(1, rows)
    result = empty.retrain(forced=True)
    assert result.version == 2
    assert result.decision is not None
    card = empty.registry.read_text(empty.registry.resolve("penguins", 2), "model_card.md")
    assert card is not None
    assert "It learned nothing from flipper_length_mm, body_mass_g" in card


@pytest.mark.usefixtures("_champion_untouched")
def test_rows_without_a_column_go_to_the_quarantine_and_train_nothing(loop: Loop) -> None:
    loop.store(2, [row[:MASS] + row[MASS + 1 :] for row in ROWS[200:]])
    assert loop.warehouse.ledger("penguins")[-1].accepted == 0
    result = loop.retrain()
    assert result.version is None
    assert "trained on these 200 rows already" in result.training.reasons[0]


def test_a_column_that_models_no_longer_see_leaves_champion_and_challenger_comparable(loop: Loop) -> None:
    """The champion meets it as missing, as it would in a request."""
    narrower = edited(loop.use_case, lambda columns: columns[MASS].update(role="ignored"))
    loop.store(2, [[*row[:MASS], "", *row[MASS + 1 :]] for row in ROWS[200:]], narrower)
    result = loop.retrain(narrower)
    assert result.decision is not None
    assert (result.decision.opponent, result.decision.opponent_version) == ("champion", 1)
    assert result.promoted
    assert loop.champion() == 2


@pytest.mark.usefixtures("_champion_untouched")
def test_a_column_that_comes_empty_is_drift(loop: Loop) -> None:
    # As few as will not train by their share, and as many as say something.
    loop.store(2, [[*row[:MASS], "", *row[MASS + 1 :]] for row in ROWS[200:310]])
    careful = loop.use_case.training.model_copy(update={"retrain_drift_share": 0.1})
    decision = retraining.decide(loop.use_case.model_copy(update={"training": careful}), loop.warehouse, loop.registry)
    assert decision.train
    assert "drift in the 110 rows since champion version 1 was trained: 1 of 7 columns changed" in decision.reasons[0]
    assert "body_mass_g" in decision.reasons[0]


@pytest.mark.usefixtures("_champion_untouched")
def test_a_column_that_the_tables_do_not_know_is_named_with_the_remedy(loop: Loop) -> None:
    shorter = edited(loop.use_case, lambda columns: columns.__delitem__(MASS))
    with pytest.raises(WarehouseError, match=r"rows_penguins .*body_mass_g.*mlops init"):
        loop.retrain(shorter, forced=True)


@pytest.mark.usefixtures("_champion_untouched")
def test_a_new_category_is_quarantined_until_the_use_case_knows_it(loop: Loop) -> None:
    strangers = [[*row[:ISLAND], "Anvers", *row[ISLAND + 1 :]] for row in ROWS[200:]]
    loop.store(2, strangers)
    assert not loop.retrain().training.train
    [first, *_] = loop.warehouse.quarantine("penguins")
    assert first.reasons[0]["field"] == "island"
    assert "'Anvers' is not one of Biscoe, Dream, Torgersen" in first.reasons[0]["reason"]

    wider = edited(loop.use_case, lambda columns: columns[ISLAND]["categories"].update(Anvers="Anvers Island"))
    loop.store(3, strangers, wider)
    taken = retraining.search(
        wider, loop.lake, loop.registry, retraining.snapshot(wider, loop.warehouse, loop.lake), jobs=1
    )
    version = retraining.register(wider, loop.registry, retraining.evaluate(wider, loop.lake, loop.registry, taken))
    decision = retraining.compare(wider, loop.lake, loop.registry, version)
    assert decision["opponent_version"] == 1


@pytest.mark.parametrize("value", ["NaN", "inf", "-inf", "1e999"])
@pytest.mark.usefixtures("_champion_untouched")
def test_what_is_no_finite_number_never_reaches_a_model(loop: Loop, value: str) -> None:
    loop.store(2, [[*row[:MASS], value, *row[MASS + 1 :]] for row in ROWS[200:]])
    stored = loop.warehouse.ledger("penguins")[-1]
    if value == "NaN":  # how tables write a missing value, which the column allows
        assert stored.quarantined == 0
        return
    assert (stored.accepted, stored.quarantined) == (0, len(ROWS) - 200)
    assert "trained on these 200 rows already" in loop.retrain().training.reasons[0]


@pytest.mark.usefixtures("_champion_untouched")
def test_infinity_that_got_into_the_warehouse_is_named(loop: Loop) -> None:
    loop.store(2, ROWS[200:])
    with loop.warehouse.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE rows_penguins SET body_mass_g = 9e999 WHERE row_id = 1")
    with pytest.raises(TrainingError, match="infinite values in body_mass_g"):
        loop.retrain(forced=True)


def test_a_champion_is_not_judged_on_rows_that_it_learnt_from(loop: Loop) -> None:
    """The use case holds out more rows than when the champion was trained, and those it knows by heart."""
    more = loop.use_case.model_copy(
        update={"training": loop.use_case.training.model_copy(update={"holdout_share": 0.5})}
    )
    result = loop.retrain(more, forced=True)
    assert result.decision is not None
    champion, challenger = (loop.registry.resolve("penguins", version) for version in (1, 2))
    assert result.decision.rows == int(champion.tags["holdout_rows"]) < int(challenger.tags["holdout_rows"])
    audit = audit_models(more, loop.lake, loop.warehouse, loop.registry, version=2, refit=False)
    assert audit.problems == []
    assert any("its score: the decision is of " in text for text in audit.versions[0].findings.unproved)


def foreign_champion(loop: Loop, usable: bool = True) -> VersionInfo:
    """A champion that somebody made and registered with MLflow's own tools."""
    features = [column.name for column in loop.use_case.features] if usable else ["wing_span"]
    rows = pd.DataFrame({name: ["a", "b"] for name in features})
    client = loop.registry._client
    experiment = client.get_experiment_by_name("penguins")
    assert experiment is not None
    run_id = client.create_run(experiment.experiment_id).info.run_id
    with global_tracking_uri(loop.registry.tracking_uri), mlflow.start_run(run_id=run_id):
        dummy = DummyClassifier(strategy="constant", constant="Adelie").fit(rows, ["Adelie", "Gentoo"])
        signature = infer_signature(rows) if not usable else None
        uri = mlflow.sklearn.log_model(
            dummy, name="model", signature=signature, pip_requirements=[], serialization_format="cloudpickle"
        ).model_uri
    foreign = loop.registry.register("penguins", run_id, uri, {})
    return loop.registry.promote("penguins", foreign.version)


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'torch'"),
        MlflowException("no such artifact: model.pkl"),
        KeyError("loader"),
    ],
)
def test_a_foreign_champion_that_cannot_be_loaded_stays_and_the_decision_says_why(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def load(_: str) -> None:
        raise error

    foreign = foreign_champion(loop)
    monkeypatch.setattr("mlflow.pyfunc.load_model", load)
    decision = retraining.compare(loop.use_case, loop.lake, loop.registry, 1)
    assert not decision["accepted"]
    assert "was registered by other means and cannot be loaded" in decision["reasons"][0]
    assert loop.champion() == foreign.version


def test_an_mlflow_that_does_not_answer_is_no_word_against_a_foreign_champion(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: str) -> None:
        monkeypatch.setattr(loop.registry._client, "search_model_versions", load)
        raise MlflowException("API request failed with Max retries exceeded")

    foreign_champion(loop)
    monkeypatch.setattr("mlflow.pyfunc.load_model", load)
    with pytest.raises(RegistryError, match="does not answer"):
        retraining.compare(loop.use_case, loop.lake, loop.registry, 1)


@pytest.mark.parametrize("usable", [True, False])
def test_a_champion_that_was_registered_by_other_means_is_judged_if_it_takes_the_rows(loop: Loop, usable: bool) -> None:
    foreign_champion(loop, usable)
    loop.store(2, ROWS[200:])
    result = loop.retrain(forced=True)
    assert result.decision is not None
    if usable:
        assert (result.decision.opponent, result.promoted) == ("champion", True)
        assert result.decision.opponent_score == pytest.approx(0.43, abs=0.1)
    else:
        assert not result.promoted
        assert "registered by other means and does not take these rows" in result.decision.reasons[0]


@pytest.mark.parametrize(
    "call",
    [
        "create_run",
        "log_batch",
        "log_dict",
        "create_model_version",
        "set_registered_model_alias",
        "list_artifacts",
        "download_artifacts",
    ],
)
def test_a_registry_that_fails_half_way_leaves_the_champion_and_can_be_repeated(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    from mlflow import MlflowClient

    def fail(*_: Any, **__: Any) -> Any:
        raise MlflowException("the server is gone")

    loop.store(2, ROWS[200:])
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, call, fail)
        with pytest.raises(RegistryError, match="the server is gone"):
            loop.retrain()
    assert loop.champion() == 1
    assert loop.retrain().promoted
    newest = loop.registry.champion("penguins")
    assert newest is not None
    assert newest.previous_champion == 1


def test_a_promotion_cut_off_between_stage_and_alias_is_completed_by_its_repetition(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop.store(2, ROWS[200:])
    frozen = retraining.snapshot(loop.use_case, loop.warehouse, loop.lake)
    run = retraining.search(loop.use_case, loop.lake, loop.registry, frozen, jobs=1)
    judged = retraining.evaluate(loop.use_case, loop.lake, loop.registry, run)
    version = retraining.register(loop.use_case, loop.registry, judged)
    decision = retraining.compare(loop.use_case, loop.lake, loop.registry, version)

    def fail(*_: Any, **__: Any) -> Any:
        raise MlflowException("the server is gone")

    with monkeypatch.context() as patch:
        patch.setattr(loop.registry._client, "set_registered_model_alias", fail)
        with pytest.raises(RegistryError, match="the server is gone"):
            retraining.promote(loop.use_case, loop.warehouse, loop.registry, version, decision)
    assert loop.champion() == 1
    assert loop.registry.repair("penguins")
    assert loop.registry.resolve("penguins", 1).stage == "Production"
    assert retraining.promote(loop.use_case, loop.warehouse, loop.registry, version, decision)
    assert [item.to_version for item in loop.warehouse.promotion_history("penguins")] == [version, 1]


@pytest.mark.usefixtures("_champion_untouched")
def test_a_snapshot_that_changed_is_refused_by_every_step(loop: Loop) -> None:
    loop.store(2, ROWS[200:])
    frozen = retraining.snapshot(loop.use_case, loop.warehouse, loop.lake)
    run = retraining.search(loop.use_case, loop.lake, loop.registry, frozen, jobs=1)
    version = retraining.register(
        loop.use_case, loop.registry, retraining.evaluate(loop.use_case, loop.lake, loop.registry, run)
    )
    buffer = io.BytesIO()
    frame = pl.read_parquet(io.BytesIO(loop.lake.get(frozen["uri"])))
    frame.with_columns(body_mass_g=pl.col("body_mass_g") + 1).write_parquet(buffer)
    loop.lake.put(loop.lake.key(frozen["uri"]), buffer.getvalue())
    for step in (
        lambda: retraining.search(loop.use_case, loop.lake, loop.registry, frozen, jobs=1),
        lambda: retraining.evaluate(loop.use_case, loop.lake, loop.registry, run),
        lambda: retraining.compare(loop.use_case, loop.lake, loop.registry, version),
    ):
        with pytest.raises(TrainingError, match="was changed after it was taken: take a new one"):
            step()


@pytest.mark.usefixtures("_champion_untouched")
def test_a_search_space_that_an_estimator_refuses_is_a_mistake_of_the_use_case(loop: Loop) -> None:
    loop.store(2, ROWS[200:])
    with pytest.raises(ConfigurationError, match="n_estimators"):
        loop.retrain(searching(loop.use_case, n_estimators=-5))


def test_two_trainings_at_once_promote_one_model(loop: Loop) -> None:
    """As when somebody types `mlops train` while the DAG runs: both beat version 1 before either is promoted."""
    loop.store(2, ROWS[200:])
    frozen = retraining.snapshot(loop.use_case, loop.warehouse, loop.lake)
    compared = {}
    for _ in range(2):
        run = retraining.search(loop.use_case, loop.lake, loop.registry, frozen, jobs=1)
        judged = retraining.evaluate(loop.use_case, loop.lake, loop.registry, run)
        version = retraining.register(loop.use_case, loop.registry, judged)
        compared[version] = retraining.compare(loop.use_case, loop.lake, loop.registry, version)
    assert [decision["accepted"] for decision in compared.values()] == [True, True]
    start = Barrier(2)

    def promote(version: int) -> bool:
        own = Loop(loop.folder, loop.use_case)
        try:
            start.wait(timeout=30)
            return retraining.promote(own.use_case, own.warehouse, own.registry, version, compared[version])
        finally:
            own.warehouse.close()

    with ThreadPoolExecutor(2) as threads:
        promoted = list(threads.map(promote, compared))
    assert sorted(promoted) == [False, True]
    history = loop.warehouse.promotion_history("penguins")
    assert sorted(item.action for item in history) == ["promote", "promote", "reject"]
    newest = next(item for item in history if item.action == "promote")
    assert (newest.from_version, newest.to_version) == (1, loop.champion())
    assert [v.version for v in loop.registry.versions("penguins") if v.stage == "Production"] == [loop.champion()]
