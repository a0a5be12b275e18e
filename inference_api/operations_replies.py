"""Replies of the routes that show what happened, as pydantic models that OpenAPI shows."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from inference_api.replies import ReplyModel
from pipeline.drift import DriftReport
from pipeline.live_performance import LivePerformance

# As `pipeline.warehouse.records` has them, without importing the warehouse at the start of the service.
PollOutcome = Literal["delivered", "exhausted", "failed"]
PromotionAction = Literal["promote", "reject", "rollback", "dry_run"]


class FeedbackReply(ReplyModel):
    stored: int = Field(description="outcomes that are stored now")
    replaced: int = Field(description="of them, those that took the place of an earlier outcome of the same record")


class PromotionEntry(ReplyModel):
    at: datetime
    action: PromotionAction
    from_version: int | None = Field(description="the champion before")
    to_version: int | None = Field(description="the version it is about")
    actor: str
    reason: str
    decision: dict[str, Any] | None = Field(description="checks and numbers of the comparison, where there was one")


class TrainingDecisionEntry(ReplyModel):
    at: datetime
    train: bool
    reasons: list[str]
    numbers: dict[str, Any] = Field(description="what was decided on: rows, share of new rows, ages, drift and limits")


class HistoryReply(ReplyModel):
    promotions: list[PromotionEntry] = Field(description="newest first, at most 50")
    training_decisions: list[TrainingDecisionEntry] = Field(description="newest first, at most 50")


class VersionReply(ReplyModel):
    name: str
    version: int
    aliases: list[str]
    stage: str
    created_at: datetime
    run_id: str
    dataset_digest: str | None
    git_sha: str | None
    rows: int | None = Field(description="of the snapshot it was trained and judged on")
    metrics: dict[str, float] = Field(description="on the held-out rows")
    intervals: dict[str, tuple[float, float]] = Field(description="of the metrics, 95 %")
    evaluation: dict[str, Any] | None = Field(
        description="evaluation.json: classes, confusion, segments, residuals of a regression, baseline"
    )
    model_card: str | None = Field(description="Markdown")
    decision: dict[str, Any] | None = Field(description="why it was promoted or not; null before it was compared")
    problem: str | None = Field(description="why part of this is missing; null when nothing is")


class TrafficBucket(ReplyModel):
    at: datetime = Field(description="begin of the bucket")
    predictions: int = Field(description="logged predictions of all versions")


class Latency(ReplyModel):
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class MixBucket(ReplyModel):
    at: datetime
    shares: dict[str, float] = Field(description="share of each class among the predictions looked at")


class Mix(ReplyModel):
    reference: dict[str, float] = Field(description="share of each class in the training rows; empty when not known")
    series: list[MixBucket]
    sampled_per_bucket: int = Field(description="newest predictions of a bucket that are looked at, at most")


class ValueBucket(ReplyModel):
    at: datetime
    p10: float
    median: float
    p90: float


class Values(ReplyModel):
    series: list[ValueBucket]
    sampled_per_bucket: int = Field(description="newest predictions of a bucket that are looked at, at most")


class Drift(ReplyModel):
    served: DriftReport | None = Field(
        description="newest logged records of the served version, at most 5,000, against its training rows"
    )
    collected: DriftReport | None = Field(
        description="collected rows against the champion's training rows, as the newest training decision saw them"
    )


class MonitoringReply(ReplyModel):
    model: str
    version: int | None = Field(description="the served version")
    hours: int
    generated_at: datetime
    bucket_minutes: int
    traffic: list[TrafficBucket] = Field(description="oldest first, with the empty buckets")
    latency: Latency | None = Field(
        description="of prediction requests to this service since its start, over all workers and models, estimated "
        "from a histogram; null before the first"
    )
    mix: Mix | None = Field(description="of a classification; buckets without predictions are left out")
    values: Values | None = Field(description="of a regression; buckets without predictions are left out")
    drift: Drift
    live: LivePerformance | None = Field(
        description="the metric over feedback with its interval of 95 %, version by version; null before any feedback"
    )
    problem: str | None = Field(description="why part of this is missing; null when nothing is")


class UseCaseRows(ReplyModel):
    name: str
    title: str
    rows: int = Field(description="accepted rows in the warehouse")


class DataList(ReplyModel):
    use_cases: list[UseCaseRows]


class Batch(ReplyModel):
    epoch: int = Field(description="grows when the source is restarted")
    batch_number: int
    deliveries: int
    delivered: int = Field(description="rows: accepted + duplicate + quarantined")
    accepted: int
    duplicate: int
    quarantined: int
    first_at: datetime
    last_at: datetime


class LastPoll(ReplyModel):
    at: datetime
    outcome: PollOutcome
    detail: str


class DataReply(ReplyModel):
    use_case: str
    title: str
    rows: int
    quarantined: int
    batches: list[Batch] = Field(description="by epoch and batch number, oldest first; at most 200, the newest")
    last_poll: LastPoll | None
    next_poll: datetime | None = Field(description="when the source is asked next, if collection runs as scheduled")
    interval_seconds: int
    exhausted: bool = Field(description="whether the source has handed out its last batch")


class QuarantinedRow(ReplyModel):
    ledger_id: int
    epoch: int
    batch_number: int
    row_index: int
    row: Any = Field(description="the row as it was delivered")
    reasons: list[dict[str, str]] = Field(description="field and reason of each mistake")


class QuarantineReply(ReplyModel):
    rows: list[QuarantinedRow] = Field(description="newest first")
    total: int
    columns: list[str] = Field(description="names of the values of a row, in order")


class Bin(ReplyModel):
    label: str
    share: float


class FeatureDistribution(ReplyModel):
    name: str
    title: str
    unit: str | None
    role: Literal["feature", "target"]
    kind: Literal["numeric", "categorical"]
    missing_share: float
    bins: list[Bin] = Field(description="shares of the rows that have a value; numbers by size, others by frequency")
    minimum: int | float | str | None = Field(description="of a number, or of a date as YYYY-MM-DD")
    maximum: int | float | str | None
    median: int | float | str | None


class DistributionsReply(ReplyModel):
    rows: int = Field(description="in the warehouse")
    sampled: int = Field(description="that the distributions are computed on")
    features: list[FeatureDistribution]
