"""Who answers besides the champion: the traffic rule of a model, kept as a tag of the registered model."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import ConfigurationError
from pipeline.model_version import CHAMPION

TRAFFIC_TAG = "traffic"

TrafficMode = Literal["off", "shadow", "canary"]


class TrafficRule(BaseModel):
    """What part another version takes in the traffic of a model.

    Parameters
    ----------
    mode : ``shadow``: it predicts too, and nobody sees its answers; ``canary``: it answers; ``off``: neither.
    alias : names the version, wherever the alias moves.
    share : of the requests, from 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: TrafficMode
    alias: str = Field(default="challenger", pattern=r"^[A-Za-z0-9_-]{1,100}$")
    share: float = Field(default=0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.alias == CHAMPION:
            raise ValueError("alias names the version beside the champion; the champion itself answers anyway")
        return self


def read_rule(tags: Mapping[str, str]) -> TrafficRule | None:
    """The rule in the tags of a registered model; None when there is none.

    Raises
    ------
    ConfigurationError
        The tag, which anybody may write in MLflow, holds something else.
    """
    text = tags.get(TRAFFIC_TAG)
    if not text:
        return None
    try:
        return TrafficRule.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise ConfigurationError(
            f"the tag {TRAFFIC_TAG!r} of the registered model is no traffic rule ({problem}); "
            "set it with `mlops traffic` or PUT /models/{name}/traffic"
        ) from None
