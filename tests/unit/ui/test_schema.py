"""The fields that a form gets from a model's JSON Schema."""

from datetime import date
from typing import Any

import pytest

from pipeline.use_case import UseCase
from tests.browser.fake_inference_api import record_schema
from ui.schema import FormField, fields_from_schema, widget_value


def only_field(rule: dict[str, Any], required: bool = True) -> FormField:
    return fields_from_schema({"properties": {"x": rule}, "required": ["x"] if required else []})[0]


def test_fields_keep_the_order_and_kinds_of_the_schema(covertype: UseCase) -> None:
    fields = fields_from_schema(record_schema(covertype))
    assert [field.name for field in fields] == [column.name for column in covertype.features]
    assert [field.kind for field in fields] == [column.type for column in covertype.features]


def test_a_number_carries_unit_limits_default_and_help(covertype: UseCase) -> None:
    elevation = fields_from_schema(record_schema(covertype))[0]
    assert (elevation.unit, elevation.minimum, elevation.maximum, elevation.default) == ("m", 0, 9000, 2596.0)
    assert elevation.description == "Elevation above sea level"
    assert elevation.required


def test_a_category_carries_full_names(penguins: UseCase) -> None:
    island = fields_from_schema(record_schema(penguins))[0]
    assert island.categories["Biscoe"] == "Biscoe Island"
    assert island.default == "Biscoe"


@pytest.mark.parametrize(
    "rule",
    [
        {"type": ["number", "null"]},
        {"anyOf": [{"type": "number"}, {"type": "null"}]},
    ],
)
def test_a_value_that_may_be_null_is_optional_even_when_listed_as_required(rule: dict[str, Any]) -> None:
    field = only_field(rule)
    assert field.kind == "number"
    assert not field.required


def test_limits_inside_any_of_count() -> None:
    field = only_field({"anyOf": [{"type": "integer", "minimum": 3, "maximum": 9}, {"type": "null"}]})
    assert (field.kind, field.minimum, field.maximum) == ("integer", 3, 9)


def test_an_enum_without_names_is_a_category() -> None:
    assert only_field({"type": "string", "enum": ["a", "b", None]}).categories == {"a": "a", "b": "b"}


@pytest.mark.parametrize("limit", [0, "1970-01-01"])
def test_limits_of_a_date_are_days_or_iso_dates(limit: Any) -> None:
    field = only_field({"type": "string", "format": "date", "minimum": limit, "default": 18808.0})
    assert (field.kind, field.minimum, field.default) == ("date", 0, date(2021, 6, 30))


def test_a_default_that_does_not_fit_leaves_the_field_empty() -> None:
    assert only_field({"type": "string", "enum": ["a"], "default": "gone"}).default is None
    assert only_field({"type": "number", "default": "many"}).default is None


def test_an_example_date_is_read_from_text() -> None:
    field = FormField("prev_sold_date", "date")
    assert widget_value(field, "2021-06-30") == date(2021, 6, 30)
    assert widget_value(field, "soon") is None


@pytest.mark.parametrize(
    ("name", "unit", "label"),
    [
        ("Horizontal_Distance_To_Hydrology", "m", "Horizontal distance to hydrology"),
        ("bill_length_mm", "mm", "Bill length"),
        ("mm", "mm", "Mm"),
        ("soil_pH", None, "Soil pH"),
        ("bed", None, "Bed"),
    ],
)
def test_labels_read_like_words(name: str, unit: str | None, label: str) -> None:
    assert FormField(name, "number", unit=unit).label == label


def test_a_schema_without_properties_has_no_fields() -> None:
    assert fields_from_schema({}) == []
