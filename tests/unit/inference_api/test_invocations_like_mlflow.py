"""Models of others on the scoring routes, beside MLflow's own server over the same folder."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from mlflow.models import infer_signature
from mlflow.pyfunc.scoring_server import init
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from .conftest import MakeService, MemoryRegistry

ROWS = pd.DataFrame({"length": np.arange(40.0), "width": np.arange(40.0)[::-1]})
BIG = np.where(ROWS["length"] > 20, 2, 0)
RECORDS = [{"length": 3.0, "width": 1.0}, {"length": 39.0, "width": 0.5}]
LISTS = [[3.0, 1.0], [39.0, 0.5]]
SPLIT = {"columns": ["width", "length"], "data": [[1.0, 3.0], [0.5, 39.0]]}


def answers(make_service: MakeService, folder: Path, model: Any, inputs: Any, targets: Any, body: Any) -> list[Any]:
    """What MLflow's server and this service say to a body."""
    fitted = model.fit(inputs, targets)
    mlflow.sklearn.save_model(
        fitted,
        str(folder),
        signature=infer_signature(inputs, fitted.predict(inputs)),
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    registry = MemoryRegistry()
    registry.add_plain("size", folder)
    service = make_service(registry=registry, allow_pickle_models=True)
    theirs = TestClient(init(mlflow.pyfunc.load_model(str(folder)))).post("/invocations", json=body)
    ours = service.client.post("/models/size/invocations", json=body)
    assert (theirs.status_code, ours.status_code) == (200, 200), theirs.text + ours.text
    return [theirs.json()["predictions"], ours.json()["predictions"]]


@pytest.mark.parametrize(
    "classes",
    [BIG, BIG * 1.0, BIG > 0, BIG.astype(str), np.where(BIG > 0, "big", "small")],
    ids=["numbers", "floats", "truths", "digits", "texts"],
)
def test_classes_are_answered_as_the_model_has_them(make_service: MakeService, tmp_path: Path, classes: Any) -> None:
    body = {"dataframe_split": SPLIT}
    theirs, ours = answers(make_service, tmp_path / "model", LogisticRegression(), ROWS, classes, body)
    assert (ours, [type(value) for value in ours]) == (theirs, [type(value) for value in theirs])


@pytest.mark.parametrize("form", ["inputs", "instances"])
@pytest.mark.parametrize("model", [LogisticRegression(), DecisionTreeRegressor()])
def test_models_of_arrays_take_lists_of_lists(make_service: MakeService, tmp_path: Path, form: str, model: Any) -> None:
    theirs, ours = answers(make_service, tmp_path / "model", model, ROWS.to_numpy(), BIG, {form: LISTS})
    assert ours == theirs


@pytest.mark.parametrize(
    "body", [{"dataframe_records": RECORDS}, {"instances": RECORDS}, {"inputs": {"length": [3, 39], "width": [1, 0.5]}}]
)
def test_models_of_tables_take_records(make_service: MakeService, tmp_path: Path, body: Any) -> None:
    theirs, ours = answers(make_service, tmp_path / "model", LogisticRegression(), ROWS, BIG, body)
    assert ours == theirs
