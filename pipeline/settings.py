"""Every environment variable of the product, once. Each service reads the class that describes it.

A value comes from the environment; a secret ``NAME`` may also come from the file that ``NAME_FILE`` names,
as Docker and Kubernetes mount them. The root ``.env`` holds the defaults for development.
"""

import math
import os
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import ConfigurationError

# What the committed .env puts in place of a secret. Fit for a laptop, refused in production.
DEVELOPMENT_SECRET_PREFIX = "dev-only-"


class ServiceSettings(BaseSettings):
    """What every service reads."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    environment: Literal["development", "production"] = "development"
    use_cases_dir: Path = Path("use_cases")
    default_use_case: str = "covertype"

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name, field in cls.model_fields.items():
            path = os.environ.get(f"{name.upper()}_FILE")
            if not path or "Secret" not in str(field.annotation):
                continue
            if os.environ.get(name.upper()):
                raise ValueError(f"set {name.upper()} or {name.upper()}_FILE, not both")
            try:
                secret = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ValueError(f"{name.upper()}_FILE: cannot read {path}: {error.strerror}") from None
            if not secret:
                raise ValueError(f"{name.upper()}_FILE: {path} is empty, write the secret into it")
            values[name] = secret
        return values

    @model_validator(mode="after")
    def _refuse_development_secrets(self) -> Self:
        if self.environment == "production":
            for name in type(self).model_fields:
                value = getattr(self, name)
                if isinstance(value, SecretStr) and value.get_secret_value().startswith(DEVELOPMENT_SECRET_PREFIX):
                    raise ValueError(
                        f"{name.upper()} still has its development default: with ENVIRONMENT=production set a secret "
                        f"of your own in {name.upper()} or {name.upper()}_FILE"
                    )
        return self


class PipelineSettings(ServiceSettings):
    """Collection and training: read by the DAGs, the ``mlops`` command and (for its part) the inference API."""

    warehouse_url: str = Field(
        default="sqlite:///data/warehouse.db",
        description="SQLAlchemy URL without password: sqlite:///… or mysql+pymysql://user@host:3306/database",
    )
    warehouse_password: SecretStr | None = None
    lake_url: str = Field(default="file:///tmp/mlops-lake", description="s3://bucket[/prefix] or file:///folder")
    aws_endpoint_url_s3: str | None = Field(default=None, description="the S3 endpoint, when it is not Amazon's")
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    mlflow_tracking_uri: str = "http://localhost:5000"
    source_url: str = Field(default="http://localhost:8000", description="base URL of the external batch API")
    source_group_number: int = Field(default=1, description="group the batches are asked for")
    source_day: str | None = Field(default=None, description="value of the 'day' parameter some sources ask for")
    source_timeout_seconds: float = Field(default=30, gt=0)
    inference_api_url: str = "http://localhost:8989"
    api_key: SecretStr = SecretStr("dev-only-api-key")
    collect_interval_seconds: int = Field(default=300, ge=1, description="time between two polls of the source")
    search_jobs: int = Field(default=-1, description="processes of the model search; -1 is one per core")
    dask_scheduler_address: str | None = Field(
        default=None, description="tcp://host:8786 of a Dask scheduler: the search runs on its workers"
    )
    predictions_kept_days: float = Field(default=90, ge=0, description="older predictions are deleted; 0 keeps all")
    predictions_kept_rows: int = Field(
        default=2_000_000, ge=0, description="newest predictions that each use case keeps; 0 keeps all"
    )

    @model_validator(mode="after")
    def _check_urls(self) -> Self:
        if not self.warehouse_url.startswith(("sqlite:///", "mysql+pymysql://")):
            raise ValueError("WAREHOUSE_URL must start with sqlite:/// or mysql+pymysql://")
        if not self.lake_url.startswith(("s3://", "file://")):
            raise ValueError("LAKE_URL must start with s3:// or file://")
        return self


class InferenceApiSettings(PipelineSettings):
    """The inference API."""

    api_host: str = "127.0.0.1"
    api_port: int = 8989
    api_workers: int = Field(default=1, ge=1)
    model_cache_dir: Path = Path("data/model_cache")
    model_poll_seconds: float = Field(default=3, gt=0, description="how often the registry is asked for a new champion")
    allow_pickle_models: bool = Field(default=False, description="serve models whose files run code when they are read")
    model_lru_size: int = Field(default=4, ge=1, description="versions kept loaded beside the champions, on request")
    max_records: int = Field(default=100_000, ge=1, description="most records in one request")
    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    prediction_log: bool = Field(default=True, description="store served predictions in the warehouse")


class ExternalDataApiSettings(ServiceSettings):
    """The simulated source."""

    source_host: str = "127.0.0.1"
    source_port: int = 8000
    min_update_time: float = Field(default=300, ge=0, description="seconds before the batch number may advance")
    batch_count: int = Field(default=10, ge=1)
    sample_share: float = Field(default=0.1, gt=0, le=1, description="share of the batch that one call returns")
    source_seed: int = 0
    source_state_dir: Path = Path("data/source")
    source_download: bool = Field(default=False, description="fetch the real covertype rows from the network")
    source_rows: int = Field(default=58_100, ge=100, description="rows drawn by the generator of each use case")
    source_shuffle: bool = Field(
        default=True, description="deal the rows of a file into batches at random; false keeps the file's order"
    )
    use_case_csv: dict[str, Path] = Field(default={}, description="<NAME>_CSV: file to serve for a use case")
    use_case_sample_share: dict[str, float] = Field(
        default={}, description="<NAME>_SAMPLE_SHARE: share of the batch that one call returns, for one use case"
    )

    @model_validator(mode="before")
    @classmethod
    def _read_settings_per_use_case(cls, values: dict[str, Any]) -> dict[str, Any]:
        # Not fields of their own: a new use case is a new YAML file and no code.
        environment = {name.upper(): value.strip() for name, value in os.environ.items() if value.strip()}
        for field, suffix in (("use_case_csv", "_CSV"), ("use_case_sample_share", "_SAMPLE_SHARE")):
            found = {
                name.removesuffix(suffix).lower(): value for name, value in environment.items() if name.endswith(suffix)
            }
            values[field] = {**found, **values.get(field, {})}
        return values

    @field_validator("use_case_sample_share", mode="before")
    @classmethod
    def _check_sample_shares(cls, values: dict[str, Any]) -> dict[str, float]:
        shares = {}
        for name, value in values.items():
            try:
                shares[name] = float(value)
            except ValueError:
                shares[name] = math.nan
            if not 0 < shares[name] <= 1:
                raise ValueError(f"{name.upper()}_SAMPLE_SHARE must be above 0 and at most 1 (found {value!r})")
        return shares


class UiSettings(ServiceSettings):
    """The Streamlit UI, which talks to the inference API only."""

    inference_api_url: str = "http://localhost:8989"
    ui_timeout_seconds: float = Field(default=10, gt=0)
    inference_api_public_url: str | None = Field(
        default=None, description="where people reach the API, for the commands the pages show; its own URL without it"
    )
    airflow_public_url: str | None = Field(default=None, description="where people open Airflow; no link without it")
    mlflow_public_url: str | None = Field(default=None, description="where people open MLflow; no link without it")
    grafana_public_url: str | None = Field(default=None, description="where people open Grafana; no link without it")


SettingsType = TypeVar("SettingsType", bound=ServiceSettings)


@cache
def load_settings(kind: type[SettingsType]) -> SettingsType:
    """Read one class of settings from the environment, once per process.

    Raises
    ------
    ConfigurationError
        A variable is malformed, contradicts another one, or keeps a development secret in production.
    """
    try:
        return kind()
    except ValidationError as error:
        lines = []
        for detail in error.errors(include_url=False):
            name = "_".join(str(part) for part in detail["loc"]).upper()
            message = detail["msg"].removeprefix("Value error, ")
            lines.append(f"  - {name}: {message}" if name else f"  - {message}")
        raise ConfigurationError("settings (environment variables) are wrong:\n" + "\n".join(lines)) from None
