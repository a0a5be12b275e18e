"""What one column's delivered texts mean: typed values, and for each bad one what is wrong and what is allowed."""

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.use_case import Column

if TYPE_CHECKING:
    import polars as pl

MAX_TEXT_LENGTH = 255
MISSING_TEXTS = ("", "NA", "<NA>", "NaN", "nan", "null", "NULL", "None")
# Below this magnitude each float with no fraction is one integer; from it on, it may be a neighbour rounded.
EXACT_FLOAT = 2.0**53
# Largest float32: models are fitted and served in it, and anything beyond would be infinite to them.
LARGEST_NUMBER = (2 - 2**-23) * 2.0**127
# Line breaks and tabs are text; the other control characters are damage.
CONTROL_CHARACTERS = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]"
# A day, also as pandas writes it.
ISO_DAY = r"^(\d{4}-\d{2}-\d{2})(?:[T ]00:00:00(?:\.0+)?)?$"
FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(9999, 12, 31)  # what a MySQL DATE holds
SHOWN_LENGTH = 60
SHOWN_CATEGORIES = 12

# Place of the value in the column → what is wrong with it.
Problems = dict[int, str]


def text_of_cell(value: Any) -> tuple[str | None, str | None]:
    """Text of a JSON value and, where it has none, what is wrong with it."""
    if value is None:
        return None, None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None, f"{_show(value)} is a JSON {_json_type(value)}, a text or a number is expected"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return None, f"{_show(value)} is not valid Unicode text"
        return value, None
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT_FLOAT:
        return str(int(value)), None
    return str(value), None


def parse_column(column: Column, texts: "pl.Series", skip: Problems) -> "tuple[pl.Series, Problems]":
    """Read a column's texts as its type and check them against its limits.

    Parameters
    ----------
    column : type, limits and categories that apply.
    texts : delivered texts, null where nothing was delivered.
    skip : places that are known to be bad, where nothing more is said.

    Returns
    -------
    typed values, null where missing or bad, and the problems by place.
    """
    import polars as pl

    parse = {"integer": _integers, "number": _numbers, "date": _days, "category": _categories, "text": _free_texts}
    values, allowed = parse[column.type](column, texts)
    problems: Problems = {}
    if values.null_count() or column.type == "text":
        # Rare: look closer. A number or a category that was read as it is needs none of this.
        texts = texts.str.strip_chars()
        missing_texts = [text for text in MISSING_TEXTS if text not in (column.categories or {})]
        missing = texts.is_null() | texts.is_in(missing_texts)
        texts = texts.set(missing, None)
        values, allowed = parse[column.type](column, texts)
        for place in (values.is_null() & ~missing).arg_true():
            problems[place] = f"{_show(texts[place])} is not {allowed}"
        if not column.nullable:
            problems |= dict.fromkeys(missing.arg_true().to_list(), f"the value is missing, it must be {allowed}")
    if column.is_numeric:
        problems |= _too_large(texts, values) | _outside_limits(column, texts, values)
    for place in skip:
        problems.pop(place, None)
    return values.rename(column.name).cast(_dtype(column, pl)), problems


def _integers(column: Column, texts: "pl.Series") -> "tuple[pl.Series, str]":
    import polars as pl

    values = texts.cast(pl.Int64, strict=False)
    if values.null_count() > texts.null_count():
        # Spelled as a float ("2596.0"): taken when nothing is lost.
        floats = texts.cast(pl.Float64, strict=False)
        exact = (floats == floats.floor()) & (floats.abs() < EXACT_FLOAT)
        lossless = pl.select(pl.when(exact.fill_null(False)).then(floats).cast(pl.Int64)).to_series()
        values = values.zip_with(values.is_not_null(), lossless)
    return values, f"a whole number{_limits(column)}"


