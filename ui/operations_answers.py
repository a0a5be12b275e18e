"""What the inference API answers about collected data and about models in service, as typed objects."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from ui.answers import Answer


class CollectedUseCase(Answer):
    """One line of ``GET /data``."""

    name: str
    title: str
    rows: int = 0


class UseCases(Answer):
    """``GET /data``."""

    use_cases: list[CollectedUseCase]


class Batch(Answer):
    """What became of one batch, over all its deliveries; rows are ``delivered = accepted + duplicate + quarantined``.

    Parameters
    ----------
    epoch : how many times the source had started again; batch numbers repeat after each.
    """

    epoch: int
    batch_number: int
    deliveries: int = 1
    delivered: int
    accepted: int
    duplicate: int = 0
    quarantined: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


class Poll(Answer):
    """The last time the source was asked."""

    at: datetime
    outcome: str
    detail: str = ""


class Collection(Answer):
    """``GET /data/{use_case}``."""

    use_case: str
    title: str
    rows: int = 0
    quarantined: int = 0
    batches: list[Batch] = Field(default_factory=list)
    last_poll: Poll | None = None
    next_poll: datetime | None = None
    interval_seconds: float = 300
    exhausted: bool = False


class QuarantineReason(Answer):
    """Why a row was refused: the field, and what is wrong with its value."""

    field: str
    reason: str


class QuarantinedRow(Answer):
    """A delivered row as it came, where it stood, and what is wrong with it."""

    epoch: int = 0
    batch_number: int
    row_index: int
    row: Any = None
    reasons: list[QuarantineReason] = Field(default_factory=list)


class Quarantine(Answer):
    """``GET /data/{use_case}/quarantine``: the newest rows, how many there are, and the names of a row's values."""

    rows: list[QuarantinedRow] = Field(default_factory=list)
    total: int = 0
    columns: list[str] = Field(default_factory=list)


class Share(Answer):
    """One bar of a distribution."""

    label: str
    share: float


class Distribution(Answer):
    """How the values of one column are spread; limits and median in its unit."""

    name: str
    title: str = ""
    unit: str | None = None
    role: Literal["feature", "target"] = "feature"
    kind: str = "numeric"
    missing_share: float = 0
    bins: list[Share] = Field(default_factory=list)
    minimum: Any = None
    maximum: Any = None
    median: Any = None


class Distributions(Answer):
    """``GET /data/{use_case}/distributions``, of a sample of the accepted rows."""

    rows: int = 0
    sampled: int = 0
    features: list[Distribution] = Field(default_factory=list)


class TrafficBucket(Answer):
    """Records predicted from `at` until the next bucket."""

    at: datetime
    predictions: int


class Latency(Answer):
    """Requests of the service since it started, and how long they took, in milliseconds."""

    requests: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


class MixBucket(Answer):
    """Share of each class among the predictions of one bucket."""

    at: datetime
    shares: dict[str, float]


class Mix(Answer):
    """Predicted classes over time, and the share of each among the rows the model was trained on."""

    reference: dict[str, float] = Field(default_factory=dict)
    series: list[MixBucket] = Field(default_factory=list)


class ValueBucket(Answer):
    """Quantiles of the numbers predicted in one bucket."""

    at: datetime
    p10: float
    median: float
    p90: float


class Values(Answer):
    """Predicted numbers over time."""

    series: list[ValueBucket] = Field(default_factory=list)


class DriftBin(Answer):
    """Share of one bin among the training rows, and now."""

    label: str
    reference: float
    current: float


class FeatureDrift(Answer):
    """How far one feature has moved from the training rows; `psi` is its population stability index."""

    name: str
    kind: str = "numeric"
    psi: float | None = None
    drifted: bool = False
    missing_share: float = 0
    reference_missing_share: float = 0
    bins: list[DriftBin] = Field(default_factory=list)


class DriftReport(Answer):
    """Drift of every feature; with too few rows nothing counts as drifted."""

    rows: int = 0
    limit: float
    enough_rows: bool = True
    features: list[FeatureDrift] = Field(default_factory=list)
    drifted: list[str] = Field(default_factory=list)
    share_drifted: float = 0


class Drift(Answer):
    """Drift of what was asked of the service, and of what was collected since the training."""

    served: DriftReport | None = None
    collected: DriftReport | None = None


class LiveScore(Answer):
    """A version's metric on the rows that feedback has told the truth of, with its 95 % interval."""

    version: int
    rows: int
    value: float | None = None
    low: float | None = None
    high: float | None = None


class Live(Answer):
    """The metric of the use case on feedback, beside the one measured on held-out rows."""

    metric: str
    held_out: float | None = None
    versions: list[LiveScore] = Field(default_factory=list)


class Monitoring(Answer):
    """``GET /models/{name}/monitoring``."""

    model: str
    version: int | None = None
    hours: float = 24
    generated_at: datetime | None = None
    bucket_minutes: float = 60
    traffic: list[TrafficBucket] = Field(default_factory=list)
    latency: Latency | None = None
    mix: Mix | None = None
    values: Values | None = None
    drift: Drift = Field(default_factory=Drift)
    live: Live | None = None
    problem: str | None = None
