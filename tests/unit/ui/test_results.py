"""How an answer is put into words and order."""

from typing import Any

import pytest

from tests.browser.fake_inference_api import ANSWERS
from ui.answers import Prediction
from ui.results import headline, percent, ranked_probabilities


def prediction(**values: Any) -> Prediction:
    return Prediction.model_validate({"model_name": "m", "model_version": 1, **values})


def test_classes_come_most_likely_first_with_their_names() -> None:
    rows = ranked_probabilities(prediction(**ANSWERS["covertype"]), {"5": "Aspen", "2": "Lodgepole Pine"})
    assert [row.value for row in rows[:3]] == ["5", "2", "1"]
    assert [row.shown for row in rows[:3]] == ["5 — Aspen", "2 — Lodgepole Pine", "1"]


def test_the_predicted_class_has_its_name_even_when_the_api_lists_none() -> None:
    rows = ranked_probabilities(prediction(**ANSWERS["covertype"]), {})
    assert rows[0].name == "Aspen"


def test_a_regression_has_no_probabilities() -> None:
    assert ranked_probabilities(prediction(**ANSWERS["house_prices"]), {}) == []


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"prediction": 5, "label": "Aspen"}, "Aspen"),
        ({"prediction": "Gentoo"}, "Gentoo"),
        ({"prediction": 152300.5}, "152,300.50"),
        ({"prediction": 0.01234}, "0.0123"),
        ({"prediction": 4}, "4"),
    ],
)
def test_the_headline_is_a_label_or_a_readable_number(answer: dict[str, Any], shown: str) -> None:
    assert headline(prediction(**answer)) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0.0 %"), (0.0004, "< 0.1 %"), (0.7296, "73.0 %"), (0.99961, "> 99.9 %"), (1, "100.0 %")],
)
def test_a_probability_is_never_rounded_to_certainty(share: float, shown: str) -> None:
    assert percent(share) == shown
