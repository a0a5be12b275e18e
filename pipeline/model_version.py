"""One version of a registered model, as the rest of the product sees it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

CHAMPION = "champion"
# What MLflow describes a model in, beside its files.
MLMODEL_FILE = "MLmodel"
# Tag of a version that was judged: what was done about it.
PROMOTION_TAG = "promotion"


class VersionInfo(BaseModel):
    """One registered version of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int
    run_id: str
    aliases: list[str] = Field(default_factory=list)
    stage: str = "None"
    tags: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    created_at: datetime

    @property
    def is_champion(self) -> bool:
        return CHAMPION in self.aliases

    @property
    def previous_champion(self) -> int | None:
        """The version that was champion when this one took over; a roll back returns to it."""
        value = self.tags.get("previous_champion", "")
        return int(value) if value.isdecimal() else None


def read_version(version: Any, aliases: Mapping[str, int]) -> VersionInfo:
    """What MLflow's client says of a version.

    Parameters
    ----------
    version : MLflow's ``ModelVersion``.
    aliases : alias → version of the model; a listing of versions leaves them out.
    """
    number = int(version.version)
    tags = {key: value for key, value in version.tags.items() if key != "metrics"}
    return VersionInfo(
        name=version.name,
        version=number,
        run_id=version.run_id or "",
        aliases=sorted(alias for alias, target in aliases.items() if target == number),
        stage=version.current_stage,
        tags=tags,
        metrics=_metrics(version.tags.get("metrics", "{}")),
        created_at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
    )


def _metrics(text: str) -> dict[str, float]:
    """Metrics in a version's tag; none when it is not this product's, which anyone may write in MLflow."""
    try:
        values = json.loads(text)
    except ValueError:
        return {}
    pairs = values.items() if isinstance(values, dict) else ()
    return {name: float(value) for name, value in pairs if isinstance(value, int | float)}
