"""The JSON Schema of one record of a model, which the UI builds its form from and OpenAPI shows."""

from datetime import date, timedelta
from typing import Any

from inference_api.fields import longest_text
from inference_api.signature import SignatureColumn
from pipeline.bundle import Bundle, BundleColumn

_JSON_TYPES = {"integer": "integer", "number": "number", "category": "string", "text": "string", "date": "string"}


def record_schema(bundle: Bundle) -> dict[str, Any]:
    """JSON Schema (2020-12) of one record.

    Beside the standard keywords each property may have ``x-unit`` and ``x-categories`` (each value's full name);
    ``default`` is the training rows' median or most frequent value.
    """
    return {
        "type": "object",
        "title": bundle.title,
        "properties": {column.name: _property(column) for column in bundle.columns},
        "required": [column.name for column in bundle.columns if not column.nullable],
        "additionalProperties": False,
        "examples": [bundle.input_example],
    }


def _property(column: BundleColumn) -> dict[str, Any]:
    kinds = [_JSON_TYPES[column.type]]
    if isinstance(column, SignatureColumn) and column.is_boolean:
        kinds.insert(0, "boolean")
    if column.nullable:
        kinds.append("null")
    found: dict[str, Any] = {
        "title": column.name.replace("_", " "),
        "description": column.description,
        "type": kinds if len(kinds) > 1 else kinds[0],
    }
    if column.unit is not None:
        found["x-unit"] = column.unit
    if column.categories is not None:
        found["enum"] = [*column.categories, None] if column.nullable else list(column.categories)
        found["x-categories"] = column.categories
    if column.type == "text":
        found["maxLength"] = longest_text(column)
    if column.type == "date":
        # JSON Schema has no limits of dates; these are the keywords that validators of formats use.
        limits = {"formatMinimum": column.minimum, "formatMaximum": column.maximum}
        found |= {"format": "date"} | {key: _day(value) for key, value in limits.items() if value is not None}
    else:
        limits = {"minimum": column.minimum, "maximum": column.maximum}
        found |= {key: _number(value) for key, value in limits.items() if value is not None}
    default = typical_value(column)
    return found if default is None else found | {"default": default}


def typical_value(column: BundleColumn) -> Any:
    """The median or most frequent value of the training rows, as the schema accepts it; None where it is not known."""
    statistics = column.statistics
    if not column.is_numeric:
        frequencies = statistics.frequencies or {}
        return max(frequencies, key=lambda value: frequencies[value], default=None)
    if statistics.median is None:
        return None
    if column.type == "date":
        return _day(statistics.median)
    return round(statistics.median) if column.type == "integer" else statistics.median


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _day(days: float) -> str:
    return (date(1970, 1, 1) + timedelta(days=round(days))).isoformat()
