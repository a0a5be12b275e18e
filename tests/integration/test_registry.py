"""The registry against a real MLflow store."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pipeline.bundle import BUNDLE_FILE, MODEL_FILE, bundle_digest
from pipeline.errors import RegistryError
from pipeline.model_version import VersionInfo
from pipeline.registry import Registry

NAME = "penguins"


@pytest.fixture
def uri(mlflow_tables: Path, tmp_path: Path) -> str:
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def registry(uri: str) -> Registry:
    return Registry(uri)


@pytest.fixture
def client(uri: str, tmp_path: Path) -> MlflowClient:
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_experiment(NAME, artifact_location=(tmp_path / "artifacts").as_uri())
    return client


def register(registry: Registry, client: MlflowClient, tmp_path: Path, **tags: str) -> VersionInfo:
    """Register a run whose bundle holds nothing but its own name."""
    experiment = client.get_experiment_by_name(NAME)
    assert experiment is not None
    run = client.create_run(experiment.experiment_id)
    folder = tmp_path / run.info.run_id / "serving"
    folder.mkdir(parents=True)
    (folder / BUNDLE_FILE).write_text(f'{{"run_id": "{run.info.run_id}"}}')
    (folder / MODEL_FILE).write_bytes(b"onnx of " + run.info.run_id.encode())
    client.log_artifacts(run.info.run_id, str(folder), "serving")
    tags = {"serving_digest": bundle_digest(folder)} | tags
    return registry.register(NAME, run.info.run_id, f"runs:/{run.info.run_id}/model", tags, {"accuracy": 0.9})


@pytest.fixture
def three(registry: Registry, client: MlflowClient, tmp_path: Path) -> list[VersionInfo]:
    return [register(registry, client, tmp_path) for _ in range(3)]


def in_production(registry: Registry) -> list[int]:
    return [version.version for version in registry.versions(NAME) if version.stage == "Production"]


def champion(registry: Registry) -> int | None:
    found = registry.champion(NAME)
    return None if found is None else found.version


class Crash(BaseException):
    """The process dies here."""


def crash_at(registry: Registry, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def die(*_args: Any, **_kwargs: Any) -> None:
        raise Crash

    monkeypatch.setattr(registry._client, method, die)


def test_a_registered_version_is_the_challenger_and_shows_its_metrics(three: list[VersionInfo]) -> None:
    assert [version.version for version in three] == [1, 2, 3]
    assert three[-1].aliases == ["challenger"]
    assert three[-1].metrics == {"accuracy": 0.9}


@pytest.mark.parametrize("text", ["accuracy: 0.9", "[0.9]", "0.9", '{"accuracy": "good"}', '{"accuracy": null}'])
def test_a_foreign_tag_of_metrics_is_no_metrics(
    registry: Registry, client: MlflowClient, three: list[VersionInfo], text: str
) -> None:
    client.set_model_version_tag(NAME, "2", "metrics", text)
    assert [version.metrics for version in registry.versions(NAME)] == [three[2].metrics, {}, three[0].metrics]


@pytest.mark.parametrize(("name", "versions"), [("it's", 1), ('a "b"', 1), ("""it's "b\"""", 0), ("x' OR name='y", 1)])
def test_a_foreign_name_with_quotes_can_be_listed(
    registry: Registry, client: MlflowClient, three: list[VersionInfo], name: str, versions: int
) -> None:
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{three[0].run_id}/model", three[0].run_id)
    assert [version.name for version in registry.versions(name)] == [name] * versions


def test_registering_a_run_twice_gives_one_version(registry: Registry, three: list[VersionInfo]) -> None:
    again = registry.register(NAME, three[1].run_id, f"runs:/{three[1].run_id}/model", {})
    assert again.version == 2
    assert len(registry.versions(NAME)) == 3


@pytest.mark.usefixtures("three")
def test_there_is_no_champion_before_a_promotion(registry: Registry) -> None:
    assert registry.champion("unheard_of") is None
    assert registry.champion(NAME) is None
    assert registry.previous_champion(NAME) is None


@pytest.mark.usefixtures("three")
def test_promotion_moves_alias_and_stage_together(registry: Registry) -> None:
    registry.promote(NAME, 1)
    promoted = registry.promote(NAME, 3)
    assert promoted.aliases == ["champion"]
    assert champion(registry) == 3
    assert in_production(registry) == [3]
    previous = registry.previous_champion(NAME)
    assert previous is not None
    assert previous.version == 1
    assert previous.stage == "Archived"


@pytest.mark.usefixtures("three")
def test_promoting_the_champion_again_changes_nothing(registry: Registry) -> None:
    registry.promote(NAME, 1)
    registry.promote(NAME, 2)
    before = registry.versions(NAME)
    registry.promote(NAME, 2)
    assert registry.versions(NAME) == before


