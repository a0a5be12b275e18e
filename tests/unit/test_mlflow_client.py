"""What MLflow raises is told in words, and an outage is told from a refusal."""

import pytest
import requests
from mlflow.exceptions import MlflowException

from pipeline.errors import RegistryError, RegistryUnavailable
from pipeline.mlflow_client import explained

URL = "http://me:secret@mlflow:5000"


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (requests.ConnectionError("refused"), RegistryUnavailable, "it does not answer: check that the MLflow server"),
        (MlflowException("Max retries exceeded with url: /api"), RegistryUnavailable, "it does not answer"),
        (
            MlflowException("Max retries exceeded with url: /api (ResponseError('too many 500 error responses'))"),
            RegistryUnavailable,
            "it answers with errors only: its log says why; its database or the storage of artifacts may be down",
        ),
        (MlflowException("RESOURCE_DOES_NOT_EXIST: no such run"), RegistryError, "no such run"),
    ],
)
def test_outage_is_told_from_a_refusal(error: Exception, kind: type[RegistryError], said: str) -> None:
    with pytest.raises(RegistryError) as raised, explained(URL, "look for the bundle"):
        raise error
    assert type(raised.value) is kind
    assert str(raised.value).startswith("cannot look for the bundle in MLflow at http://mlflow:5000: ")
    assert said in str(raised.value)
