"""A predictor answers as its bundle recorded, or refuses to load."""

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from inference_api.errors import Refusal
from inference_api.onnx_predictor import SORTED_ROWS, OnnxPredictor
from inference_api.predictor import CHUNK_ROWS
from pipeline.bundle import BundleError


def change(folder: Path, tmp_path: Path, **changes: Any) -> Path:
    copy = tmp_path / "bundle"
    shutil.copytree(folder, copy)
    path = copy / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    return copy


def test_integer_like_classes_are_integers_with_their_full_name(bundles: dict[str, Path]) -> None:
    predictor = OnnxPredictor("covertype", 3, bundles["covertype"])
    outcome = predictor.predict_one(
        predictor.validator.read_one(json.dumps(predictor.bundle.input_example).encode(), named=False)
    )
    assert isinstance(outcome.prediction, int)
    assert outcome.label == predictor.bundle.labels[str(outcome.prediction)]
    assert outcome.probabilities is not None
    assert sum(outcome.probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert max(outcome.probabilities, key=lambda name: outcome.probabilities[name]) == str(outcome.prediction)  # type: ignore[index]


def test_regression_is_a_number_in_the_unit_of_the_target(bundles: dict[str, Path]) -> None:
    predictor = OnnxPredictor("house_prices", 1, bundles["house_prices"])
    outcome = predictor.predict_one(predictor.validator.read(b'{"status":"sold"}', 1)[0][0])
    assert isinstance(outcome.prediction, float)
    assert outcome.prediction > 1  # dollars, not their logarithm
    assert outcome.label is None
    assert outcome.probabilities is None


def test_many_records_are_answered_like_single_ones_in_order(bundles: dict[str, Path]) -> None:
    predictor = OnnxPredictor("covertype", 1, bundles["covertype"])
    example = predictor.bundle.input_example
    rows = [tuple((example | {"Elevation": i % 4000}).values()) for i in range(CHUNK_ROWS + 10)]
    # A batch is sorted before the trees see it, and its answers are put back in order.
    assert predictor.bundle.sort_feature is not None
    many = predictor.predict_many(rows)
    assert len(many) == len(rows)
    assert len({tuple((each.probabilities or {}).values()) for each in many}) > 1
    for index in (0, 1234, CHUNK_ROWS - 1, CHUNK_ROWS, len(rows) - 1):
        single = predictor.predict_one(rows[index])
        assert single.prediction == many[index].prediction
        assert single.probabilities == pytest.approx(many[index].probabilities, abs=2e-6)


@pytest.mark.parametrize("count", [SORTED_ROWS - 1, SORTED_ROWS, CHUNK_ROWS + 1])
def test_sorting_changes_no_answer(bundles: dict[str, Path], tmp_path: Path, count: int) -> None:
    served = OnnxPredictor("covertype", 1, bundles["covertype"])
    unsorted = OnnxPredictor("covertype", 1, change(bundles["covertype"], tmp_path, sort_feature=None))
    generator, example = np.random.default_rng(count), served.bundle.input_example
    columns = {name: [value] * count for name, value in example.items()}
    for name in ("Elevation", "Aspect", "Horizontal_Distance_To_Roadways"):
        columns[name] = generator.integers(0, 4000, count).tolist()
    np.testing.assert_array_equal(served.scores(columns), unsorted.scores(columns))


def test_single_record_has_the_bits_that_it_has_among_many(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = OnnxPredictor("house_prices", 1, bundles["house_prices"])
    values = predictor.validator.read(b'{"status":"sold"}', 1)[0][0]
    logarithms = np.random.default_rng(0).uniform(-1, 20, (CHUNK_ROWS, 1)).astype(np.float32)
    monkeypatch.setattr(predictor, "_run_sorted", lambda _: logarithms)
    many = [outcome.prediction for outcome in predictor.predict_many([values] * len(logarithms))]
    answers = iter(logarithms)
    monkeypatch.setattr(predictor, "_run", lambda _: next(answers)[None])
    assert [predictor.predict_one(values).prediction for _ in logarithms] == many


@pytest.mark.parametrize("answer", [1000.0, 709.79, float("inf"), float("nan")])
def test_prediction_that_is_not_finite_is_refused(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch, answer: float
) -> None:
    predictor = OnnxPredictor("house_prices", 1, bundles["house_prices"])
    values = predictor.validator.read(b'{"status":"sold"}', 1)[0][0]
    monkeypatch.setattr(predictor, "_run", lambda rows: np.array([[1.0]] * (len(rows) - 1) + [[answer]]))
    with pytest.raises(Refusal, match="no finite prediction") as one:
        predictor.predict_one(values)
    with pytest.raises(Refusal) as many:
        predictor.predict_many([values] * 3)
    assert [refused.value.status for refused in (one, many)] == [422, 422]
    assert many.value.detail[0]["loc"] == ["body", "records", 2]  # type: ignore[index]


def test_probabilities_that_are_not_finite_are_refused(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = OnnxPredictor("penguins", 1, bundles["penguins"])
    values = predictor.validator.read(msgspec.json.encode(predictor.bundle.input_example), 1)[0][0]
    monkeypatch.setattr(predictor, "_run", lambda rows: np.full((len(rows), 3), np.nan))
    with pytest.raises(Refusal, match="no finite prediction"):
        predictor.predict_one(values)


def test_example_that_the_validator_refuses_is_a_damaged_bundle(bundles: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not answer its example"):
        OnnxPredictor("penguins", 1, change(bundles["penguins"], tmp_path, input_example={"nothing": 1}))


def test_model_that_answers_its_example_otherwise_is_refused(bundles: dict[str, Path], tmp_path: Path) -> None:
    wrong = change(bundles["penguins"], tmp_path, expected={"prediction": "Emperor"})
    with pytest.raises(BundleError, match="expected 'Emperor'"):
        OnnxPredictor("penguins", 1, wrong)


def test_encoding_that_does_not_fit_the_model_is_refused(bundles: dict[str, Path], tmp_path: Path) -> None:
    encoding = [{"kind": "numeric", "column": "bill_length_mm", "impute": 0}]
    with pytest.raises(BundleError, match="its encoding makes 1"):
        OnnxPredictor("penguins", 1, change(bundles["penguins"], tmp_path, encoding=encoding, sort_feature=None))


def test_classes_that_do_not_fit_the_model_are_refused(bundles: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="its bundle names 2 classes"):
        OnnxPredictor("penguins", 1, change(bundles["penguins"], tmp_path, classes=["Adelie", "Gentoo"]))


def test_file_that_is_no_onnx_model_is_refused(bundles: dict[str, Path], tmp_path: Path) -> None:
    broken = change(bundles["penguins"], tmp_path, onnx_sha256=sha256(b"nonsense").hexdigest())
    (broken / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(BundleError, match="ONNX Runtime"):
        OnnxPredictor("penguins", 1, broken)