@pytest.mark.usefixtures("three")
def test_going_back_twice_goes_two_champions_back(registry: Registry) -> None:
    for version in (1, 2, 3):
        registry.promote(NAME, version)
    for expected in (2, 1):
        previous = registry.previous_champion(NAME)
        assert previous is not None
        registry.promote(NAME, previous.version, remember=False)
        assert champion(registry) == expected
        assert in_production(registry) == [expected]
    assert registry.previous_champion(NAME) is None


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("crash", ["transition_model_version_stage", "set_registered_model_alias"])
def test_a_crash_inside_a_promotion_leaves_the_champion_and_is_repaired(
    registry: Registry, uri: str, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    registry.promote(NAME, 1)
    crash_at(registry, monkeypatch, crash)
    with pytest.raises(Crash):
        registry.promote(NAME, 2)
    survivor = Registry(uri)
    assert champion(survivor) == 1

    survivor.repair(NAME)
    assert champion(survivor) == 1
    assert in_production(survivor) == [1]
    assert survivor.repair(NAME) is False

    survivor.promote(NAME, 2)
    assert champion(survivor) == 2
    assert in_production(survivor) == [2]
    previous = survivor.previous_champion(NAME)
    assert previous is not None
    assert previous.version == 1


@pytest.mark.usefixtures("three")
def test_a_first_promotion_cut_short_is_completed(
    registry: Registry, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_at(registry, monkeypatch, "set_registered_model_alias")
    with pytest.raises(Crash):
        registry.promote(NAME, 2)
    survivor = Registry(uri)
    assert survivor.repair(NAME) is True
    assert champion(survivor) == 2


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("first", [True, False])
def test_a_repair_does_not_undo_a_promotion_that_is_under_way(
    registry: Registry, client: MlflowClient, uri: str, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    """It reads the stage that moved and the alias that did not yet."""
    if not first:
        registry.promote(NAME, 1)
    with pytest.warns(FutureWarning):
        client.transition_model_version_stage(NAME, "2", "Production", archive_existing_versions=True)
    repairing = Registry(uri)
    move = repairing._set_production

    def moved_meanwhile(name: str, version: int) -> None:
        move(name, version)
        client.set_registered_model_alias(name, "champion", "3")

    monkeypatch.setattr(repairing, "_set_production", moved_meanwhile)
    repairing.repair(NAME)
    assert champion(registry) == 3


@pytest.mark.usefixtures("three")
def test_two_versions_in_production_become_one(registry: Registry, client: MlflowClient) -> None:
    registry.promote(NAME, 2)
    with pytest.warns(FutureWarning):
        client.transition_model_version_stage(NAME, "3", "Production", archive_existing_versions=False)
    assert registry.repair(NAME) is True
    assert in_production(registry) == [2]


@pytest.mark.usefixtures("three")
def test_unknown_names_are_answered_with_the_known_ones(registry: Registry) -> None:
    registry.promote(NAME, 1)
    with pytest.raises(RegistryError, match="has no version '7'; versions: 1, 2, 3; aliases: challenger, champion"):
        registry.promote(NAME, 7)
    with pytest.raises(RegistryError, match="has no alias 'best'"):
        registry.resolve(NAME, "best")
    with pytest.raises(RegistryError, match=r"no model 'mammoths' .* registered: penguins"):
        registry.resolve("mammoths", 1)
    assert champion(registry) == 1


def test_a_version_whose_artifacts_are_gone_cannot_become_champion(
    registry: Registry, three: list[VersionInfo], tmp_path: Path
) -> None:
    registry.promote(NAME, 1)
    shutil.rmtree(tmp_path / "artifacts" / three[1].run_id)
    with pytest.raises(RegistryError, match="version 2 of penguins has no serving bundle"):
        registry.promote(NAME, 2)
    assert champion(registry) == 1
    assert in_production(registry) == [1]
    with pytest.raises(RegistryError, match="version 2 of penguins"):
        registry.download_bundle(three[1], tmp_path / "cache")


def test_a_bundle_is_downloaded_over_an_older_one(registry: Registry, three: list[VersionInfo], tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "champion"
    for version in three[:2]:
        assert registry.download_bundle(version, folder) == folder
        assert version.run_id in (folder / BUNDLE_FILE).read_text()
    assert [path.name for path in folder.parent.iterdir()] == ["champion"]


def test_a_damaged_bundle_never_reaches_the_folder(
    registry: Registry, three: list[VersionInfo], tmp_path: Path
) -> None:
    folder = tmp_path / "cache" / "champion"
    registry.download_bundle(three[0], folder)
    next((tmp_path / "artifacts" / three[1].run_id).rglob(MODEL_FILE)).write_bytes(b"half")
    with pytest.raises(RegistryError, match="version 2 of penguins is damaged"):
        registry.download_bundle(three[1], folder)
    assert three[0].run_id in (folder / BUNDLE_FILE).read_text()
    assert [path.name for path in folder.parent.iterdir()] == ["champion"]


def test_a_dead_server_is_named_within_seconds() -> None:
    started = time.monotonic()
    with pytest.raises(RegistryError, match=r"http://127\.0\.0\.1:9: it does not answer.*MLFLOW_TRACKING_URI"):
        Registry("http://127.0.0.1:9").champion(NAME)
    assert time.monotonic() - started < 15


def test_importing_the_registry_loads_no_training_library() -> None:
    """The inference API has the slim MLflow client only."""
    heavy = "{'mlflow', 'sklearn', 'pandas', 'polars', 'sqlalchemy'}"
    code = f"import sys, pipeline.registry, pipeline.promotion; print(sorted(set(sys.modules) & {heavy}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
