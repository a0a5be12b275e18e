"""The routes that read records work with what the inference image holds: no dataframes, no scikit-learn, no Alembic."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.use_case import UseCase
from tests.unit.inference_api.recorded import log_predictions, make_warehouse

REPOSITORY = Path(__file__).resolve().parents[3]

PROGRAM = """
import sys
for absent in ("pandas", "polars", "pyarrow", "connectorx", "sklearn", "skops", "alembic", "scipy", "lightgbm"):
    sys.modules[absent] = None

from starlette.testclient import TestClient
from inference_api.app import create_app
from pipeline.settings import InferenceApiSettings

url, cache = sys.argv[1:]


class NoRegistry:
    def model_tags(self):
        return {}


settings = InferenceApiSettings(
    warehouse_url=url, model_cache_dir=cache, model_poll_seconds=3600, use_cases_dir="use_cases", api_key="k"
)
with TestClient(create_app(settings, registry=NoRegistry)) as client:
    for path in (
        "/models/penguins/history",
        "/models/penguins/monitoring",
        "/data",
        "/data/penguins",
        "/data/penguins/quarantine",
        "/data/penguins/distributions",
    ):
        reply = client.get(path)
        assert reply.status_code == 200, (path, reply.text)
    body = {"request_id": "r0", "outcome": "Adelie"}
    assert client.post("/models/penguins/feedback", json=body).json() == {"stored": 1, "replaced": 0}
    assert client.get("/models/penguins/monitoring?hours=1").json()["live"]["versions"][0]["value"] == 1
"""


@pytest.fixture
def warehouse_url(penguins: UseCase, covertype: UseCase, house_prices: UseCase, tmp_path: Path) -> str:
    warehouse, overrides = make_warehouse(tmp_path, [penguins, covertype, house_prices])
    log_predictions(warehouse, "penguins", ["Adelie", "Gentoo"])
    warehouse.close()
    return str(overrides["warehouse_url"])


def test_records_are_read_without_the_libraries_of_training(warehouse_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, warehouse_url, str(tmp_path / "cache")]
    finished = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
