"""Which rows a use case publishes: a CSV file first, then the real data, then the generator."""

import json
from pathlib import Path
from typing import Any

import pytest

from external_data_api.datasets import Dataset, open_dataset
from pipeline.errors import ConfigurationError
from pipeline.settings import ExternalDataApiSettings
from pipeline.use_case import UseCase


@pytest.fixture
def iris() -> UseCase:
    """A use case that nobody wrote a generator for."""
    return UseCase.model_validate(
        {
            "name": "iris",
            "title": "Iris",
            "task": "classification",
            "source": {"path": "/iris/data", "restart_path": "/iris/restart"},
            "columns": [
                {"name": "petal", "type": "number"},
                {"name": "kind", "type": "category", "role": "target", "categories": {"a": "A", "b": "B"}},
            ],
            "training": {"metric": "accuracy", "search": {"candidates": [{"estimator": "random_forest"}]}},
        }
    )


@pytest.fixture
def iris_csv(tmp_path: Path) -> Path:
    path = tmp_path / "iris.csv"
    path.write_text("kind,petal\n" + "".join(f"{'a' if n < 20 else 'b'},{n}\n" for n in range(40)))
    return path


def settings(**values: Any) -> ExternalDataApiSettings:
    return ExternalDataApiSettings.model_validate({"source_rows": 500, **values})


def decoded(dataset: Dataset) -> list[list[str]]:
    return [json.loads(row) for row in dataset.rows]


def test_any_use_case_is_served_from_the_csv_its_variable_names(
    iris: UseCase, iris_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRIS_CSV", str(iris_csv))
    dataset = open_dataset(iris, settings())
    assert (dataset.kind, dataset.origin) == ("csv", str(iris_csv))
    assert sorted(decoded(dataset), key=lambda row: int(row[0]))[0] == ["0", "a"]
    assert len(dataset.rows) == 40


def test_rows_of_a_sorted_file_are_mixed_and_the_same_each_time(iris: UseCase, iris_csv: Path) -> None:
    dataset = open_dataset(iris, settings(use_case_csv={"iris": iris_csv}))
    assert {row[1] for row in decoded(dataset)[:10]} == {"a", "b"}
    assert dataset == open_dataset(iris, settings(use_case_csv={"iris": iris_csv}))


def test_shuffle_can_be_switched_off(iris: UseCase, iris_csv: Path) -> None:
    dataset = open_dataset(iris, settings(use_case_csv={"iris": iris_csv}, source_shuffle=False))
    assert [row[0] for row in decoded(dataset)] == [str(number) for number in range(40)]


def test_use_case_without_data_names_the_variable_and_columns_to_give(iris: UseCase) -> None:
    with pytest.raises(ConfigurationError, match=r"iris has no data: set IRIS_CSV to a CSV .*columns petal, kind"):
        open_dataset(iris, settings())


def test_fewer_rows_than_batches_is_refused(iris: UseCase, iris_csv: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"iris: .*iris\.csv holds 40 rows, too few for 41 batches"):
        open_dataset(iris, settings(use_case_csv={"iris": iris_csv}, batch_count=41))


def test_csv_wins_over_the_real_data(penguins: UseCase, tmp_path: Path) -> None:
    header = ",".join(column.name for column in penguins.columns)
    path = tmp_path / "own.csv"
    path.write_text(header + "\n" + "Adelie,Dream,39.1,18.7,181,3750,male,2007\n" * 12)
    dataset = open_dataset(penguins, settings(use_case_csv={"penguins": path}))
    assert (dataset.kind, len(dataset.rows), dataset.sample_share) == ("csv", 12, 0.1)


def test_penguins_are_the_real_ones_in_whole_batches(penguins: UseCase) -> None:
    dataset = open_dataset(penguins, settings())
    assert (dataset.kind, len(dataset.rows), dataset.sample_share) == ("real", 344, 1.0)
    assert ["Adelie", "Torgersen", "39.1", "18.7", "181", "3750", "male", "2007"] in decoded(dataset)


def test_penguins_are_generated_without_the_package(penguins: UseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("external_data_api.datasets.penguins_csv", lambda: None)
    dataset = open_dataset(penguins, settings())
    assert (dataset.kind, len(dataset.rows), dataset.sample_share) == ("generated", 500, 0.1)


def test_sample_share_of_one_use_case_overrides_every_default(
    penguins: UseCase, covertype: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENGUINS_SAMPLE_SHARE", "0.5")
    monkeypatch.setenv("SAMPLE_SHARE", "0.2")
    assert open_dataset(penguins, settings()).sample_share == 0.5
    assert open_dataset(covertype, settings()).sample_share == 0.2


def test_covertype_is_generated_and_says_so_unless_a_download_is_asked_for(
    covertype: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("external_data_api.datasets.download_covertype", pytest.fail)
    dataset = open_dataset(covertype, settings(source_seed=3))
    assert dataset.kind == "generated"
    assert "seed 3" in dataset.origin
    assert "invented" in dataset.origin


def test_downloaded_covertype_is_served_as_real(covertype: UseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    row = ["2596", "51", "3", "258", "0", "510", "221", "232", "148", "6279", "Rawah", "C7745", "5"]
    monkeypatch.setattr("external_data_api.datasets.download_covertype", lambda _: [row] * 20)
    dataset = open_dataset(covertype, settings(source_download=True))
    assert (dataset.kind, decoded(dataset)[0]) == ("real", row)


def test_failed_download_falls_back_to_the_generator(covertype: UseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("external_data_api.datasets.download_covertype", lambda _: None)
    assert open_dataset(covertype, settings(source_download=True)).kind == "generated"
