"""What every unit test starts from."""

import os

import pytest

from pipeline.settings import ExternalDataApiSettings, InferenceApiSettings, PipelineSettings, UiSettings

SETTINGS = (PipelineSettings, InferenceApiSettings, ExternalDataApiSettings, UiSettings)


@pytest.fixture(autouse=True)
def _no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have settings of the product in the environment: none of them counts here."""
    names = {name.upper() for settings in SETTINGS for name in settings.model_fields}
    for variable in os.environ:
        if variable.removesuffix("_FILE") in names or variable.endswith(("_CSV", "_SAMPLE_SHARE")):
            monkeypatch.delenv(variable)
