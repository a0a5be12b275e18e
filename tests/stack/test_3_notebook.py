"""The notebook in its container: JupyterLab asks for the token, and a run of the notebook ends in production."""

from collections.abc import Iterator

import pytest
import requests

from pipeline.registry import Registry
from tests.stack.compose_stack import ComposeStack

NOTEBOOK = "notebooks/penguins_experiments.ipynb"
TOKEN = "dev-only-jupyter"


def test_the_profile_is_complete(project: ComposeStack) -> None:
    services = project.compose("--profile", "notebook", "config", "--services").split()
    assert "jupyter" in services
    assert "jupyter" not in project.compose("config", "--services").split()


@pytest.fixture(scope="module")
def jupyter(stack: ComposeStack) -> Iterator[ComposeStack]:
    stack.compose("--profile", "notebook", "up", "--build", "--wait", "--no-deps", "jupyter", timeout=900)
    yield stack
    # `down` without the profile would leave it, and with it the network it is in.
    stack.compose("--profile", "notebook", "rm", "--stop", "--force", "jupyter")


def test_jupyterlab_answers_with_the_token_only(jupyter: ComposeStack) -> None:
    url = f"{jupyter.url('JUPYTER_PORT')}/api/contents/penguins_experiments.ipynb"
    assert requests.get(url, timeout=10).status_code == 403
    found = requests.get(url, headers={"Authorization": f"token {TOKEN}"}, timeout=10)
    assert found.status_code == 200
    assert found.json()["type"] == "notebook"


def test_a_run_in_the_container_makes_the_champion(jupyter: ComposeStack) -> None:
    # 24 rows are the fewest that are trained on.
    query = "SELECT COUNT(*) FROM rows_penguins HAVING COUNT(*) >= 24"
    jupyter.wait("rows of penguins", lambda: jupyter.sql(query))
    done = jupyter.inside("jupyter", "jupyter", "execute", NOTEBOOK)
    assert done.returncode == 0, done.stdout + done.stderr
    registry = Registry(jupyter.url("MLFLOW_PORT"))
    query = "SELECT to_version FROM promotions WHERE actor = 'notebook penguins_experiments'"
    [[version]] = jupyter.sql(query)
    # A DAG may have promoted another one since.
    champion = registry.champion("penguins")
    assert champion is not None
    assert champion.version >= int(version)
