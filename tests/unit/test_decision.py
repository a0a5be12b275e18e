from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.collected_drift import CollectedDrift
from pipeline.decision import TrainingDecision, decide_training
from pipeline.drift import DriftReport, FeatureDrift
from pipeline.model_version import VersionInfo
from pipeline.use_case import UseCase

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def version(
    number: int, rows: int | None, *, champion: bool = False, judged: bool = True, days: float = 1
) -> VersionInfo:
    tags = {"promotion": "promote" if champion else "reject"} if judged else {}
    return VersionInfo(
        name="covertype",
        version=number,
        run_id=f"run{number}",
        aliases=["champion"] if champion else [],
        tags=tags | ({} if rows is None else {"rows": str(rows)}),
        created_at=NOW - timedelta(days=days),
    )


def decide(use_case: UseCase, rows: int, *versions: VersionInfo, **options: Any) -> TrainingDecision:
    return decide_training(use_case, rows, list(versions), NOW, **options)


def test_the_first_model_is_trained_as_soon_as_there_are_enough_rows(covertype: UseCase) -> None:
    too_few = decide(covertype, 59)
    assert not too_few.train
    assert too_few.reasons == ["59 rows are too few to train: 60 are needed (training.min_rows)"]
    enough = decide(covertype, 60)
    assert enough.train
    assert enough.reasons == ["there is no champion yet"]


@pytest.mark.parametrize(("rows", "train"), [(1599, False), (1600, True), (1601, True)])
def test_a_champion_is_challenged_when_the_share_of_new_rows_reaches_the_limit(
    covertype: UseCase, rows: int, train: bool
) -> None:
    decision = decide(covertype, rows, version(1, 1000, champion=True))
    assert decision.train is train
    assert "60% new rows since" in decision.reasons[0]
    assert decision.numbers["new_rows_share"] == pytest.approx(rows / 1000 - 1)


def test_new_rows_count_since_the_newest_version_that_was_judged(covertype: UseCase) -> None:
    """Or every delivery after a rejected challenger would train."""
    versions = version(2, 1700), version(1, 1000, champion=True)
    decision = decide(covertype, 1800, *versions)
    assert not decision.train
    assert decision.reasons == [
        "6% new rows since version 2 was trained: less than the 60% that call for a new training"
    ]
    enough = decide(covertype, 2720, *versions)
    assert enough.reasons == ["60% new rows since version 2 was trained (limit 60%)"]
    assert (enough.numbers["champion_rows"], enough.numbers["judged_rows"]) == (1000, 1700)
    assert decide(covertype, 1800, version(3, 1790, judged=False), version(1, 1000, champion=True)).train


def test_the_same_rows_are_not_trained_on_twice(covertype: UseCase) -> None:
    for versions in ([version(2, 2000), version(1, 1000, champion=True)], [version(1, 2000)]):
        decision = decide(covertype, 2000, *versions)
        assert not decision.train
        assert "was trained on these 2000 rows already" in decision.reasons[0]


def test_a_challenger_that_a_crash_kept_from_being_judged_is_trained_again(covertype: UseCase) -> None:
    assert decide(covertype, 2000, version(2, 2000, judged=False), version(1, 1000, champion=True)).train


def test_an_old_champion_is_challenged(covertype: UseCase) -> None:
    training = covertype.training.model_copy(update={"retrain_max_age_days": 7})
    weekly = covertype.model_copy(update={"training": training})
    assert not decide(weekly, 1100, version(1, 1000, champion=True, days=6.9)).train
    old = decide(weekly, 1100, version(1, 1000, champion=True, days=8))
    assert old.train
    assert old.reasons == ["champion version 1 is 8.0 days old (limit 7)"]
    rejected = version(2, 1050, days=3)
    assert not decide(weekly, 1100, rejected, version(1, 1000, champion=True, days=8)).train


def test_age_does_not_train_on_unchanged_rows_and_says_so(covertype: UseCase) -> None:
    training = covertype.training.model_copy(update={"retrain_max_age_days": 7})
    weekly = covertype.model_copy(update={"training": training})
    decision = decide(weekly, 1000, version(1, 1000, champion=True, days=8))
    assert not decision.train
    assert decision.reasons == [
        "version 1 was trained on these 1000 rows already, which outweighs: "
        "champion version 1 is 8.0 days old (limit 7)"
    ]


def test_force_trains_on_the_same_rows_but_never_on_too_few(covertype: UseCase) -> None:
    forced = decide(covertype, 1000, version(1, 1000, champion=True), forced=True)
    assert forced.train
    assert forced.reasons == ["forced"]
    assert not decide(covertype, 10, forced=True).train


def test_a_champion_of_unknown_origin_is_challenged(covertype: UseCase) -> None:
    """One that was registered by hand, say from a notebook."""
    decision = decide(covertype, 1000, version(1, None, champion=True))
    assert decision.train
    assert decision.reasons == ["champion version 1 does not say how many rows it was trained on"]


def drift(*drifted: str, features: int = 8, rows: int = 500) -> CollectedDrift:
    names = [*drifted, *(f"calm {index}" for index in range(features - len(drifted)))]
    columns = [
        FeatureDrift(
            name=name,
            kind="numeric",
            psi=0.5 if name in drifted else 0.01,
            drifted=name in drifted,
            missing_share=0,
            reference_missing_share=0,
            bins=[],
        )
        for name in names
    ]
    report = DriftReport(
        rows=rows,
        limit=0.25,
        enough_rows=True,
        features=columns,
        drifted=list(drifted),
        share_drifted=len(drifted) / features,
    )
    return CollectedDrift(version=1, report=report)


def test_a_champion_is_challenged_when_enough_columns_drifted(covertype: UseCase) -> None:
    champion = version(1, 1000, champion=True)
    calm = decide(covertype, 1500, champion, drift=drift("Slope"))
    assert not calm.train
    assert (calm.numbers["drifted_share"], calm.numbers["drifted"]) == (0.125, "Slope 0.50")
    moved = decide(covertype, 1500, champion, drift=drift("Slope", "Elevation"))
    assert moved.train
    assert moved.reasons == [
        "drift in the 500 rows since champion version 1 was trained: 2 of 8 columns changed (limit 25%): "
        "Slope 0.50, Elevation 0.50"
    ]
    assert moved.numbers["drift_rows"] == 500


def test_drift_that_is_unknown_is_recorded_and_trains_nothing(covertype: UseCase) -> None:
    unknown = CollectedDrift(version=1, problem="drift since version 1 is unknown: MLflow does not answer")
    decision = decide(covertype, 1500, version(1, 1000, champion=True), drift=unknown)
    assert not decision.train
    assert decision.numbers["drift_unknown"] == unknown.problem
    assert decision.numbers["drifted_share"] is None


def test_a_use_case_can_do_without_training_on_drift(covertype: UseCase) -> None:
    training = covertype.training.model_copy(update={"retrain_drift_share": None})
    deaf = covertype.model_copy(update={"training": training})
    assert not decide(deaf, 1500, version(1, 1000, champion=True), drift=drift("a", "b", "c", features=3)).train