def _numbers(column: Column, texts: "pl.Series") -> "tuple[pl.Series, str]":
    import polars as pl

    values = texts.cast(pl.Float64, strict=False)
    values = values.set((values == 0.0).fill_null(False), 0.0)  # -0.0 and 0.0 are one value
    return values.set((~values.is_finite()).fill_null(False), None), f"a finite number{_limits(column)}"


def _days(column: Column, texts: "pl.Series") -> "tuple[pl.Series, str]":
    values = texts.str.extract(ISO_DAY, 1).str.to_date("%Y-%m-%d", strict=False)
    outside = (values < FIRST_DAY) | (values > LAST_DAY)
    return values.set(outside.fill_null(False), None), f"a date written YYYY-MM-DD{_limits(column)}"


def _categories(column: Column, texts: "pl.Series") -> "tuple[pl.Series, str]":
    names = list(column.categories or {})
    shown = ", ".join(names[:SHOWN_CATEGORIES])
    if len(names) > SHOWN_CATEGORIES:
        shown += f", … ({len(names)} in all)"
    return texts.set((~texts.is_in(names)).fill_null(False), None), f"one of {shown}"


def _free_texts(column: Column, texts: "pl.Series") -> "tuple[pl.Series, str]":  # noqa: ARG001 (one signature for all)
    bad = (texts.str.len_chars() > MAX_TEXT_LENGTH) | texts.str.contains(CONTROL_CHARACTERS)
    return texts.set(
        bad.fill_null(False), None
    ), f"a text of 1 to {MAX_TEXT_LENGTH} characters without control characters"


def _too_large(texts: "pl.Series", values: "pl.Series") -> Problems:
    if not values.dtype.is_float():
        return {}
    most = f"the most a model can take in is ±{LARGEST_NUMBER:.4g}"
    return {
        place: f"{_show(texts[place])} is too large, {most}" for place in (values.abs() > LARGEST_NUMBER).arg_true()
    }


def _outside_limits(column: Column, texts: "pl.Series", values: "pl.Series") -> Problems:
    problems: Problems = {}
    if column.minimum is not None:
        lowest = _limit(column, column.minimum, math.ceil)
        for place in (values < lowest).arg_true():
            problems[place] = f"{_show(texts[place])} is below the minimum, it must be {_allowed(column)}"
    if column.maximum is not None:
        highest = _limit(column, column.maximum, math.floor)
        for place in (values > highest).arg_true():
            problems[place] = f"{_show(texts[place])} is above the maximum, it must be {_allowed(column)}"
    return problems


def _limit(column: Column, limit: float, towards_inside: Any) -> Any:
    if column.type == "date":
        return date(1970, 1, 1) + timedelta(days=towards_inside(limit))
    # Compared as integers, or the float conversion would blur values beyond 2^53.
    return towards_inside(limit) if column.type == "integer" and math.isfinite(limit) else limit


def _allowed(column: Column) -> str:
    nouns = {"integer": "a whole number", "number": "a number", "date": "a date"}
    return nouns[column.type] + _limits(column)


def _limits(column: Column) -> str:
    unit = f" {column.unit}" if column.unit else ""
    low, high = (None if limit is None else _show_limit(column, limit) for limit in (column.minimum, column.maximum))
    if low is not None and high is not None:
        return f" from {low} to {high}{unit}"
    if low is not None:
        return f" of at least {low}{unit}"
    return "" if high is None else f" of at most {high}{unit}"


def _show_limit(column: Column, limit: float) -> str:
    if column.type == "date":
        return str(date(1970, 1, 1) + timedelta(days=limit))
    return str(int(limit)) if float(limit).is_integer() else str(limit)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}… ({len(text)} characters)"


def _json_type(value: Any) -> str:
    return {bool: "boolean", list: "list", dict: "object"}.get(type(value), type(value).__name__)


def _dtype(column: Column, pl: Any) -> Any:
    return {"integer": pl.Int64, "number": pl.Float64, "date": pl.Date}.get(column.type, pl.String)
