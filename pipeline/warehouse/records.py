"""What the warehouse hands out: one frozen object per kind of record."""

from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

PromotionAction = Literal["promote", "reject", "rollback", "dry_run"]
PollOutcome = Literal["delivered", "exhausted", "failed"]


class Record(BaseModel):
    """Frozen; ``model_dump(mode="json")`` and ``model_validate`` take it across a process border."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LedgerEntry(Record):
    """A delivery that is stored: ``delivered = accepted + duplicate + quarantined``.

    Parameters
    ----------
    use_case, group_number, epoch, batch_number, payload_sha256 : identity of the delivery.
    lake_uri : where its raw payload is.
    accepted : rows that were new to the warehouse.
    duplicate : valid rows that it held already, or that came twice in the delivery.
    quarantined : rows that break the use case's rules.
    """

    id: int
    use_case: str
    group_number: int
    epoch: int
    batch_number: int
    payload_sha256: str
    lake_uri: str
    delivered: int
    accepted: int
    duplicate: int
    quarantined: int
    received_at: datetime
    stored_at: datetime


class QuarantineEntry(Record):
    """A delivered row that was not accepted, and why."""

    ledger_id: int
    use_case: str
    row_index: int
    row: Any
    reasons: list[dict[str, str]]


class PromotionRecord(Record):
    """What happened to the champion of a use case, who did it and why. `at` is set when it is stored."""

    use_case: str
    action: PromotionAction
    from_version: int | None = None
    to_version: int | None = None
    actor: str
    reason: str
    decision: dict[str, Any] | None = None
    at: datetime | None = None


class TrainingDecisionRecord(Record):
    """Why a training run took place or not."""

    use_case: str
    train: bool
    reasons: list[str]
    numbers: dict[str, Any]
    at: datetime


class BatchRecord(Record):
    """All deliveries of one batch: the source may hand out several samples of it.

    Parameters
    ----------
    delivered, accepted, duplicate, quarantined : rows, as in `LedgerEntry`.
    first_at, last_at : when its first and its last delivery were received.
    """

    epoch: int
    batch_number: int
    deliveries: int
    delivered: int
    accepted: int
    duplicate: int
    quarantined: int
    first_at: datetime
    last_at: datetime


class PollRecord(Record):
    """How the last poll of a source ended.

    Parameters
    ----------
    outcome : ``delivered``, ``exhausted`` (the source has handed out its last batch) or ``failed``.
    detail : what was delivered, or why nothing was.
    """

    use_case: str
    at: datetime
    outcome: PollOutcome
    detail: str


class PrunedRecord(Record):
    """Rows of a use case that were deleted because they were old, of the prediction log and of its outcomes."""

    use_case: str
    predictions: int
    feedback: int

    def __str__(self) -> str:
        return f"{self.use_case}: predictions deleted: {self.predictions:,}; outcomes deleted: {self.feedback:,}"


class Feedback(Record):
    """The true outcome of one served record."""

    request_id: str
    record_index: int = 0
    outcome: int | float | str


class JudgedPrediction(NamedTuple):
    """What a version answered, and what turned out to be true."""

    version: int
    prediction: int | float | str
    outcome: int | float | str
