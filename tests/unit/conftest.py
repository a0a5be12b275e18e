"""What every unit test starts from."""

import os

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from pipeline.settings import ExternalDataApiSettings, InferenceApiSettings, PipelineSettings, UiSettings

SETTINGS = (PipelineSettings, InferenceApiSettings, ExternalDataApiSettings, UiSettings)

# How fast an example is says something of the machine only.
hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have settings of the product in the environment: none of them counts here."""
    names = {name.upper() for settings in SETTINGS for name in settings.model_fields}
    for variable in os.environ:
        if variable.removesuffix("_FILE") in names or variable.endswith(("_CSV", "_SAMPLE_SHARE")):
            monkeypatch.delenv(variable)
