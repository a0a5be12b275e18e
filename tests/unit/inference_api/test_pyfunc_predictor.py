"""Models that were registered without a serving bundle are served through their signature, more slowly."""

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc import PythonModel
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.svm import LinearSVC

from inference_api.metrics import ServiceMetrics
from inference_api.pyfunc_predictor import PyfuncPredictor
from inference_api.shadow import MOST_LONG_RECORDS, ShadowRunner

from .conftest import MakeService, MemoryRegistry, Service

Save = Callable[..., Path]
SIZES = ["length (cm)", "width"]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.uniform(0, 10, (80, 2)), columns=SIZES)
    table["colour"] = random.choice(np.array(["red", "green"], dtype=object), 80)
    return table


@pytest.fixture(scope="module")
def species(rows: pd.DataFrame) -> Any:
    return np.where(rows["width"] > 5, "wide", np.where(rows["colour"] == "red", "red one", "other"))


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Save a model as `log_model` does, with its signature and an input example."""

    def saved(model: Any, inputs: Any, answers: Any, **options: Any) -> Path:
        folder = tmp_path / f"model-{len(list(tmp_path.iterdir()))}"
        defaults = {
            "signature": infer_signature(inputs, answers),
            "input_example": inputs[:2],
            "pip_requirements": ["scikit-learn"],
            "skops_trusted_types": ["sklearn.tree._tree.Tree", "numpy.dtype"],
        }
        mlflow.sklearn.save_model(model, str(folder), **(defaults | options))
        return folder

    return saved


@pytest.fixture
def classifier(rows: pd.DataFrame, species: Any) -> Any:
    colours = make_column_transformer((OneHotEncoder(), ["colour"]), remainder="passthrough")
    return make_pipeline(colours, RandomForestClassifier(10, random_state=0)).fit(rows, species)


def serve(make_service: MakeService, folder: Path, name: str = "flowers", **settings: Any) -> Service:
    registry = MemoryRegistry()
    registry.add_plain(name, folder)
    return make_service(registry=registry, **settings)


def predict(service: Service, body: Any, query: str = "") -> Any:
    reply = service.client.post(f"/models/flowers/predict{query}", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_classifier_answers_as_the_model_itself(
    make_service: MakeService, save: Save, classifier: Any, rows: pd.DataFrame, species: Any
) -> None:
    service = serve(make_service, save(classifier, rows, species))
    records = rows.to_dict("records")
    replies = predict(service, {"records": records})
    assert [each["prediction"] for each in replies["predictions"]] == classifier.predict(rows).tolist()
    single = predict(service, records[3])
    assert single["prediction"] == single["label"] == classifier.predict(rows)[3]
    expected = dict(zip(classifier.classes_, classifier.predict_proba(rows)[3], strict=True))
    assert single["probabilities"] == pytest.approx(expected, abs=1e-6)
    columns = predict(service, {"columns": rows.to_dict("list")})["columns"]
    assert columns["prediction"] == classifier.predict(rows).tolist()


def test_model_says_which_path_it_is_on_and_what_it_takes(
    make_service: MakeService, save: Save, classifier: Any, rows: pd.DataFrame, species: Any
) -> None:
    service = serve(make_service, save(classifier, rows, species))
    model = service.client.get("/models/flowers").json()
    assert (model["status"], model["path"], model["task"], model["version"]) == (
        "serving",
        "pyfunc",
        "classification",
        1,
    )
    types = {name: found["type"] for name, found in model["schema"]["properties"].items()}
    assert types == {"length (cm)": "number", "width": "number", "colour": "string"}
    assert model["input_example"] == rows.iloc[0].to_dict()
    assert service.client.get("/openapi.json").status_code == 200
    predict(service, model["input_example"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": "broad"}, "width must be a number"),
        ({"width": None}, "width is required"),
        ({"widht": 3}, "did you mean width"),
        ({"colour": 5.5j.imag > 0}, "colour must be a text"),
    ],
)
def test_mistakes_are_named_by_the_signature(
    make_service: MakeService,
    save: Save,
    classifier: Any,
    rows: pd.DataFrame,
    species: Any,
    change: dict[str, Any],
    words: str,
) -> None:
    service = serve(make_service, save(classifier, rows, species))
    reply = service.client.post("/models/flowers/predict", json=rows.iloc[0].to_dict() | change)
    assert reply.status_code == 422
    assert words in reply.text


def test_regression_of_an_array_takes_numbered_columns(make_service: MakeService, save: Save) -> None:
    inputs = np.arange(40.0).reshape(20, 2)
    model = LinearRegression().fit(inputs, inputs @ [2.0, 3.0] + 1)
    service = serve(make_service, save(model, inputs, model.predict(inputs)))
    reply = predict(service, {"x0": 1, "x1": 2})
    assert reply["prediction"] == pytest.approx(9)
    assert (reply["label"], reply["probabilities"]) == (None, None)


def test_classifier_without_probabilities_answers_none(
    make_service: MakeService, save: Save, rows: pd.DataFrame, species: Any
) -> None:
    model = LinearSVC().fit(rows[SIZES], species)
    service = serve(make_service, save(model, rows[SIZES], species))
    record = rows[SIZES].iloc[0].to_dict()
    reply = predict(service, record)
    assert (reply["prediction"], reply["probabilities"]) == (model.predict(rows[SIZES])[0], None)
    assert predict(service, {"records": [record] * 2})["predictions"][1]["prediction"] == reply["prediction"]


PICKLE = {"serialization_format": "cloudpickle", "skops_trusted_types": None}


def test_threshold_deep_inside_a_model_decides_its_answers(
    make_service: MakeService, save: Save, rows: pd.DataFrame
) -> None:
    table, wide = rows[SIZES], (rows["width"] > 5).astype(int)
    threshold = FixedThresholdClassifier(LogisticRegression(), threshold=0.9)
    model = GridSearchCV(threshold, {"estimator__C": [0.1]}, cv=2).fit(table, wide)
    service = serve(make_service, save(model, table, wide, **PICKLE), allow_pickle_models=True)
    expected, probable = model.predict(table), model.predict_proba(table).argmax(axis=1)
    assert (expected != probable).sum() > 10
    records = table.to_dict("records")
    singles = [predict(service, record) for record in records]
    many = predict(service, {"records": records})["predictions"]
    columns = predict(service, {"columns": table.to_dict("list")})["columns"]
    assert [each["prediction"] for each in singles] == expected.tolist()
    assert [each["prediction"] for each in many] == columns["prediction"] == expected.tolist()
    assert columns["label"] == [str(value) for value in expected]
    assert [each["probabilities"]["1"] for each in singles] == pytest.approx(model.predict_proba(table)[:, 1], abs=1e-6)


@pytest.mark.parametrize("logged", [{}, {"input_example": None}])
def test_model_with_several_outputs_is_refused_when_it_is_loaded(
    make_service: MakeService, save: Save, rows: pd.DataFrame, logged: dict[str, Any]
) -> None:
    table, answers = rows[SIZES], (rows[SIZES] > 5).astype(int)
    model = MLPClassifier((3,), max_iter=2000, random_state=0).fit(table, answers)
    service = serve(make_service, save(model, table, answers, **PICKLE, **logged), allow_pickle_models=True)
    assert ", 2]: only models with one answer a record are served" in problem(service)


def test_classes_keep_the_type_that_the_model_has_for_them(
    make_service: MakeService, save: Save, rows: pd.DataFrame
) -> None:
    model = LogisticRegression().fit(rows[SIZES], rows["width"].round())
    service = serve(make_service, save(model, rows[SIZES], rows["width"]))
    assert service.store.find("flowers").class_values == model.classes_.tolist()
    assert isinstance(service.store.find("flowers").class_values[0], float)


def test_model_without_classes_answers_numbers(make_service: MakeService, save: Save, rows: pd.DataFrame) -> None:
    model = KMeans(3, random_state=0, n_init=1).fit(rows[SIZES])
    service = serve(make_service, save(model, rows[SIZES], model.predict(rows[SIZES])))
    assert predict(service, rows[SIZES].iloc[0].to_dict())["prediction"] == model.predict(rows[SIZES])[0]


def test_optional_integer_boolean_and_day_columns(make_service: MakeService, save: Save) -> None:
    table = pd.DataFrame(
        {
            "count": pd.Series([1, 2, 3, 4], dtype="int64"),
            "sold": [True, False, True, False],
            "day": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-02-01", "2026-03-01"]),
            "price": [1.0, np.nan, 3.0, 4.0],
        }
    )
    signature = infer_signature(table, np.array([0.5]))
    signature.inputs.inputs[3]._required = False
    model = make_pipeline(make_column_transformer(("passthrough", ["count", "sold"])), LinearRegression()).fit(
        table, [1.0, 2.0, 3.0, 4.0]
    )
    service = serve(make_service, save(model, table, np.array([0.5]), signature=signature))
    record = {"count": 2, "sold": 1, "day": "2026-05-01", "price": None}
    expected = model.predict(table.assign(sold=table["sold"]).iloc[[1]].assign(sold=True))[0]
    assert predict(service, record)["prediction"] == pytest.approx(expected)
    for wrong in ({"sold": 2}, {"count": 1.5}, {"day": "soon"}):
        assert service.client.post("/models/flowers/predict", json=record | wrong).status_code == 422


def test_boolean_column_takes_true_in_every_form_of_body(make_service: MakeService, tmp_path: Path) -> None:
    folder = save_code(tmp_path / "sum", Sum(), {"a": "boolean", "b": "double"})
    service = serve(make_service, folder, allow_pickle_models=True)
    assert predict(service, {"a": True, "b": 1})["prediction"] == 2
    assert predict(service, {"columns": {"a": [True, False, 1], "b": [1, 1, 1]}})["columns"]["prediction"] == [2, 1, 2]
    for url, body in (
        ("/models/flowers/invocations", {"dataframe_records": [{"a": True, "b": 1}]}),
        (
            "/v2/models/flowers/infer",
            {
                "inputs": [
                    {"name": "a", "shape": [1], "datatype": "BOOL", "data": [True]},
                    {"name": "b", "shape": [1], "datatype": "FP64", "data": [1]},
                ]
            },
        ),
    ):
        reply = service.client.post(url, json=body)
        assert (reply.status_code, "2.0" in reply.text) == (200, True), reply.text
    schema = service.client.get("/models/flowers").json()["schema"]
    assert jsonschema.Draft202012Validator(schema).is_valid({"a": True, "b": 1})
    assert not jsonschema.Draft202012Validator(schema).is_valid({"a": 2, "b": 1})


@pytest.fixture
def texts(make_service: MakeService, save: Save) -> Service:
    """A model that tells good reviews from bad ones by their words."""
    table = pd.DataFrame({"review": ["a good film", "a bad film"] * 20})
    words = make_column_transformer((TfidfVectorizer(), "review"))
    model = make_pipeline(words, LogisticRegression()).fit(table, ["good", "bad"] * 20)
    folder = save(model, table, np.array(["good"]), **PICKLE)
    return serve(make_service, folder, allow_pickle_models=True)


def test_long_texts_are_read_whole_and_logged_in_part(texts: Service) -> None:
    review = "very, very\n" * 9_000 + "good"
    assert predict(texts, {"review": review})["prediction"] == "good"
    # Beyond a megabyte too, which only what is well-formed may have.
    many = predict(texts, {"records": [{"review": review}, {"review": review[:-4] + "bad"}] * 10})
    assert [each["prediction"] for each in many["predictions"]] == ["good", "bad"] * 10
    reply = texts.client.post("/models/flowers/predict", json={"review": review * 2})
    assert (reply.status_code, "0 to 100,000 characters" in reply.text) == (422, True)
    schema = texts.client.get("/models/flowers").json()["schema"]
    assert schema["properties"]["review"]["maxLength"] == 100_000
    texts.client.__exit__(None, None, None)
    assert len(texts.logged) == 21
    assert {row["features"]["review"] for row in texts.logged} == {review[:255]}


def test_shadow_of_a_model_of_long_texts_keeps_few_of_them(texts: Service) -> None:
    champion = texts.store.find("flowers")
    runner = ShadowRunner(ServiceMetrics())
    rows = [("good " * 1000,)] * 50
    runner.offer(champion, champion, rows, champion.predict_many(rows))
    assert len(runner._queue[0].rows) == MOST_LONG_RECORDS


def test_values_that_the_model_refuses_are_the_clients_mistake(make_service: MakeService, save: Save) -> None:
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 3.0]})
    signature = infer_signature(table, np.array([0.5]))
    signature.inputs.inputs[1]._required = False
    model = LinearRegression().fit(table, [1.0, 2.0])
    service = serve(make_service, save(model, table, np.array([0.5]), signature=signature))
    reply = service.client.post("/models/flowers/predict", json={"a": 1})
    assert reply.status_code == 422
    assert "NaN" in reply.text


def test_refusal_without_a_word_is_named_by_its_kind(
    make_service: MakeService,
    save: Save,
    classifier: Any,
    rows: pd.DataFrame,
    species: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = serve(make_service, save(classifier, rows, species))
    predictor = service.store.states["flowers"].predictor
    assert isinstance(predictor, PyfuncPredictor)

    def refuse(_: Any) -> Any:
        raise ValueError

    monkeypatch.setattr(predictor._model, "predict_proba", refuse, raising=False)
    reply = service.client.post("/models/flowers/predict", json=rows.to_dict("records")[0])
    assert (reply.status_code, "these values: ValueError" in reply.text) == (422, True), reply.text


def problem(service: Service) -> str:
    model = service.client.get("/models/flowers").json()
    assert model["status"] == "not loaded"
    assert service.client.post("/models/flowers/predict", json={}).status_code == 503
    found: str = model["detail"]
    return found


def test_model_without_signature_says_how_to_give_it_one(
    make_service: MakeService, save: Save, rows: pd.DataFrame
) -> None:
    model = KMeans(2, n_init=1).fit(rows[SIZES])
    folder = save(model, rows[SIZES], [1], signature=False, input_example=None)
    assert "infer_signature" in problem(serve(make_service, folder))


def test_pickle_is_read_only_where_a_setting_allows_it(
    make_service: MakeService, save: Save, rows: pd.DataFrame, species: Any
) -> None:
    model = LogisticRegression().fit(rows[SIZES], species)
    folder = save(model, rows[SIZES], species, serialization_format="cloudpickle", skops_trusted_types=None)
    assert "ALLOW_PICKLE_MODELS" in problem(serve(make_service, folder))
    allowed = serve(make_service, folder, allow_pickle_models=True)
    assert predict(allowed, rows[SIZES].iloc[0].to_dict())["prediction"] == model.predict(rows[SIZES])[0]


class Sum(PythonModel):
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002
        return np.asarray(model_input, dtype=float).sum(axis=1)


def save_code(folder: Path, model: PythonModel, inputs: Any, **options: Any) -> Path:
    """Save a model of any code, which MLflow gives what its signature says and nothing else."""
    columns = inputs if isinstance(inputs, Schema) else Schema([ColSpec(kind, name) for name, kind in inputs.items()])
    signature = ModelSignature(columns, Schema([ColSpec("double")]))
    mlflow.pyfunc.save_model(
        str(folder), python_model=model, signature=signature, pip_requirements=["pandas"], **options
    )
    return folder


@pytest.mark.parametrize(
    ("kind", "value"),
    [("double", 1.5), ("float", 1.5), ("long", 2), ("integer", 2), ("boolean", 1), ("float", 1), ("integer", "2")],
)
def test_values_have_the_types_that_the_signature_names(
    make_service: MakeService, tmp_path: Path, kind: str, value: Any
) -> None:
    folder = save_code(tmp_path / "sum", Sum(), {"a": kind, "b": "double"})
    service = serve(make_service, folder, allow_pickle_models=True)
    record = {"a": value, "b": 1}
    assert predict(service, record)["prediction"] == float(value) + 1
    assert [each["prediction"] for each in predict(service, {"records": [record] * 2})["predictions"]] == [
        float(value) + 1
    ] * 2


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "uint64"])
def test_array_has_the_type_that_the_signature_names(make_service: MakeService, tmp_path: Path, dtype: str) -> None:
    inputs = Schema([TensorSpec(np.dtype(dtype), (-1, 2))])
    service = serve(make_service, save_code(tmp_path / "sum", Sum(), inputs), allow_pickle_models=True)
    assert predict(service, {"x0": 3, "x1": 4})["prediction"] == 7
    # What the type does not hold is named, and never wrapped around to another number.
    reply = service.client.post("/models/flowers/predict", json={"x0": 1e300, "x1": -1e300})
    assert reply.status_code == 422
    assert [mistake["loc"][-1] for mistake in reply.json()["detail"]] == ["x0", "x1"]


@pytest.mark.parametrize("kind", ["long", "integer", "boolean"])
def test_optional_whole_number_may_be_missing_in_some_records(
    make_service: MakeService, tmp_path: Path, kind: str
) -> None:
    inputs = Schema([ColSpec(kind, "a", required=False), ColSpec(kind, "b", required=False), ColSpec("double", "c")])
    service = serve(make_service, save_code(tmp_path / "sum", Sum(), inputs), allow_pickle_models=True)
    records = [{"a": 1, "b": 1, "c": 0.5}, {"c": 0.25}, {"a": 1, "b": None, "c": 2}, {"b": 1, "c": 3}, {"c": 4}]
    expected = [2.5, 0.25, 3, 4, 4]
    assert [predict(service, record)["prediction"] for record in records] == expected
    many = predict(service, {"records": records})["predictions"]
    assert [each["prediction"] for each in many] == expected


def test_day_that_the_type_does_not_hold_is_the_clients_mistake(make_service: MakeService, tmp_path: Path) -> None:
    folder = save_code(tmp_path / "days", Days(), {"day": "datetime"})
    service = serve(make_service, folder, allow_pickle_models=True)
    assert predict(service, {"day": "1970-01-11"})["prediction"] == 10
    reply = service.client.post("/models/flowers/predict", json={"day": "1200-01-01"})
    assert (reply.status_code, "cannot predict these values" in reply.text) == (422, True), reply.text


class Days(PythonModel):
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002
        return model_input["day"].to_numpy().astype("datetime64[D]").astype(float)


class Picky(PythonModel):
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002
        if (model_input["a"] < 0).any():
            raise MlflowException("schema of data 'a\n0 1'. Error: a must not be below 0", INVALID_PARAMETER_VALUE)
        if (model_input["a"] > 100).any():
            raise MlflowException("the feature store does not answer")
        return model_input["a"]


def test_schema_that_was_not_kept_is_the_clients_mistake_and_nothing_else_is(
    make_service: MakeService, tmp_path: Path
) -> None:
    folder = save_code(tmp_path / "picky", Picky(), {"a": "double"})
    service = serve(make_service, folder, allow_pickle_models=True)
    reply = service.client.post("/models/flowers/predict", json={"a": -1})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["msg"].endswith("cannot predict these values: a must not be below 0")
    with pytest.raises(MlflowException, match="feature store"):
        service.client.post("/models/flowers/predict", json={"a": 101})


class Broken(PythonModel):
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002
        return model_input["another column"]


def test_model_that_answers_no_record_is_refused_when_it_is_loaded(make_service: MakeService, tmp_path: Path) -> None:
    folder = save_code(tmp_path / "broken", Broken(), {"a": "string"})
    found = problem(serve(make_service, folder, allow_pickle_models=True))
    assert "does not answer a record made up from its signature: KeyError: 'another column'" in found
    assert "log it with an input example" in found


@pytest.mark.parametrize("kind", ["other columns", "never fitted"])
def test_scikit_learn_model_that_answers_no_record_is_refused_when_it_is_loaded(
    make_service: MakeService, save: Save, rows: pd.DataFrame, classifier: Any, species: Any, kind: str
) -> None:
    model = LogisticRegression().fit(rows[SIZES], species) if kind == "other columns" else clone(classifier)
    inputs = rows[["width"]] if kind == "other columns" else rows
    folder = save(model, inputs, species, input_example=None)
    assert "made up from its signature" in problem(serve(make_service, folder))


def test_model_that_knows_no_made_up_category_is_served_and_said_to_be_untried(
    make_service: MakeService,
    save: Save,
    classifier: Any,
    rows: pd.DataFrame,
    species: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = serve(make_service, save(classifier, rows, species, input_example=None))
    assert "was not tried before it is served, as it has no input example" in caplog.text
    record = rows.to_dict("records")[0]
    assert predict(service, record)["prediction"] == classifier.predict(rows)[0]
    reply = service.client.post("/models/flowers/predict", json=record | {"colour": "blue"})
    assert (reply.status_code, "unknown categories" in reply.text) == (422, True)


def test_model_of_any_code_needs_that_setting_too(
    make_service: MakeService, rows: pd.DataFrame, tmp_path: Path
) -> None:
    table = rows[SIZES]
    folder = tmp_path / "sum"
    mlflow.pyfunc.save_model(
        str(folder),
        python_model=Sum(),
        signature=infer_signature(table, table.sum(axis=1)),
        pip_requirements=["pandas"],
    )
    assert "ALLOW_PICKLE_MODELS" in problem(serve(make_service, folder))
    allowed = serve(make_service, folder, allow_pickle_models=True)
    assert predict(allowed, {"length (cm)": 1.5, "width": 2})["prediction"] == pytest.approx(3.5)


def harmless(values: Any) -> Any:
    return values


def test_types_nobody_reviewed_are_refused_whatever_the_model_says(
    make_service: MakeService, save: Save, rows: pd.DataFrame
) -> None:
    model = make_pipeline(FunctionTransformer(harmless), KMeans(2, n_init=1)).fit(rows[SIZES])
    trusted = [f"{__name__}.harmless"]
    folder = save(model, rows[SIZES], [1], skops_trusted_types=trusted, input_example=None)
    assert "types that are not trusted" in problem(serve(make_service, folder))


def test_damaged_file_is_not_served_and_the_last_good_version_stays(
    make_service: MakeService, save: Save, classifier: Any, rows: pd.DataFrame, species: Any
) -> None:
    good = save(classifier, rows, species)
    service = serve(make_service, good)
    bad = save(classifier, rows, species)
    content = (bad / "model.skops").read_bytes()
    (bad / "model.skops").write_bytes(content[: len(content) // 2])
    service.registry.add_plain("flowers", bad)
    service.store.refresh()
    model = service.client.get("/models/flowers").json()
    assert (model["status"], model["champion_version"]) == ("stale", 1)
    assert "cannot be read" in model["detail"]


@pytest.mark.parametrize("content", ["flavors: [", "5", "flavors: {}\nsignature: {inputs: '{'}"])
def test_damaged_description_is_named(make_service: MakeService, save: Save, rows: pd.DataFrame, content: str) -> None:
    folder = save(KMeans(2, n_init=1).fit(rows[SIZES]), rows[SIZES], [1])
    (folder / "MLmodel").write_text(content, encoding="utf-8")
    assert "version 1" in problem(serve(make_service, folder))


@pytest.mark.parametrize("kind", ["binary", "array", "object"])
def test_signature_that_no_flat_record_fits_is_named(
    make_service: MakeService, save: Save, rows: pd.DataFrame, kind: str
) -> None:
    folder = save(KMeans(2, n_init=1).fit(rows[SIZES]), rows[SIZES], [1])
    description = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    description["signature"]["inputs"] = json.dumps([{"type": kind, "name": "picture"}])
    (folder / "MLmodel").write_text(yaml.safe_dump(description), encoding="utf-8")
    assert "'picture'" in problem(serve(make_service, folder))


def test_example_that_the_model_fails_on_keeps_it_from_being_served(
    make_service: MakeService, save: Save, rows: pd.DataFrame
) -> None:
    folder = save(KMeans(2, n_init=1).fit(rows[SIZES]), rows[SIZES], [1])
    example = {"columns": SIZES, "data": [[1.0, "narrow"]]}
    (folder / "input_example.json").write_text(json.dumps(example), encoding="utf-8")
    assert "does not answer its input example" in problem(serve(make_service, folder))


def test_missing_libraries_are_named_with_the_setting_that_brings_them(
    make_service: MakeService, save: Save, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(KMeans(2, n_init=1).fit(rows[SIZES]), rows[SIZES], [1])
    original = builtins.__import__

    def without_skops(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "skops":
            raise ModuleNotFoundError(f"No module named {name!r}", name="skops")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_skops)
    service = serve(make_service, folder)
    monkeypatch.undo()
    assert "INFERENCE_ANY_MODEL=true" in problem(service)


def test_restart_during_an_outage_serves_it_from_the_cache(
    make_service: MakeService, save: Save, classifier: Any, rows: pd.DataFrame, species: Any
) -> None:
    service = serve(make_service, save(classifier, rows, species))
    before = predict(service, rows.iloc[0].to_dict())
    service.registry.down = True
    late = make_service(registry=service.registry, wait=False)
    late.store.load_cached()
    after = predict(late, rows.iloc[0].to_dict())
    assert after["probabilities"] == before["probabilities"]
    [damaged] = (late.cache_dir / "flowers").glob("*/model.skops")
    damaged.write_bytes(damaged.read_bytes() + b"x")
    later = make_service(registry=service.registry, wait=False)
    later.store.load_cached()
    assert "flowers" not in later.store.states


def test_explanation_needs_statistics_that_such_a_model_lacks(
    make_service: MakeService, save: Save, classifier: Any, rows: pd.DataFrame, species: Any
) -> None:
    service = serve(make_service, save(classifier, rows, species))
    reply = service.client.post("/models/flowers/predict?explain=true", json=rows.iloc[0].to_dict())
    assert reply.status_code == 422
    assert "without statistics" in reply.text


def test_answer_is_made_off_the_event_loop(save: Save, classifier: Any, rows: pd.DataFrame, species: Any) -> None:
    from inference_api.selection import Choice

    registry = MemoryRegistry()
    registry.add_plain("flowers", save(classifier, rows, species))
    [version] = registry.versions("flowers")
    predictor = PyfuncPredictor(version, registry.models[version.run_id], allow_pickle=False)
    assert not Choice(predictor).is_quick
