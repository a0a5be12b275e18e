"""What ``docker-compose.yml`` gives the services of ours, without starting one."""

import pytest

from deploy.k8s.compose_settings import compose_environment, compose_services, read_dotenv
from inference_api.__main__ import GRACE_SECONDS
from pipeline.settings import InferenceApiSettings, PipelineSettings

SERVICES = compose_services()


@pytest.mark.parametrize("name", ["airflow-scheduler", "airflow-dag-processor", "inference-api"])
def test_whoever_polls_or_tells_of_polls_knows_their_interval(name: str) -> None:
    environment = compose_environment(SERVICES[name], read_dotenv() | {"COLLECT_INTERVAL_SECONDS": "10"})

    assert environment["COLLECT_INTERVAL_SECONDS"] == "10"


def test_every_serving_setting_reaches_the_inference_api() -> None:
    of_its_own = InferenceApiSettings.model_fields.keys() - PipelineSettings.model_fields.keys()
    names = {name.upper() for name in of_its_own} - {"API_HOST", "API_PORT", "MODEL_CACHE_DIR"}  # fixed in its image

    assert names <= compose_environment(SERVICES["inference-api"], read_dotenv()).keys()


def test_the_inference_api_may_end_its_requests() -> None:
    assert int(SERVICES["inference-api"]["stop_grace_period"].removesuffix("s")) > GRACE_SECONDS
