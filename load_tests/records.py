"""Records that a model accepts, drawn from the JSON Schema and the example that the inference API gives."""

from collections.abc import Mapping
from datetime import date, timedelta
from random import Random
from typing import Any

MISSING_SHARE = 0.05
# Numbers are drawn around the typical value; where a limit is missing, as far as it is large.
MOST_DAYS = 365


def draw_record(schema: Mapping[str, Any], example: Mapping[str, Any], random: Random) -> dict[str, Any]:
    """Draw one record.

    Parameters
    ----------
    schema, example : ``schema`` and ``input_example`` of ``GET /models/{name}``.

    Returns
    -------
    A value for each property; now and then null where that is allowed.
    """
    return {
        name: draw_value(rule, example.get(name, rule.get("default")), random)
        for name, rule in schema["properties"].items()
    }


def draw_value(rule: Mapping[str, Any], typical: Any, random: Random) -> Any:
    """Draw a value that a property's rule allows: of a text, and of a date without a day to start from, `typical`."""
    types = rule.get("type", "string")
    if "null" in types and random.random() < MISSING_SHARE:
        return None
    if "enum" in rule:
        return random.choice([value for value in rule["enum"] if value is not None])
    if "integer" in types or "number" in types:
        return _draw_number(rule, typical, random, whole="number" not in types)
    if rule.get("format") == "date" and isinstance(typical, str):
        day = date.fromisoformat(typical[:10]) - timedelta(days=random.randrange(MOST_DAYS))
        return max(day.isoformat(), rule.get("formatMinimum", ""))
    return typical


def _draw_number(rule: Mapping[str, Any], typical: Any, random: Random, *, whole: bool) -> float:
    middle = typical if isinstance(typical, int | float) else rule.get("default") or 0
    width = max(1.0, abs(middle))
    low, high = rule.get("minimum", middle - width), rule.get("maximum", middle + width)
    value = random.triangular(low, high, min(max(middle, low), high))
    return min(max(round(value), low), high) if whole else round(value, 4)
