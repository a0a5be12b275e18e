"""Whether to train now: a pure decision on the numbers of the warehouse and the registry."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from pipeline.model_version import PROMOTION_TAG, VersionInfo
from pipeline.use_case import UseCase


class TrainingDecision(BaseModel):
    """Whether to train now, why, and the numbers it was decided on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: bool
    reasons: list[str]
    numbers: dict[str, float | int | None]


def decide_training(
    use_case: UseCase, rows: int, versions: list[VersionInfo], now: datetime, forced: bool = False
) -> TrainingDecision:
    """Decide whether the rows collected since the last training are worth a new one.

    Trains when forced, without a champion, when the share of new rows since the newest training that was judged
    (the champion's or a rejected challenger's), or the age of that training, reaches its limit. Never trains on too
    few rows, nor (unless forced) twice on the same ones: the result is known already.

    Parameters
    ----------
    rows : in the warehouse now.
    versions : of the model, the newest first.
    """
    training = use_case.training
    champion = next((version for version in versions if version.is_champion), None)
    # A rejected challenger answered for its rows: measured from the champion, each delivery after it would train.
    last = next((version for version in versions if _is_judged(version)), None)
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
    }
    reasons = ["forced"] if forced else []
    if champion is None or last is None:
        reasons.append("there is no champion yet")
    else:
        reasons += _reasons_to_replace(use_case, champion, last, share, waited)
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
