"""The training loop in one process: SQLite warehouse, lake in a folder, real MLflow store, real rows of penguins."""

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from palmerpenguins import load_penguins

from pipeline import promotion, retraining
from pipeline.bundle import Bundle, load_bundle
from pipeline.errors import LakeError, RegistryError, ServingError
from pipeline.lake import FileLake
from pipeline.retraining import Retraining
from pipeline.status import read_status, render_status
from pipeline.use_case import UseCase
from pipeline.version_documents import DECISION
from tests.integration.http_server import http_server
from tests.integration.training_loop import ACTOR, Loop, penguins_as_delivered, searching


@dataclass
class Story:
    """What happened, in order: a stump, nothing new, a quarter more rows, all rows, the same rows by force."""

    loop: Loop
    first: Retraining
    repeated: Retraining
    few_more: Retraining
    better: Retraining
    forced: Retraining
    progress: list[str]


@pytest.fixture(scope="module")
def story(penguins: UseCase, mlflow_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("training") / "story"
    loop = Loop.begin(folder, searching(penguins, n_estimators=10, min_samples_leaf=1), mlflow_tables)
    rows = penguins_as_delivered()
    progress: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # MLflow puts the artifacts of a SQLite store below the working directory
        loop.store(1, rows[:120])
        first = loop.retrain(
            searching(penguins, n_estimators=1, max_depth=1, max_features=1.0), on_progress=progress.append
        )
        repeated = loop.retrain()
        loop.store(2, rows[120:150])
        few_more = loop.retrain()
        loop.store(3, rows[150:])
        better, forced = loop.retrain(), loop.retrain(forced=True)
    yield Story(loop, first, repeated, few_more, better, forced, progress)
    loop.warehouse.close()


@pytest.fixture
def loop(story: Story, tmp_path: Path) -> Iterator[Loop]:
    """The state after the story, to change at will: version 2 is champion after version 1, and 3 was rejected."""
    story.loop.warehouse.close()
    for name in ("warehouse.db", "mlflow.db"):
        shutil.copy(story.loop.folder / name, tmp_path / name)
    copy = Loop(tmp_path, story.loop.use_case)
    copy.lake = story.loop.lake
    yield copy
    copy.warehouse.close()


def test_the_first_model_is_promoted_over_the_baseline(story: Story) -> None:
    assert story.first.training.reasons == ["there is no champion yet"]
    assert story.first.promoted
    assert story.first.decision is not None
    assert story.first.decision.opponent == "baseline"


def test_progress_names_each_step_in_order(story: Story) -> None:
    steps = list(dict.fromkeys(line.split(":")[0] for line in story.progress))
    assert steps == ["decide", "snapshot", "search", "evaluate", "register", "compare", "promote"]


def test_nothing_is_trained_before_enough_rows_are_new(story: Story) -> None:
    for skipped in (story.repeated, story.few_more):
        assert skipped.version is None
        assert not skipped.training.train
    assert "25% new rows" in story.few_more.training.reasons[0]


def test_a_better_challenger_replaces_the_champion_on_the_same_held_out_rows(story: Story) -> None:
    decision = story.better.decision
    assert story.better.promoted
    assert decision is not None
    assert decision.opponent == "champion"
    assert decision.gain is not None
    assert decision.gain > 0.05
    versions = {version.version: version for version in story.loop.registry.versions("penguins")}
    assert decision.rows == int(versions[2].tags["holdout_rows"])
    assert decision.challenger_score == pytest.approx(versions[2].metrics["accuracy"], abs=1e-6)
    assert versions[2].aliases == ["champion"]
    assert versions[1].stage == "Archived"


def test_the_same_model_trained_again_is_rejected(story: Story) -> None:
    assert story.forced.training.reasons[0] == "forced"
    assert not story.forced.promoted
    assert story.loop.champion() == 2


def new_penguins(count: int, grown: float = 0.0) -> list[list[str]]:
    """Penguins nobody has seen, resembling the real ones; grown by a share where asked for. One is a duplicate."""
    table = load_penguins().sample(count, replace=True, random_state=1).astype(object)
    noise = iter(np.random.default_rng(1).uniform(-0.4, 0.4, 4 * count))
    rows = []
    for row in table.itertuples(index=False):
        measured = ["" if value != value else f"{value * (1 + grown) + next(noise):.2f}" for value in row[2:6]]
        island, sex = row[1], "" if row[6] != row[6] else row[6]
        rows.append([row[0], island, *measured, sex, str(row[7])])
    return rows


def test_rows_that_drift_call_for_a_training_and_are_named(loop: Loop) -> None:
    loop.store(4, new_penguins(150, grown=0.15))
    decision = retraining.decide(loop.use_case, loop.warehouse, loop.registry)
    assert decision.train
    [reason] = decision.reasons
    assert reason.startswith("drift in the 149 rows since version 3 was trained: ")
    assert "flipper_length_mm" in reason
    assert "body_mass_g" in reason
    assert "island" not in reason
    stored = loop.warehouse.decisions("penguins")[0]
    assert stored.numbers["drift_rows"] == 149
    assert "flipper_length_mm" in stored.numbers["drifted"]


def test_status_shows_drift_and_the_checks_of_the_last_decision(loop: Loop) -> None:
    loop.store(4, new_penguins(150, grown=0.15))
    status = read_status(loop.use_case, loop.warehouse, loop.registry)
    assert json.loads(json.dumps(status)) == status
    text = render_status(status, "accuracy")
    assert "149 rows collected since champion version 2 was trained: 4 of 7 columns drifted" in text
    assert "Checks of version 3" in text
    assert "FAILED  beats_champion" in text


def test_rows_like_those_before_call_for_nothing(loop: Loop) -> None:
    loop.store(4, new_penguins(150))
    decision = retraining.decide(loop.use_case, loop.warehouse, loop.registry)
    assert not decision.train
    assert (decision.numbers["drift_rows"], decision.numbers["drifted_share"]) == (149, 0.0)


def test_an_outage_of_mlflow_half_way_makes_drift_unknown(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise MlflowException("the artifact store is down")

    monkeypatch.setattr(loop.registry._client, "list_artifacts", fail)
    decision = retraining.decide(loop.use_case, loop.warehouse, loop.registry)
    assert not decision.train
    assert "the artifact store is down" in str(decision.numbers["drift_unknown"])


def test_a_version_of_an_earlier_release_has_no_known_drift(loop: Loop) -> None:
    loop.registry._client.delete_model_version_tag("penguins", "3", "last_ledger_id")
    decision = retraining.decide(loop.use_case, loop.warehouse, loop.registry)
    assert "drift since version 3 is unknown: it does not say" in str(decision.numbers["drift_unknown"])


def test_every_decision_is_kept_with_its_reasons(story: Story) -> None:
    warehouse, name = story.loop.warehouse, story.loop.use_case.name
    assert [item.train for item in reversed(warehouse.decisions(name))] == [True, False, False, True, True]
    history = [(item.action, item.from_version, item.to_version) for item in warehouse.promotion_history(name)]
    assert history == [("reject", 2, 3), ("promote", 1, 2), ("promote", None, 1)]
    newest = warehouse.promotion_history(name)[0]
    assert newest.actor == ACTOR
    assert newest.decision is not None
    assert newest.decision["accepted"] is False


def test_the_card_of_a_version_ends_with_what_was_decided(loop: Loop) -> None:
    for version, verdict in ((2, "Promoted: it became the champion."), (3, "Rejected: the champion stayed.")):
        card = loop.registry.read_text(loop.registry.resolve("penguins", version), "model_card.md")
        assert card is not None
        assert verdict in card.split("\n## Decision\n")[1]
        assert "| beats_champion |" in card


def test_a_rejection_that_is_repeated_after_a_crash_is_recorded_once(loop: Loop) -> None:
    decision = retraining.compare(loop.use_case, loop.lake, loop.registry, 3)
    for _ in range(2):
        retraining.promote(loop.use_case, loop.warehouse, loop.registry, 3, decision)
    assert [item.to_version for item in loop.warehouse.promotion_history("penguins")] == [3, 3, 2, 1]


def test_the_results_of_the_steps_survive_a_process_border(loop: Loop) -> None:
    """As Airflow passes them: through JSON."""
    frozen = retraining.snapshot(loop.use_case, loop.warehouse, loop.lake)
    assert json.loads(json.dumps(frozen)) == frozen
    compared = retraining.compare(loop.use_case, loop.lake, loop.registry, 3)
    assert json.loads(json.dumps(compared)) == compared
    assert not retraining.promote(loop.use_case, loop.warehouse, loop.registry, 3, compared)


@pytest.mark.parametrize(("mode", "action"), [("dry_run", "dry_run"), ("disabled", "reject")])
def test_a_use_case_can_forbid_promotion_by_itself(loop: Loop, mode: str, action: str) -> None:
    careful = loop.use_case.model_copy(
        update={"promotion": loop.use_case.promotion.model_copy(update={"mode": mode, "min_improvement": -1.0})}
    )
    decision = retraining.compare(careful, loop.lake, loop.registry, 3)
    assert decision["accepted"]
    assert not retraining.promote(careful, loop.warehouse, loop.registry, 3, decision)
    assert loop.champion() == 2
    newest = loop.warehouse.promotion_history("penguins")[0]
    assert newest.action == action
    assert newest.reason.startswith(f"promotion.mode is {mode}")


def test_a_comparison_with_a_champion_of_the_past_promotes_nothing(loop: Loop) -> None:
    """As when two trainings run at once."""
    lenient = loop.use_case.model_copy(
        update={"promotion": loop.use_case.promotion.model_copy(update={"min_improvement": -1.0})}
    )
    decision = retraining.compare(lenient, loop.lake, loop.registry, 3)
    assert decision["accepted"]
    promotion.rollback(loop.registry, loop.warehouse, "penguins", actor="ada", reason="meanwhile")
    assert not retraining.promote(lenient, loop.warehouse, loop.registry, 3, decision)
    assert loop.champion() == 1
    newest = loop.warehouse.promotion_history("penguins")[0]
    assert newest.reason.startswith("the champion is version 1 by now, compared was version 2")


def test_a_promotion_that_is_repeated_is_recorded_once(loop: Loop) -> None:
    for _ in range(2):
        record = promotion.promote(loop.registry, loop.warehouse, "penguins", 3, actor="ada", reason="why not")
        assert (record.from_version, record.to_version) == (2, 3)
    assert [item.to_version for item in loop.warehouse.promotion_history("penguins")] == [3, 3, 2, 1]


def test_a_promotion_that_is_repeated_after_a_later_rejection_is_recorded_once(loop: Loop) -> None:
    """The newest record is the rejection of version 3."""
    promotion.promote(loop.registry, loop.warehouse, "penguins", 2, actor="ada", reason="again")
    assert [item.to_version for item in loop.warehouse.promotion_history("penguins")] == [3, 2, 1]


def test_a_training_step_that_runs_again_does_not_undo_a_roll_back(loop: Loop) -> None:
    """As when somebody clears the task, or Airflow repeats it because its worker was lost."""
    decision = loop.warehouse.promotion_history("penguins")[1].decision
    assert decision is not None
    assert decision["accepted"]
    promotion.rollback(loop.registry, loop.warehouse, "penguins", actor="ada", reason="worse in the field")
    assert not retraining.promote(loop.use_case, loop.warehouse, loop.registry, 2, decision)
    assert loop.champion() == 1
    assert [item.to_version for item in loop.warehouse.promotion_history("penguins")] == [1, 3, 2, 1]


def test_a_champion_that_is_compared_again_keeps_the_decision_that_made_it(loop: Loop) -> None:
    """The whole training was cleared: with no other champion it is compared with the baseline."""
    champion = loop.registry.resolve("penguins", 2)
    before = loop.registry.read_text(champion, DECISION)
    again = retraining.compare(loop.use_case, loop.lake, loop.registry, 2)
    assert again["opponent"] == "baseline"
    assert retraining.promote(loop.use_case, loop.warehouse, loop.registry, 2, again)
    assert loop.registry.read_text(champion, DECISION) == before
    assert [item.to_version for item in loop.warehouse.promotion_history("penguins")] == [3, 2, 1]


def test_rolling_back_twice_ends_at_the_first_champion(loop: Loop) -> None:
    promotion.promote(loop.registry, loop.warehouse, "penguins", 3, actor="ada", reason="why not")
    moves = []
    for _ in range(2):
        record = promotion.rollback(loop.registry, loop.warehouse, "penguins", actor="ada", reason="worse in the field")
        moves.append((record.from_version, record.to_version))
    assert moves == [(3, 2), (2, 1)]
    with pytest.raises(RegistryError, match="version 1 of penguins is its first champion"):
        promotion.rollback(loop.registry, loop.warehouse, "penguins", actor="ada", reason="further")
    assert loop.warehouse.promotion_history("penguins")[0].reason == "worse in the field"


def test_one_can_go_back_from_a_version_that_was_named(loop: Loop) -> None:
    promotion.rollback(loop.registry, loop.warehouse, "penguins", 3, actor="ada", reason="try it")
    record = promotion.rollback(loop.registry, loop.warehouse, "penguins", actor="ada", reason="it was not better")
    assert (record.from_version, record.to_version) == (3, 2)
    with pytest.raises(RegistryError, match="version 2 of penguins is the champion already"):
        promotion.rollback(loop.registry, loop.warehouse, "penguins", 2, actor="ada", reason="again")


def test_a_snapshot_that_is_gone_is_named_and_the_champion_stays(loop: Loop, tmp_path: Path) -> None:
    loop.lake = FileLake(tmp_path / "empty")
    loop.lake.create()
    with pytest.raises(LakeError, match=r"there is no object .*snapshots/penguins"):
        retraining.compare(loop.use_case, loop.lake, loop.registry, 3)
    assert loop.champion() == 2


def test_a_champion_whose_artifacts_are_gone_stays_and_the_decision_says_why(loop: Loop) -> None:
    champion = loop.registry.resolve("penguins", 2)
    [folder] = {path.parent for path in loop.folder.parent.rglob("bundle.json") if champion.run_id in str(path)}
    kept = folder.with_name("elsewhere")
    folder.rename(kept)
    try:
        decision = retraining.compare(loop.use_case, loop.lake, loop.registry, 3)
        assert not retraining.promote(loop.use_case, loop.warehouse, loop.registry, 3, decision)
    finally:
        kept.rename(folder)
    [reason] = decision["reasons"]
    assert reason.startswith("the champion, version 2, cannot be judged: version 2 of penguins has no serving bundle")
    assert "`mlops promote penguins --version 3`" in reason
    assert (decision["opponent"], decision["opponent_version"]) == ("baseline", 2)
    assert loop.champion() == 2
    assert loop.warehouse.promotion_history("penguins")[0].action == "reject"


class FakeApi:
    """An inference API that serves what a test tells it to."""

    def __init__(self, bundle: Bundle, served: int | None) -> None:
        self.served = served
        self.status = 200
        self.answer: dict[str, Any] = {
            "prediction": bundle.expected.prediction,
            "probabilities": bundle.expected.probabilities,
            "model_version": served,
        }
        self.asked: list[dict[str, Any]] = []

    def __call__(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if not body:
            return (200, {"champion_version": self.served}) if path == "/models/penguins" else (404, {})
        if path == "/models/penguins/predict":  # without a choice a canary may answer
            return 200, self.answer | {"model_version": 1}
        self.asked.append(json.loads(body))
        return self.status, self.answer


@pytest.fixture
def bundle(loop: Loop, tmp_path: Path) -> Bundle:
    champion = loop.registry.resolve("penguins", "champion")
    return load_bundle(loop.registry.download_bundle(champion, tmp_path / "bundle"))


def verify(loop: Loop, url: str, timeout: float = 0.2) -> dict[str, Any]:
    return retraining.verify_serving(loop.use_case, loop.warehouse, loop.registry, url, 2, timeout)


def test_a_champion_that_is_served_and_answers_its_example_passes(loop: Loop, bundle: Bundle) -> None:
    api = FakeApi(bundle, served=2)
    with http_server(api) as url:
        assert verify(loop, url)["model_version"] == 2
    assert api.asked == [bundle.input_example]


def test_the_api_is_given_time_to_follow(loop: Loop, bundle: Bundle) -> None:
    api = FakeApi(bundle, served=1)

    def follow() -> None:
        api.served = api.answer["model_version"] = 2

    timer = threading.Timer(0.3, follow)
    with http_server(api) as url:
        timer.start()
        assert verify(loop, url, timeout=30)["model_version"] == 2
    timer.join()


@pytest.mark.parametrize(
    ("served", "status", "change", "problem"),
    [
        (1, 200, {}, "serves version 1 instead of version 2"),
        (None, 200, {}, r"serves no version \(status 200\)"),
        (2, 500, {}, "answers the input example with 500"),
        (2, 200, {"prediction": "Unicorn"}, "answers the input example with 'Unicorn', the model says"),
        (2, 200, {"probabilities": {"Adelie": 0.0}}, "the probabilities"),
    ],
)
def test_a_champion_that_is_not_served_as_it_should_is_rolled_back(
    loop: Loop, bundle: Bundle, served: int | None, status: int, change: dict[str, Any], problem: str
) -> None:
    api = FakeApi(bundle, served)
    api.status = status
    api.answer |= change
    with http_server(api) as url, pytest.raises(ServingError, match=rf"{problem}.*; rolled back to version 1"):
        verify(loop, url)
    assert loop.champion() == 1
    newest = loop.warehouse.promotion_history("penguins")[0]
    assert (newest.action, newest.from_version, newest.to_version) == ("rollback", 2, 1)
    assert newest.actor == "verify_serving"


def test_an_api_that_is_down_says_nothing_against_the_champion(loop: Loop) -> None:
    with pytest.raises(ServingError, match=r"127\.0\.0\.1:9/models/penguins does not answer.*INFERENCE_API_URL"):
        verify(loop, "http://127.0.0.1:9")
    assert loop.champion() == 2


def test_a_champion_that_was_replaced_meanwhile_is_left_alone(loop: Loop, bundle: Bundle) -> None:
    loop.registry.promote("penguins", 3)
    served = FakeApi(bundle, served=3)
    with http_server(served) as url, pytest.raises(ServingError, match="another version by now"):
        verify(loop, url)
    assert loop.champion() == 3
