"""Names under which the scores of the classes are logged."""

import pytest
from mlflow.utils.validation import _validate_metric_name

from pipeline.judgement import metric_names


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["Adelie", "Gentoo"], ["Adelie", "Gentoo"]),
        (["<=50K", ">50K"], ["__50K", "_50K"]),
        (["A+", "A_", "A-", "A*"], ["A__0", "A_", "A-", "A__3"]),
        (["<", ">", "_", "__1"], ["__0", "__1_1", "_", "__1"]),
        (["a//b", "../c"], ["a__b", ".._c"]),
    ],
)
def test_every_class_has_a_name_of_its_own_that_mlflow_takes(classes: list[str], expected: list[str]) -> None:
    names = metric_names(classes)
    assert names == expected
    assert len(set(names)) == len(names)
    for name in [*names, *metric_names(["é" * 500, "é" * 600])]:
        _validate_metric_name(f"precision_class_{name}")
