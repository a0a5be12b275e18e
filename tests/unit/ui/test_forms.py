"""What is said about a wrong value, and the record built from right ones."""

import math
from datetime import date
from typing import Any

import pytest

from pipeline.use_case import UseCase
from tests.browser.fake_inference_api import EXAMPLES, record_schema
from ui.forms import allowed, build_record, example_values, explain, problems_from_api, range_shown, validate
from ui.i18n import Translator
from ui.schema import FormField, fields_from_schema

ENGLISH, SPANISH = Translator("en"), Translator("es")

ELEVATION = FormField("Elevation", "integer", unit="m", minimum=0, maximum=9000)
WEIGHT = FormField("body_mass_g", "number", unit="g", minimum=1500, maximum=9000, required=False)
AREA = FormField("Wilderness_Area", "category", categories={"Rawah": "Rawah Wilderness", "Neota": "Neota Wilderness"})
CITY = FormField("city", "text", required=False, longest=5)
SOLD = FormField("prev_sold_date", "date", minimum=0)


def said(field: FormField, value: Any, t: Translator = ENGLISH) -> str:
    [problem] = validate([field], {field.name: value})
    return explain(problem, t)


@pytest.mark.parametrize(
    ("field", "value", "english", "spanish"),
    [
        (
            ELEVATION,
            None,
            "Elevation: required field. Allowed: a whole number from 0 to 9000 m.",
            "Elevation: campo obligatorio. Se admite un número entero entre 0 y 9000 m.",
        ),
        (
            ELEVATION,
            -5.0,
            "Elevation: cannot be negative (-5). Allowed: a whole number from 0 to 9000 m.",
            "Elevation: no puede ser negativo (-5). Se admite un número entero entre 0 y 9000 m.",
        ),
        (
            ELEVATION,
            9000.5,
            "Elevation: 9000.5 is out of range. Allowed: a whole number from 0 to 9000 m.",
            "Elevation: 9000.5 está fuera de rango. Se admite un número entero entre 0 y 9000 m.",
        ),
        (
            ELEVATION,
            2596.5,
            "Elevation: 2596.5 is not a whole number. Allowed: a whole number from 0 to 9000 m.",
            "Elevation: 2596.5 no es un número entero. Se admite un número entero entre 0 y 9000 m.",
        ),
        (
            AREA,
            None,
            "Wilderness area: required field. Allowed: one of Rawah, Neota.",
            "Wilderness area: campo obligatorio. Se admite uno de estos valores: Rawah, Neota.",
        ),
        (
            SOLD,
            date(1969, 12, 31),
            "Prev sold date: 1969-12-31 is out of range. Allowed: a date of at least 1970-01-01.",
            "Prev sold date: 1969-12-31 está fuera de rango. Se admite una fecha desde 1970-01-01.",
        ),
    ],
)
def test_a_wrong_value_is_answered_with_what_is_allowed(
    field: FormField, value: Any, english: str, spanish: str
) -> None:
    assert said(field, value) == english
    assert said(field, value, SPANISH) == spanish


def test_a_value_below_a_positive_limit_is_out_of_range_and_not_negative() -> None:
    assert "is out of range" in said(WEIGHT, 12.0)
    assert "cannot be negative" in said(WEIGHT, -12.0)


def test_negative_values_are_fine_where_the_limits_include_them() -> None:
    depth = FormField("Vertical_Distance_To_Hydrology", "integer", minimum=-1000, maximum=1000)
    assert validate([depth], {depth.name: -1000.0}) == []
    assert "out of range" in said(depth, -1001.0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    assert "is not a number" in said(WEIGHT, value)


def test_unknown_categories_and_long_texts_are_refused() -> None:
    assert said(AREA, "Atlantis") == "Wilderness area: Atlantis is not on the list. Allowed: one of Rawah, Neota."
    assert "a text of up to 5 characters" in said(CITY, "San Juan")


def test_long_lists_of_categories_are_counted_not_listed(covertype: UseCase) -> None:
    soil = fields_from_schema(record_schema(covertype))[-1]
    assert allowed(soil, ENGLISH) == "one of the 40 values of the list"


def test_every_mistake_is_reported_at_once_in_the_order_of_the_form() -> None:
    problems = validate([ELEVATION, AREA, WEIGHT], {"Elevation": -1.0, "body_mass_g": 1.0})
    assert [problem.field.name for problem in problems] == ["Elevation", "Wilderness_Area", "body_mass_g"]


def test_limits_are_allowed_values() -> None:
    assert validate([ELEVATION], {"Elevation": 0.0}) == []
    assert validate([ELEVATION], {"Elevation": 9000.0}) == []


def test_the_record_has_json_types_and_leaves_out_what_is_empty() -> None:
    values = {"Elevation": 2596.0, "prev_sold_date": date(2021, 6, 30), "city": "  ", "body_mass_g": None}
    record = build_record([ELEVATION, SOLD, CITY, WEIGHT], values)
    assert record == {"Elevation": 2596, "prev_sold_date": "2021-06-30"}
    assert isinstance(record["Elevation"], int)


@pytest.mark.parametrize("name", ["covertype", "penguins", "house_prices"])
def test_the_example_makes_the_record_it_came_from(name: str, request: pytest.FixtureRequest) -> None:
    fields = fields_from_schema(record_schema(request.getfixturevalue(name)))
    values = example_values(fields, EXAMPLES[name])
    assert validate(fields, values) == []
    assert build_record(fields, values) == {key: value for key, value in EXAMPLES[name].items() if value is not None}


def test_errors_of_the_api_go_to_their_fields_and_the_rest_is_kept() -> None:
    errors = [("Elevation", "Elevation must be whole"), ("colour", "colour is not a feature"), ("", "no JSON")]
    problems, others = problems_from_api([ELEVATION], errors)
    assert [explain(problem, SPANISH) for problem in problems] == ["Elevation: must be whole"]
    assert others == ["colour is not a feature", "no JSON"]


@pytest.mark.parametrize(
    ("field", "note"),
    [
        (ELEVATION, "0 – 9000 m"),
        (SOLD, "≥ 1970-01-01"),
        (FormField("share", "number", maximum=0.5), "≤ 0.5"),
        (FormField("angle", "number", unit="°"), "°"),
        (CITY, ""),
    ],
)
def test_limits_and_unit_stand_beside_the_field(field: FormField, note: str) -> None:
    assert range_shown(field) == note
