"""From what a person entered to a record the API accepts, or to words that say what is allowed instead."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from ui.i18n import Translator
from ui.schema import EPOCH, FormField, date_from_days, widget_value

ProblemCode = Literal["required", "negative", "range", "whole", "number", "category", "long", "date", "api"]

# Longer lists of categories are on the screen already, in the select box.
MOST_CATEGORIES_NAMED = 8


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field; `message` is the API's own words when the API found it."""

    field: FormField
    code: ProblemCode
    value: Any = None
    message: str = ""


def validate(fields: Sequence[FormField], values: Mapping[str, Any]) -> list[FieldProblem]:
    """Check every field, so that all mistakes are reported at once, in the order of the form."""
    checked = (check(form_field, _cleaned(values.get(form_field.name))) for form_field in fields)
    return [problem for problem in checked if problem is not None]


def build_record(fields: Sequence[FormField], values: Mapping[str, Any]) -> dict[str, Any]:
    """Build the record to send from values that `validate` found right; optional fields left empty are left out."""
    record: dict[str, Any] = {}
    for form_field in fields:
        value = _cleaned(values.get(form_field.name))
        if value is None:
            continue
        if form_field.kind == "integer":
            value = int(value)
        elif form_field.kind == "date":
            value = value.isoformat()
        record[form_field.name] = value
    return record


def example_values(fields: Sequence[FormField], example: Mapping[str, Any]) -> dict[str, Any]:
    """What each input holds after "fill with an example"; a field the example leaves out becomes empty."""
    return {form_field.name: widget_value(form_field, example.get(form_field.name)) for form_field in fields}


def problems_from_api(
    fields: Sequence[FormField], field_errors: Sequence[tuple[str, str]]
) -> tuple[list[FieldProblem], list[str]]:
    """Sort the errors of a 422 answer into those of a field of the form and those of none (in the API's words)."""
    by_name = {form_field.name: form_field for form_field in fields}
    problems, others = [], []
    for name, message in field_errors:
        if name in by_name:
            problems.append(FieldProblem(by_name[name], "api", message=message))
        else:
            others.append(message if message.startswith(name) else f"{name}: {message}")
    return problems, others


def explain(problem: FieldProblem, t: Translator) -> str:
    """Name the field, what is wrong with it and what is allowed."""
    form_field = problem.field
    if problem.code == "api":
        # The API's own words begin with the name it knows the field by.
        return f"{form_field.label}: {problem.message.removeprefix(form_field.name).lstrip(' :')}"
    return t(
        f"invalid.{problem.code}",
        label=form_field.label,
        value=_shown(problem.value),
        allowed=allowed(form_field, t),
    )


def allowed(form_field: FormField, t: Translator) -> str:
    """What may be entered, in words: "a whole number from 0 to 9000 m"."""
    if form_field.kind == "category":
        names = list(form_field.categories)
        if len(names) > MOST_CATEGORIES_NAMED:
            return t("allowed.category_long", count=len(names))
        return t("allowed.category", values=", ".join(names))
    if form_field.kind == "text":
        return t("allowed.text", longest=form_field.longest)
    limits = limits_in_words(form_field, t)
    words = t(f"allowed.{form_field.kind}")
    return f"{words} {limits}" if limits else words


def limits_in_words(form_field: FormField, t: Translator) -> str:
    """Limits of a number or a date with the unit: "from 0 to 9000 m", "of at least 1"; empty when there are none."""
    low, high = _limit_shown(form_field, form_field.minimum), _limit_shown(form_field, form_field.maximum)
    if low and high:
        words = t("limits.both", low=low, high=high)
    elif low or high:
        words = t("limits.low", low=low) if low else t("limits.high", high=high)
    else:
        return ""
    return f"{words} {form_field.unit}" if form_field.unit else words


def range_shown(form_field: FormField) -> str:
    """Limits and unit as a short note: "0 – 9000 m", "≥ 1"; empty where there is neither."""
    low, high = _limit_shown(form_field, form_field.minimum), _limit_shown(form_field, form_field.maximum)
    one_sided = f"≥ {low}" if low else f"≤ {high}" if high else ""
    limits = f"{low} – {high}" if low and high else one_sided
    return " ".join(filter(None, (limits, form_field.unit)))


def plain_number(value: float) -> str:
    """A number without exponent or needless zeros: 9000.0 is "9000"."""
    return str(int(value)) if float(value).is_integer() else f"{value:.10f}".rstrip("0").rstrip(".")


def check(form_field: FormField, value: Any) -> FieldProblem | None:
    """What is wrong with one value, in the type that the field's input gives; None when nothing is."""
    if value is None:
        return FieldProblem(form_field, "required") if form_field.required else None
    if form_field.is_numeric:
        return _check_number(form_field, value)
    if form_field.kind == "date":
        return None if _within(form_field, (value - EPOCH).days) else FieldProblem(form_field, "range", value)
    if form_field.kind == "category" and value not in form_field.categories:
        return FieldProblem(form_field, "category", value)
    if form_field.kind == "text" and len(value) > form_field.longest:
        return FieldProblem(form_field, "long", f"{value[:20]}…")
    return None


def _check_number(form_field: FormField, value: float) -> FieldProblem | None:
    if not math.isfinite(value):
        return FieldProblem(form_field, "number", value)
    if value < 0 and form_field.minimum is not None and form_field.minimum >= 0:
        return FieldProblem(form_field, "negative", value)
    if not _within(form_field, value):
        return FieldProblem(form_field, "range", value)
    if form_field.kind == "integer" and not float(value).is_integer():
        return FieldProblem(form_field, "whole", value)
    return None


def _within(form_field: FormField, value: float) -> bool:
    above = form_field.minimum is None or value >= form_field.minimum
    return above and (form_field.maximum is None or value <= form_field.maximum)


def _cleaned(value: Any) -> Any:
    """Blanks around a text do not count, and a text of blanks only is no value."""
    return (value.strip() or None) if isinstance(value, str) else value


def _limit_shown(form_field: FormField, limit: float | None) -> str:
    if limit is None:
        return ""
    return date_from_days(limit).isoformat() if form_field.kind == "date" else plain_number(limit)


def _shown(value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value):
        return plain_number(value)
    return value.isoformat() if isinstance(value, date) else str(value)
