"""A use case file is either understood as written or refused with the place and the remedy."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import ConfigurationError
from pipeline.use_case import UseCase, find_use_case, load_use_case, load_use_cases
from tests.conftest import USE_CASES


def minimal() -> dict[str, Any]:
    return {
        "name": "irises",
        "title": "Irises",
        "task": "classification",
        "columns": [
            {"name": "length", "type": "number", "minimum": 0},
            {"name": "kind", "type": "category", "role": "target", "categories": {"a": "A", "b": "B"}},
        ],
        "training": {"metric": "accuracy", "search": {"candidates": [{"estimator": "random_forest"}]}},
    }


def write(folder: Path, document: Any, name: str = "irises") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_shipped_use_cases_are_the_three_of_the_course() -> None:
    assert list(load_use_cases(USE_CASES)) == ["covertype", "house_prices", "penguins"]


def test_covertype_has_twelve_features_and_seven_classes(covertype: UseCase) -> None:
    assert len(covertype.features) == 12
    assert covertype.classes == ["1", "2", "3", "4", "5", "6", "7"]
    assert covertype.greater_is_better


def test_house_prices_keep_the_delivered_column_order(house_prices: UseCase) -> None:
    assert ",".join(column.name for column in house_prices.columns) == (
        "brokered_by,status,price,bed,bath,acre_lot,street,city,state,zip_code,house_size,prev_sold_date"
    )
    assert not house_prices.greater_is_better


def test_ignored_columns_are_not_features(penguins: UseCase) -> None:
    assert "year" not in [column.name for column in penguins.features]


def test_a_minimal_file_is_enough(tmp_path: Path) -> None:
    use_case = load_use_case(write(tmp_path, minimal()))
    assert use_case.source.path == "/data"
    assert use_case.training.holdout_share == 0.2


def test_a_use_case_is_frozen(covertype: UseCase) -> None:
    with pytest.raises(Exception, match="frozen"):
        covertype.title = "another"  # type: ignore[misc]


def _with(**changes: Any) -> dict[str, Any]:
    return minimal() | changes


def _feature(**keys: Any) -> dict[str, Any]:
    return _with(columns=[keys, minimal()["columns"][1]])


def _target(**keys: Any) -> dict[str, Any]:
    return _with(columns=[minimal()["columns"][0], keys])


MISTAKES = {
    "unknown key": (_with(colums=[]), "colums"),
    "missing title": ({key: value for key, value in minimal().items() if key != "title"}, "title"),
    "unknown type": (_feature(name="length", type="float"), r"columns.0.type.*float"),
    "category without values": (_feature(name="colour", type="category"), "'colour' is a category"),
    "limits crossed": (
        _feature(name="length", type="number", minimum=3, maximum=1),
        "minimum 3.0 is above maximum 1.0",
    ),
    "limits of a text": (_feature(name="city", type="text", minimum=0), "cannot have a minimum"),
    "name that no table can hold": (_feature(name="a b", type="number"), r"columns.0.name"),
    "same name twice": (_feature(name="KIND", type="number"), "column names must differ"),
    "two targets": (_feature(name="length", type="number", role="target"), "exactly one column needs 'role: target'"),
    "no feature": (_feature(name="length", type="number", role="ignored"), "at least one column must be a feature"),
    "one class": (_target(name="kind", type="category", role="target", categories={"a": "A"}), "two or more values"),
    "nullable target": (
        _target(name="kind", type="category", role="target", categories={"a": "A", "b": "B"}, nullable=True),
        "cannot be nullable",
    ),
    "numeric target of a classification": (_target(name="kind", type="number", role="target"), "must be a category"),
    "metric of the other task": (
        _with(training=minimal()["training"] | {"metric": "rmse"}),
        "training.metric 'rmse' is not one of accuracy",
    ),
    "log target of a classification": (_with(training=minimal()["training"] | {"log_target": True}), "log_target"),
    "derived from a text": (_with(derived_features=[{"name": "sum", "terms": {"kind": 1}}]), "not numeric features"),
    "holdout of everything": (_with(training=minimal()["training"] | {"holdout_share": 1}), "training.holdout_share"),
    "not a mapping": (["a"], "must hold a mapping"),
}


@pytest.mark.parametrize(("document", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_with_its_place(tmp_path: Path, document: Any, message: str) -> None:
    path = write(tmp_path, document)
    with pytest.raises(ConfigurationError, match=message) as error:
        load_use_case(path)
    assert str(path) in str(error.value)


def test_every_mistake_of_a_file_is_listed(tmp_path: Path) -> None:
    document = _with(task="clustering", surprise=1)
    with pytest.raises(ConfigurationError, match=r"(?s)task.*surprise"):
        load_use_case(write(tmp_path, document))


def test_broken_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "irises.yaml"
    path.write_text("name: [unclosed", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not valid YAML"):
        load_use_case(path)


def test_the_file_must_be_named_after_the_use_case(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"must be named irises\.yaml"):
        load_use_case(write(tmp_path, minimal(), name="flowers"))


def test_an_unknown_use_case_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="known: covertype, house_prices, penguins"):
        find_use_case(USE_CASES, "wines")


@pytest.mark.parametrize("name", ["../covertype", "", "COVERTYPE", "covertype.yaml"])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no use case"):
        find_use_case(USE_CASES, name)


def test_two_use_cases_cannot_share_a_source(tmp_path: Path) -> None:
    write(tmp_path, minimal())
    write(tmp_path, _with(name="tulips"), name="tulips")
    with pytest.raises(ConfigurationError, match=r"irises and tulips share source\.path /data"):
        load_use_cases(tmp_path)


def test_an_empty_folder_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="USE_CASES_DIR"):
        load_use_cases(tmp_path)
