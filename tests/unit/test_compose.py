"""What ``docker-compose.yml`` gives the services of ours, without starting one."""

import re

import pytest

from deploy.k8s.compose_settings import REPOSITORY, compose_environment, compose_services, read_dotenv
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


def test_to_delete_all_data_is_said_in_the_same_words_everywhere() -> None:
    """Without the option, services of profiles run on with volumes that are then not deleted."""
    files = [REPOSITORY / name for name in ("README.md", "README.es.md", "mlflow/prepare.py", "docker/backup.py")]
    files += [*REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("docker/**/*.sh"), *REPOSITORY.glob("make/*.mk")]
    other = [
        str(path.relative_to(REPOSITORY))
        for path in files
        if re.search(r"docker compose down (-v|--volumes)", path.read_text(encoding="utf-8"))
    ]

    assert other == []
