"""A bundle is read back as written, and refused when it is damaged or does not hold together."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.bundle import Bundle, BundleError, bundle_digest, load_bundle, save_bundle

MODEL = b"not a real model"


def content(**changes: Any) -> dict[str, Any]:
    return {
        "use_case": "birds",
        "task": "classification",
        "title": "Birds",
        "target": "species",
        "classes": ["1", "2"],
        "labels": {"1": "Duck", "2": "Goose"},
        "columns": [
            {"name": "mass", "type": "number", "unit": "g", "statistics": {"minimum": 1, "maximum": 9, "median": 4}},
            {"name": "sea", "type": "category", "categories": {"n": "North", "s": "South"}},
        ],
        "sort_feature": 0,
        "encoding": [
            {"kind": "numeric", "column": "mass", "impute": 4},
            {"kind": "onehot", "column": "sea", "categories": ["n", "s"]},
        ],
        "input_example": {"mass": 4, "sea": "n"},
        "expected": {"prediction": "1", "probabilities": {"1": 0.75, "2": 0.25}},
        "dataset_digest": "d",
        "run_id": "r",
        "created_at": "2026-01-01T00:00:00Z",
    } | changes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_bundle(Bundle.model_validate(content()), tmp_path / "serving", MODEL)
    return tmp_path / "serving"


def test_bundle_is_read_back_as_written(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle == Bundle.model_validate(content(onnx_sha256=bundle.onnx_sha256))
    assert bundle.width == 3
    assert bundle.expected.prediction == "1"


def test_model_other_than_the_recorded_one_is_refused(folder: Path) -> None:
    before = bundle_digest(folder)
    (folder / "model.onnx").write_bytes(MODEL + b"!")
    with pytest.raises(BundleError, match="damaged or altered"):
        load_bundle(folder)
    assert bundle_digest(folder) != before


def test_digest_covers_the_description_as_well(folder: Path) -> None:
    before = bundle_digest(folder)
    path = folder / "bundle.json"
    path.write_text(path.read_text(encoding="utf-8").replace("Goose", "Swan"), encoding="utf-8")
    assert bundle_digest(folder) != before


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format"),
        ({"classes": []}, "'classes' must be listed"),
        ({"task": "regression"}, "'classes' must be listed"),
        ({"encoding": [{"kind": "numeric", "column": "weight", "impute": 0}]}, "'weight', which is not one of"),
        ({"encoding": [{"kind": "numeric", "column": "sea", "impute": 0}]}, "'sea' as a number"),
        ({"encoding": [{"kind": "linear", "name": "x", "terms": {"mass": 1}, "impute": {}}]}, "no 'impute' value"),
        ({"encoding": [{"kind": "lookup", "column": "sea", "values": {"n": [1, 2]}, "default": [0]}]}, "1 numbers"),
        ({"encoding": [{"kind": "sideways"}]}, "encoding.0"),
        ({"sort_feature": 3}, "the input row has 3 numbers"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_mistake_in_the_description_is_named(folder: Path, changes: dict[str, Any], message: str) -> None:
    (folder / "bundle.json").write_text(json.dumps(content(**changes)), encoding="utf-8")
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


@pytest.mark.parametrize(("answer", "right"), [(3e-7, True), (0.02, True), (-0.02, True), (0.2, False)])
def test_an_answer_next_to_zero_is_compared_by_the_range_of_answers(answer: float, right: bool) -> None:
    document = content(task="regression", classes=[], labels={}, expected={"prediction": 1e-8})
    known = Bundle.model_validate(document | {"prediction_statistics": {"minimum": -2000, "maximum": 3000}})
    assert known.expects(answer, None, 1e-3) is right
    assert not Bundle.model_validate(document).expects(answer, None, 1e-3)
