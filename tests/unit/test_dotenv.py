"""``.env`` is the one place of settings: nothing a user may want to change is missing there."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from pipeline.settings import (
    ExternalDataApiSettings,
    InferenceApiSettings,
    PipelineSettings,
    ServiceSettings,
    UiSettings,
)

REPOSITORY = Path(__file__).resolve().parents[2]
DOTENV = dotenv_values(REPOSITORY / ".env")

# Addresses between containers and paths inside them, which docker-compose.yml and the images fix.
FIXED_BY_THE_STACK = {
    "API_HOST", "API_PORT", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL_S3", "AWS_SECRET_ACCESS_KEY", "INFERENCE_API_URL",
    "LAKE_URL", "MLFLOW_TRACKING_URI", "MODEL_CACHE_DIR", "SOURCE_HOST", "SOURCE_PORT", "SOURCE_STATE_DIR",
    "USE_CASES_DIR", "WAREHOUSE_URL",
}  # fmt: skip
# One variable per use case.
PATTERNS = {"USE_CASE_CSV", "USE_CASE_SAMPLE_SHARE"}


@pytest.mark.parametrize("settings", [PipelineSettings, InferenceApiSettings, ExternalDataApiSettings, UiSettings])
def test_every_setting_is_in_dotenv_and_reaches_a_container(settings: type[ServiceSettings]) -> None:
    names = {name.upper() for name in settings.model_fields} - FIXED_BY_THE_STACK - PATTERNS
    compose = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")

    assert sorted(names - set(DOTENV)) == []
    assert sorted(name for name in names if f"${{{name}" not in compose) == []


def test_the_defaults_of_dotenv_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in DOTENV.items():
        monkeypatch.setenv(name, value or "")
    for settings in (InferenceApiSettings, ExternalDataApiSettings, UiSettings):
        for name, field in settings.model_fields.items():
            if name.upper() in DOTENV and "Secret" not in str(field.annotation):
                assert getattr(settings(), name) == field.get_default(call_default_factory=True), name
