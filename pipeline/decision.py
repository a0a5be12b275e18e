"""Whether to train now: a pure decision on the numbers of the warehouse and the registry."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from pipeline.collected_drift import CollectedDrift
from pipeline.drift import DriftReport
from pipeline.model_version import PROMOTION_TAG, VersionInfo
from pipeline.use_case import UseCase


class TrainingDecision(BaseModel):
    """Whether to train now, why, and the numbers it was decided on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: bool
    reasons: list[str]
    numbers: dict[str, float | int | str | None]


def decide_training(
    use_case: UseCase,
    rows: int,
    versions: list[VersionInfo],
    now: datetime,
    drift: CollectedDrift | None = None,
    forced: bool = False,
) -> TrainingDecision:
    """Decide whether the rows collected since the last training are worth a new one.

    Trains when forced, without a champion, when the share of new rows since the newest training that was judged
    (the champion's or a rejected challenger's), or the age of that training, reaches its limit, or when so many columns
    of the new rows drifted from its own. Never trains on too few rows, nor (unless forced) twice on the same ones: the
    result is known already. Drift that is not known calls for nothing, and is recorded as unknown.

    Parameters
    ----------
    rows : in the warehouse now.
    versions : of the model, the newest first.
    drift : of the rows collected since the version of `last_judged`, against those it was trained on.
    """
    training = use_case.training
    champion = next((version for version in versions if version.is_champion), None)
    # A rejected challenger answered for its rows: measured from the champion, each delivery after it would train.
    last = last_judged(versions)
    before = max((count for count in map(_trained_rows, (champion, last)) if count is not None), default=None)
    share = (rows - before) / before if before else None
    age = (now - champion.created_at).total_seconds() / 86400 if champion else None
    waited = (now - last.created_at).total_seconds() / 86400 if last else None
    numbers = {
        "rows": rows,
        "min_rows": training.min_rows,
        "champion_version": champion.version if champion else None,
        "champion_rows": _trained_rows(champion),
        "judged_rows": before,
        "new_rows_share": round(share, 4) if share is not None else None,
        "new_rows_share_limit": training.retrain_new_rows_share,
        "champion_age_days": round(age, 3) if age is not None else None,
        "champion_age_limit_days": training.retrain_max_age_days,
        "last_training_age_days": round(waited, 3) if waited is not None else None,
        **_drift_numbers(use_case, drift),
    }
    reasons = ["forced"] if forced else []
    if champion is None or last is None:
        reasons.append("there is no champion yet")
    else:
        reasons += _reasons_to_replace(use_case, champion, last, share, waited)
        reasons += _drift_reasons(use_case, last, drift)
    obstacle = _obstacle(use_case, rows, versions, forced)
    if obstacle is None and not reasons and last is not None:
        limit = f"less than the {training.retrain_new_rows_share:.0%} that call for a new training"
        obstacle = f"{share or 0:.0%} new rows since {_label(last)} was trained: {limit}"
    elif obstacle and reasons and champion is not None:
        obstacle += f", which outweighs: {'; '.join(reasons)}"
    return TrainingDecision(train=obstacle is None, reasons=[obstacle] if obstacle else reasons, numbers=numbers)


def _obstacle(use_case: UseCase, rows: int, versions: list[VersionInfo], forced: bool) -> str | None:
    """Why a training would be in vain."""
    if rows < use_case.training.min_rows:
        return f"{rows} rows are too few to train: {use_case.training.min_rows} are needed (training.min_rows)"
    newest = versions[0] if versions else None
    # A challenger that was never judged is what a crash leaves behind.
    if newest is None or forced or _trained_rows(newest) != rows or not _is_judged(newest):
        return None
    return f"version {newest.version} was trained on these {rows} rows already"


def last_judged(versions: list[VersionInfo]) -> VersionInfo | None:
    """The newest version that was judged: the champion, or a challenger that was rejected since.

    Parameters
    ----------
    versions : the newest first.
    """
    return next((version for version in versions if _is_judged(version)), None)


def _drift_numbers(use_case: UseCase, drift: CollectedDrift | None) -> dict[str, float | int | str | None]:
    report = drift.report if drift else None
    found: dict[str, float | int | str | None] = {
        "drift_rows": report.rows if report else None,
        "drifted_share": report.share_drifted if report else None,
        "drifted_share_limit": use_case.training.retrain_drift_share,
        "drift_limit": use_case.training.drift_limit,
        "drifted": _drifted(report) if report else None,
    }
    return found | ({"drift_unknown": drift.problem} if drift and drift.problem else {})


def _drift_reasons(use_case: UseCase, last: VersionInfo, drift: CollectedDrift | None) -> list[str]:
    limit, report = use_case.training.retrain_drift_share, drift.report if drift else None
    if report is None or limit is None or not report.drifted or report.share_drifted < limit:
        return []
    changed = f"{len(report.drifted)} of {len(report.features)} columns changed (limit {limit:.0%})"
    return [f"drift in the {report.rows} rows since {_label(last)} was trained: {changed}: {_drifted(report)}"]


def _drifted(report: DriftReport) -> str:
    """Names of the drifted columns with their index, the worst first."""
    index = {feature.name: feature.psi for feature in report.features}
    return ", ".join(f"{name} {index[name]:.2f}" for name in report.drifted)


def _is_judged(version: VersionInfo) -> bool:
    return version.is_champion or PROMOTION_TAG in version.tags


def _trained_rows(version: VersionInfo | None) -> int | None:
    text = version.tags.get("rows", "") if version else ""
    return int(text) if text.isdecimal() else None


def _label(version: VersionInfo) -> str:
    return f"{'champion ' if version.is_champion else ''}version {version.version}"


def _reasons_to_replace(
    use_case: UseCase, champion: VersionInfo, last: VersionInfo, share: float | None, waited: float | None
) -> list[str]:
    training, reasons = use_case.training, []
    if share is None:
        reasons.append(f"champion version {champion.version} does not say how many rows it was trained on")
    elif share >= training.retrain_new_rows_share:
        limit = training.retrain_new_rows_share
        reasons.append(f"{share:.0%} new rows since {_label(last)} was trained (limit {limit:.0%})")
    if waited is not None and training.retrain_max_age_days is not None and waited >= training.retrain_max_age_days:
        reasons.append(f"{_label(last)} is {waited:.1f} days old (limit {training.retrain_max_age_days:g})")
    return reasons
