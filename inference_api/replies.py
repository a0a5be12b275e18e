"""Replies of the routes off the hot path, as pydantic models that OpenAPI shows."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from inference_api.predictor import PredictorPath
from pipeline.traffic import TrafficMode

ModelStatus = Literal["serving", "stale", "not loaded", "no champion"]


class ReplyModel(BaseModel):
    """What replies have in common: fields may be called model_…, which pydantic would warn of."""

    model_config = ConfigDict(protected_namespaces=())


class ServiceReply(ReplyModel):
    service: str
    default_model: str
    models: list[str] = Field(description="models that can predict now")
    docs: str


class ModelNames(ReplyModel):
    modelos_disponibles: list[str]


class ModelSummary(ReplyModel):
    name: str
    title: str
    task: Literal["classification", "regression"] | None
    champion_version: int | None = Field(description="the version that answers requests")
    status: ModelStatus = Field(
        description="serving: the registry's champion; stale: an older version, see detail; not loaded: the champion "
        "cannot be loaded, see detail; no champion: registered, nothing promoted yet"
    )
    detail: str | None = None


class ModelList(ReplyModel):
    models: list[ModelSummary]


class ModelVersion(ReplyModel):
    version: int
    aliases: list[str]
    stage: str
    metrics: dict[str, float]
    created_at: datetime


class TrafficReply(ReplyModel):
    """What another version has to do with the requests to a model."""

    mode: TrafficMode
    alias: str
    version: int | None = Field(description="the version that has the alias now")
    share: float
    problem: str | None = Field(description="why it takes no part, or how it failed")


class ModelDetail(ModelSummary):
    target: str | None
    unit: str | None = Field(description="of the target")
    version: int | None = Field(description="the version described: the one asked for, else the champion")
    path: PredictorPath | None = Field(description="how that version predicts: pyfunc is the slow way")
    traffic: TrafficReply | None = Field(description="shadow or canary beside the champion; null where never set")
    labels: dict[str, str] = Field(description="full name of each class; empty for a regression")
    versions: list[ModelVersion] = Field(description="newest first, as the registry said last")
    record_schema: dict[str, Any] | None = Field(
        serialization_alias="schema", description="JSON Schema of one record, with x-unit and x-categories"
    )
    input_example: dict[str, Any] | None
    metrics: dict[str, float] = Field(description="of the version described on the held-out rows")


class Readiness(ReplyModel):
    status: Literal["ready", "not ready"]
    models: dict[str, ModelSummary]
    registry: str = Field(description="'ok', or since when the model registry cannot be read")


class Liveness(ReplyModel):
    status: Literal["alive"] = "alive"


class RollbackRequest(ReplyModel):
    """Body of a roll back; may be left out."""

    model_config = ConfigDict(extra="forbid")

    to: int | None = Field(default=None, ge=1, description="version to return to; by default the previous champion")
    reason: str = Field(default="asked for through the inference API", max_length=1000)


class RollbackReply(ModelSummary):
    record: dict[str, Any] | None = Field(description="the promotion record that was written; null with a warning")
    warning: str | None = Field(default=None, description="why the history does not hold what was done")
