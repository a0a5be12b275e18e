"""What the form has to ask for, read from the JSON Schema that the inference API gives for one record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

Kind = Literal["integer", "number", "category", "text", "date"]

EPOCH = date(1970, 1, 1)
LONGEST_TEXT = 255


@dataclass(frozen=True)
class FormField:
    """One input of the form.

    Parameters
    ----------
    minimum, maximum : closed limits of a number; of a date, days since 1970-01-01.
    categories : allowed values of a category, each with its full name.
    default : what the field holds at first, in the type that `widget_value` gives; None leaves it empty.
    """

    name: str
    kind: Kind
    description: str = ""
    unit: str | None = None
    required: bool = True
    minimum: float | None = None
    maximum: float | None = None
    categories: Mapping[str, str] = field(default_factory=dict)
    longest: int = LONGEST_TEXT
    default: float | str | date | None = None

    @property
    def label(self) -> str:
        """The name as a person would write it; the unit stands elsewhere: ``bill_length_mm`` is "Bill length"."""
        words = self.name.split("_")
        if self.unit and len(words) > 1 and words[-1] == self.unit:
            words.pop()
        # Capitals inside a word mean something (pH, 9AM); at the start of one after the first they do not.
        return " ".join([words[0][:1].upper() + words[0][1:], *(w.lower() if w.istitle() else w for w in words[1:])])

    @property
    def is_numeric(self) -> bool:
        return self.kind in ("integer", "number")


def fields_from_schema(schema: Mapping[str, Any]) -> list[FormField]:
    """Turn the JSON Schema of one record into the fields of a form, in the order of the schema.

    Parameters
    ----------
    schema : object schema with ``properties`` and ``required``; a property may carry ``x-unit`` and
        ``x-categories`` (value → full name), and lets a value be missing by the type ``null``.
    """
    required = set(schema.get("required", ()))
    return [_field(name, rule, name in required) for name, rule in schema.get("properties", {}).items()]


def widget_value(form_field: FormField, value: Any) -> float | str | date | None:
    """Turn a value of the API (a default, an example) into what the input of that field holds; None when it cannot."""
    if value is None:
        return None
    if form_field.kind == "category":
        return str(value) if str(value) in form_field.categories else None
    if form_field.kind == "text":
        return str(value)
    try:
        if form_field.kind == "date":
            return date_from_days(value) if isinstance(value, int | float) else date.fromisoformat(str(value)[:10])
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def date_from_days(days: float) -> date:
    """The day that many days after 1970-01-01, which is how models and limits count dates."""
    return EPOCH + timedelta(days=int(days))


def _field(name: str, rule: Mapping[str, Any], required: bool) -> FormField:
    # "number or null" is written {"type": ["number", "null"]} or {"anyOf": [{"type": "number"}, {"type": "null"}]}.
    types = {kind for kind in _as_list(rule.get("type")) if kind}
    merged = dict(rule)
    for option in rule.get("anyOf", ()):
        types.update(_as_list(option.get("type")))
        merged = {**option, **merged} if option.get("type") != "null" else merged
    categories = merged.get("x-categories") or {str(v): str(v) for v in merged.get("enum", ()) if v is not None}
    kind = _kind(types, merged, bool(categories))
    bare = FormField(
        name=name,
        kind=kind,
        description=merged.get("description", ""),
        unit=merged.get("x-unit"),
        required=required and "null" not in types,
        minimum=_limit(kind, merged, "minimum"),
        maximum=_limit(kind, merged, "maximum"),
        categories=categories if kind == "category" else {},
        longest=merged.get("maxLength", LONGEST_TEXT),
    )
    return FormField(**{**vars(bare), "default": widget_value(bare, merged.get("default"))})


def _kind(types: set[str], rule: Mapping[str, Any], has_categories: bool) -> Kind:
    if has_categories:
        return "category"
    if rule.get("format") == "date":
        return "date"
    if "number" in types:
        return "number"
    return "integer" if "integer" in types else "text"


def _limit(kind: Kind, rule: Mapping[str, Any], name: str) -> float | None:
    value = rule.get(name, rule.get(f"x-{name}", rule.get(f"format{name.capitalize()}")))
    if kind == "date" and isinstance(value, str):
        return float((date.fromisoformat(value[:10]) - EPOCH).days)
    return None if value is None else float(value)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
