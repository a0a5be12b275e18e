"""Contributions are Shapley values: checked by hand, against the shap library, and by what defines them."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from inference_api import explanation
from inference_api.errors import Refusal
from inference_api.explanation import explain, shapley_values, typical_record
from inference_api.onnx_predictor import OnnxPredictor
from inference_api.predictor import Predictor
from inference_api.request_schema import Values

from .conftest import Service

URL = "/models/covertype/predict"


def example(predictor: Predictor) -> Values:
    return predictor.validator.read_one(msgspec.json.encode(predictor.bundle.input_example), named=False)


@pytest.mark.parametrize("name", ["covertype", "penguins", "house_prices"])
def test_contributions_add_up_to_the_answer(bundles: dict[str, Path], name: str) -> None:
    predictor = OnnxPredictor(name, 1, bundles[name])
    values = example(predictor)
    found = explain(predictor, values)
    assert list(found.contributions) == list(predictor.validator.columns)
    assert found.base_value + sum(found.contributions.values()) == pytest.approx(found.value, rel=1e-12, abs=1e-12)
    outcome = predictor.predict_one(values)
    if outcome.probabilities is None:
        assert found.output == "prediction"
        assert found.value == pytest.approx(outcome.prediction, rel=1e-6)
    else:
        assert found.output == f"probability of {outcome.prediction}"
        assert found.value == pytest.approx(outcome.probabilities[str(outcome.prediction)], abs=1e-6)


def test_typical_record_has_nothing_to_explain(bundles: dict[str, Path]) -> None:
    predictor = OnnxPredictor("covertype", 1, bundles["covertype"])
    found = explain(predictor, typical_record(predictor))
    assert set(found.contributions.values()) == {0.0}
    assert found.base_value == found.value


def test_feature_that_is_as_usual_contributes_nothing(bundles: dict[str, Path]) -> None:
    predictor = OnnxPredictor("covertype", 1, bundles["covertype"])
    typical = typical_record(predictor)
    elevation = predictor.validator.columns.index("Elevation")
    values = tuple(8000 if i == elevation else value for i, value in enumerate(typical))
    found = explain(predictor, values)
    assert {name for name, share in found.contributions.items() if share} <= {"Elevation"}
    assert found.contributions["Elevation"] == pytest.approx(found.value - found.base_value)


def linear_game(weights: list[float], offset: float) -> explanation.Game:
    def game(sets: NDArray[np.bool_]) -> NDArray[np.float64]:
        answers: NDArray[np.float64] = offset + sets @ np.array(weights)
        return answers

    return game


@pytest.mark.parametrize("count", [1, 3, 12, 13, 20])
def test_linear_model_is_explained_by_its_weights(count: int) -> None:
    weights = [float(number) - 4 for number in range(count)]
    shares, base, value = shapley_values(linear_game(weights, 10), count)
    assert shares == pytest.approx(weights)
    assert (base, value) == pytest.approx((10, 10 + sum(weights)))


def test_interaction_is_shared_equally() -> None:
    shares, _, _ = shapley_values(lambda sets: np.where(sets.all(axis=1), 6.0, 0.0), 3)
    assert shares == pytest.approx([2, 2, 2])


def test_no_feature_differs() -> None:
    shares, base, value = shapley_values(lambda sets: np.full(len(sets), 7.0), 0)
    assert (shares.tolist(), base, value) == ([], 7.0, 7.0)


def test_sampled_orders_come_close_add_up_and_are_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    weights, pairs = random.normal(size=10), random.normal(size=9)

    def game(sets: NDArray[np.bool_]) -> NDArray[np.float64]:
        both = np.stack([sets[:, i] & sets[:, j] for i, j in pairwise(range(10))], axis=1)
        answers: NDArray[np.float64] = sets @ weights + both @ pairs + 3.0 * sets[:, :3].all(axis=1)
        return answers

    exact, base, value = shapley_values(game, 10)
    monkeypatch.setattr(explanation, "EXACT_FEATURES", 5)
    sampled, *_ = shapley_values(game, 10)
    assert base + sampled.sum() == pytest.approx(value, abs=1e-12)
    assert sampled == pytest.approx(exact, abs=0.1)
    assert sampled.tolist() == shapley_values(game, 10)[0].tolist()


@pytest.mark.parametrize("name", ["covertype", "house_prices"])
def test_contributions_are_those_of_the_shap_library(
    bundles: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # compiling shap takes longer than running it once
    shap = pytest.importorskip("shap", reason="shap is not installed on this platform")
    predictor = OnnxPredictor(name, 1, bundles[name])
    columns = predictor.bundle.columns
    numbers = [i for i, column in enumerate(columns) if column.type in ("integer", "number")]
    typical = typical_record(predictor)
    # shap takes numbers only: the other features are as in the typical record, and contribute nothing.
    values = tuple(columns[i].statistics.maximum if i in numbers else typical[i] for i in range(len(columns)))
    place = int(np.argmax(predictor.scores(predictor.columns_of([values]))[0])) if predictor.classes else 0

    def model(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        whole = [list(typical) for _ in rows]
        for row, record in zip(rows.tolist(), whole, strict=True):
            for index, number in zip(numbers, row, strict=True):
                record[index] = number
        return predictor.scores(predictor.columns_of([tuple(record) for record in whole]))[:, place]

    background = np.array([[typical[i] for i in numbers]], dtype=np.float64)
    explainer = shap.explainers.Exact(model, shap.maskers.Independent(background, max_samples=1))
    theirs = explainer(np.array([[values[i] for i in numbers]], dtype=np.float64))
    found = explain(predictor, values)
    ours = [found.contributions[columns[i].name] for i in numbers]
    assert any(ours)
    scale = abs(found.value)
    assert ours == pytest.approx(theirs.values[0].tolist(), abs=1e-6 * max(1.0, scale))
    assert found.base_value == pytest.approx(float(theirs.base_values[0]), rel=1e-6)


def test_predictor_without_statistics_cannot_be_explained(bundles: dict[str, Path]) -> None:
    predictor = OnnxPredictor("covertype", 1, bundles["covertype"])
    columns = [
        column.model_copy(update={"statistics": type(column.statistics)()}) for column in predictor.bundle.columns
    ]
    predictor.bundle = predictor.bundle.model_copy(update={"columns": columns})
    with pytest.raises(Refusal, match="without statistics") as refused:
        explain(predictor, example(predictor))
    assert refused.value.status == 422


def test_answer_that_is_not_finite_on_the_way_is_refused(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = OnnxPredictor("house_prices", 1, bundles["house_prices"])
    monkeypatch.setattr(predictor, "scores", lambda columns: np.full((len(columns["bed"]), 1), np.inf))
    with pytest.raises(Refusal, match="no finite prediction"):
        explain(predictor, example(predictor))


@pytest.mark.parametrize("url", ["/predict", URL])
def test_explained_reply_is_the_plain_one_and_an_explanation(service: Service, url: str) -> None:
    record = service.client.get("/models/covertype").json()["input_example"]
    plain = service.client.post(url, json=record).json()
    explained = service.client.post(f"{url}?explain=true", json=record).json()
    found = explained.pop("explanation")
    assert explained == plain | {"request_id": explained["request_id"]}
    assert (found["method"], found["reference"], found["estimated"]) == ("shapley", "typical record", False)
    assert found["base_value"] + sum(found["contributions"].values()) == pytest.approx(found["value"])
    assert "explanation" not in service.client.post(f"{url}?explain=false", json=record).json()


def test_records_are_explained_one_by_one_up_to_a_limit(service: Service) -> None:
    record = service.client.get("/models/covertype").json()["input_example"]
    reply = service.client.post(f"{URL}?explain=true", json={"records": [record] * 3}).json()
    values: list[Any] = [each["explanation"]["value"] for each in reply["predictions"]]
    assert len(values) == 3
    assert len(set(values)) == 1
    many = service.client.post(f"{URL}?explain=true", json={"records": [record] * 21})
    assert many.status_code == 413
    assert "20" in many.json()["detail"]


def test_mistake_in_a_record_is_named_when_an_explanation_is_asked_for(service: Service) -> None:
    reply = service.client.post(f"{URL}?explain=true", json={"Elevation": "high"})
    assert reply.status_code == 422
    assert any(entry["loc"] == ["body", "Elevation"] for entry in reply.json()["detail"])


def test_openapi_describes_the_parameters_and_the_explanation(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    for path in ("/predict", "/models/{name}/predict"):
        names = {parameter["name"] for parameter in document["paths"][path]["post"]["parameters"]}
        assert {"version", "alias", "explain"} <= names
    assert "contributions" in document["components"]["schemas"]["Explanation"]["properties"]
