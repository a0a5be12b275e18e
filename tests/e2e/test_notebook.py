"""The notebook, run by a real kernel against the services: what a data scientist does by hand ends in production."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
from nbclient import NotebookClient

from pipeline.registry import Registry
from tests.e2e.small_stack import SmallStack

pytestmark = pytest.mark.e2e
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "penguins_experiments.ipynb"


@pytest.fixture(scope="module")
def executed(small_stack: SmallStack) -> Any:
    small_stack.mlops("collect", "penguins", "--all")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    return client.execute(env=small_stack.environment)


def text_of(notebook: Any) -> str:
    """All that its cells printed or showed as text."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


def test_the_best_forest_is_the_champion_and_served(executed: Any, small_stack: SmallStack) -> None:
    registry = Registry(small_stack.url("mlflow"))
    champion = registry.champion("penguins")
    assert champion is not None
    assert champion.stage == "Production"
    text = text_of(executed)
    assert f"version {champion.version} is the champion" in text
    assert f"served: version {champion.version}" in text
    detail = requests.get(f"{small_stack.url('inference-api')}/models/penguins", timeout=10).json()
    assert detail["champion_version"] == champion.version


def test_twenty_forests_are_logged_below_one_run(executed: Any, small_stack: SmallStack) -> None:  # noqa: ARG001
    from pipeline.mlflow_client import open_client

    client = open_client(small_stack.url("mlflow"))
    champion = Registry(small_stack.url("mlflow")).champion("penguins")
    assert champion is not None
    experiment = client.get_run(champion.run_id).info.experiment_id
    nested = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{champion.run_id}'")
    assert len(nested) == 20
    scores = [run.data.metrics["cv_accuracy"] for run in nested]
    assert client.get_run(champion.run_id).data.metrics["cv_accuracy"] == max(scores)


def test_its_plots_are_drawn(executed: Any) -> None:
    pictures = [
        output
        for cell in executed.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 2


def test_what_it_made_can_be_proved_like_any_version(executed: Any, small_stack: SmallStack) -> None:  # noqa: ARG001
    audit = small_stack.mlops("audit", "penguins")
    assert "it predicts the same, exactly" in audit
    assert "promoted by hand (notebook penguins_experiments: best of 20 random forests)" in audit
    assert "cannot be proved: that it was judged on held-out rows: no decision on it was recorded" in audit
