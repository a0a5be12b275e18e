"""What the inference API answers, as typed objects: a class an answer."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """One answer; the API may say more than this UI shows."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class ModelSummary(Answer):
    """One line of ``GET /models``."""

    name: str
    title: str
    task: str | None = None
    champion_version: int | None = None
    status: str = ""
    detail: str | None = None

    @property
    def ready(self) -> bool:
        return self.champion_version is not None


class ModelVersion(Answer):
    """One registered version of a model."""

    version: int
    aliases: list[str] = Field(default_factory=list)
    stage: str | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    created_at: datetime | None = None

    @property
    def created(self) -> str:
        """Day and minute, in UTC."""
        return self.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if self.created_at else ""


class ModelDetails(Answer):
    """``GET /models/{name}``; what only a loaded model can tell is missing before it is loaded."""

    name: str
    title: str
    task: str | None = None
    target: str | None = None
    unit: str | None = None
    version: int | None = None
    champion_version: int | None = None
    detail: str | None = None
    versions: list[ModelVersion] = Field(default_factory=list)
    record_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    input_example: dict[str, Any] | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)


class Explanation(Answer):
    """What moved a prediction away from `base_value`, feature by feature.

    Parameters
    ----------
    reference : what `base_value` is the answer to, in the API's words.
    output : what is explained, "prediction" or "probability of <class>".
    contributions : they and `base_value` add up to `value`.
    """

    method: str = ""
    reference: str = ""
    output: str = "prediction"
    base_value: float
    value: float
    contributions: dict[str, float]


class Prediction(Answer):
    """``POST /models/{name}/predict`` of one record; an older API explains nothing."""

    prediction: int | float | str
    label: str | None = None
    probabilities: dict[str, float] | None = None
    explanation: Explanation | None = None
    model_name: str
    model_version: int
    request_id: str = ""


class PredictedColumns(Answer):
    """Predictions of many records; each list has one entry a record, in the records' order."""

    prediction: list[int | float | str]
    label: list[str | None] | None = None
    probabilities: dict[str, list[float]] | None = None


class ColumnPredictions(Answer):
    """``POST /models/{name}/predict`` of ``{"columns": {…}}``."""

    columns: PredictedColumns
    model_version: int


class Check(Answer):
    """One condition of a promotion."""

    name: str
    passed: bool
    detail: str = ""


class Decision(Answer):
    """What was measured when a version wanted to become champion, and what came of it."""

    accepted: bool
    checks: list[Check] = Field(default_factory=list)
    reasons: list[str] = Field(default_factory=list)
    metric: str | None = None
    rows: int | None = None
    opponent: str | None = None
    opponent_version: int | None = None
    challenger_score: float | None = None
    opponent_score: float | None = None
    gain: float | None = None
    gain_interval: tuple[float, float] | None = None


class Promotion(Answer):
    """One entry of the promotion history."""

    at: datetime
    action: str
    from_version: int | None = None
    to_version: int | None = None
    actor: str = ""
    reason: str = ""
    decision: Decision | None = None


class TrainingDecision(Answer):
    """Why a training ran, or was left out."""

    at: datetime
    train: bool
    reasons: list[str] = Field(default_factory=list)


class History(Answer):
    """``GET /models/{name}/history``, newest first."""

    promotions: list[Promotion] = Field(default_factory=list)
    training_decisions: list[TrainingDecision] = Field(default_factory=list)


class ClassScore(Answer):
    """How well one class is found on the held-out rows."""

    name: str
    rows: int
    precision: float
    recall: float
    f1: float


class Segment(Answer):
    """The metric on the held-out rows with one value of one category."""

    column: str
    value: str
    rows: int
    score: float


class Evaluation(Answer):
    """How a version did on rows that no training saw."""

    rows: int = 0
    metric: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    baseline: dict[str, float] = Field(default_factory=dict)
    classes: list[ClassScore] = Field(default_factory=list)
    confusion: list[list[int]] = Field(default_factory=list)
    segments: list[Segment] = Field(default_factory=list)
    residuals: list[tuple[float, float]] = Field(default_factory=list)


class VersionDetails(Answer):
    """``GET /models/{name}/versions/{version}``; `problem` says why part of it is missing.

    Versions of one `dataset_digest` were measured on the same held-out rows.
    """

    name: str
    version: int
    run_id: str | None = None
    dataset_digest: str | None = None
    rows: int | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    evaluation: Evaluation | None = None
    model_card: str | None = None
    decision: Decision | None = None
    problem: str | None = None


class RollbackResult(Answer):
    """``POST /models/{name}/rollback``; a `warning` says what was left undone."""

    champion_version: int | None = None
    warning: str | None = None


class ModelList(Answer):
    """``GET /models``."""

    models: list[ModelSummary]
