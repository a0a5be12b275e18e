"""One field of a request: what it may hold, in words and in code."""

import json
import math
import re
from datetime import date, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal

import msgspec

from inference_api.signature import SignatureColumn
from pipeline.bundle import BundleColumn
from pipeline.cells import (
    CONTROL_CHARACTERS,
    FIRST_DAY,
    ISO_DAY,
    LARGEST_NUMBER,
    MAX_TEXT_LENGTH,
    MISSING_TEXTS,
    text_of_cell,
)

# What a double holds exactly, and what the model's single precision holds at all.
LARGEST_INTEGER = 2**53
SHOWN_LENGTH = 60
# Of a column of another's model, which may read whole articles.
LONGEST_TEXT = 100_000

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?|[+-]?\.[0-9]{1,40}")
_DAY = re.compile(ISO_DAY, re.ASCII)
_CONTROL = re.compile(CONTROL_CHARACTERS)
_EPOCH = date(1970, 1, 1)
_TRUTHS = {"true": 1, "false": 0}


class FieldError(ValueError):
    """A value that a field does not accept: the message says what it does accept."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Field:
    """The rule of one column.

    Attributes
    ----------
    allowed : what the field accepts, in words ("a whole number between 0 and 9000 m").
    annotation : the same for msgspec, for values of the right JSON type; what it refuses `read` may still accept.
    """

    def __init__(self, column: BundleColumn) -> None:
        self.name = column.name
        self.column = column
        self.required = not column.nullable
        self.allowed = _allowed(column)
        self.annotation = _annotation(column)
        self._is_boolean = isinstance(column, SignatureColumn) and column.is_boolean
        # What another's model was trained on is not known: it may tell " NA" from "NA", and from nothing.
        self._is_verbatim = isinstance(column, SignatureColumn) and column.type == "text"
        # What collection takes for a missing value is one here too, or training and serving would disagree.
        self._missing_texts = frozenset(MISSING_TEXTS) - (column.categories or {}).keys()
        if self._is_verbatim:
            self._missing_texts = frozenset([""] if column.nullable else [])  # of CSV, which has no other one

    def read(self, value: Any) -> Any:
        """Accept any lossless spelling of a value (``"7"``, ``" 7 "`` and ``7.0`` for the integer 7).

        Returns
        -------
        int, float, str, date or None (missing).

        Raises
        ------
        FieldError
        """
        if isinstance(value, str) and not self._is_verbatim:
            value = value.strip()
        if value is None or (isinstance(value, str) and value in self._missing_texts):
            if self.required:
                raise FieldError(f"{self.name} is required: {self.allowed}", "missing")
            return None
        match self.column.type:
            case "integer" | "number":
                return self._number(value)
            case "date":
                return self._date(value)
            case "category":
                return self._category(value)
            case _:
                return self._text(value)

    def _number(self, value: Any) -> int | float:
        if self._is_boolean and isinstance(value, bool | str):
            value = _TRUTHS.get(str(value).lower(), value)
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            found: int | float = float(value) if re.search(r"[.eE]", value) else int(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = value
        else:
            raise self._refused(value, f"{self.column.type}_type")
        if isinstance(found, float) and not math.isfinite(found):
            raise self._refused(value, "not_finite")
        if self.column.type == "integer" and found != int(found):
            raise self._refused(value, "integer_type")
        low, high = limits_of(self.column)
        if not low <= found <= high:
            raise self._refused(value, "out_of_range")
        return int(found) if self.column.type == "integer" else found

    def _date(self, value: Any) -> date:
        try:
            day = _DAY.fullmatch(value) if isinstance(value, str) else None
            if day is None:
                raise ValueError
            found = date.fromisoformat(day[1])
        except ValueError:
            raise self._refused(value, "date_type") from None
        if not self.accepts_date(found):
            raise self._refused(value, "out_of_range")
        return found

    def accepts_date(self, value: date) -> bool:
        """Whether a date is within the limits of the column, and of what the warehouse holds."""
        days = (value - _EPOCH).days
        low, high = self.column.minimum, self.column.maximum
        return value >= FIRST_DAY and (low is None or days >= low) and (high is None or days <= high)

    def _category(self, value: Any) -> str:
        categories = self.column.categories or {}
        text, _ = text_of_cell(value)
        if text in categories:
            return str(text)
        close = get_close_matches(text[:100], categories, n=1) if text else []
        raise self._refused(value, "category", f"; did you mean {json.dumps(close[0])}?" if close else "")

    def _text(self, value: Any) -> str:
        text, _ = text_of_cell(value)
        if text is None:
            raise self._refused(value, "string_type")
        if len(text) > longest_text(self.column) or _CONTROL.search(text):
            raise self._refused(value, "string_form")
        return text

    def _refused(self, value: Any, kind: str, hint: str = "") -> FieldError:
        return FieldError(f"{self.name} must be {self.allowed}, got {_shown(value)}{hint}", kind)


def limits_of(column: BundleColumn) -> tuple[float, float]:
    """Least and largest number that a column takes."""
    largest = LARGEST_INTEGER if column.type == "integer" else LARGEST_NUMBER
    low = -largest if column.minimum is None else column.minimum
    return low, largest if column.maximum is None else column.maximum


def longest_text(column: BundleColumn) -> int:
    """Most characters of a text."""
    return LONGEST_TEXT if isinstance(column, SignatureColumn) else MAX_TEXT_LENGTH


def _annotation(column: BundleColumn) -> Any:
    low, high = limits_of(column)
    kind: Any
    match column.type:
        case "integer":
            kind = Annotated[int, msgspec.Meta(ge=math.ceil(low), le=math.floor(high))]
        case "number":
            kind = Annotated[float, msgspec.Meta(ge=low, le=high)]
        case "date":
            kind = date
        case "category":
            kind = Literal[tuple(column.categories or {})]
        case "text" if isinstance(column, SignatureColumn):
            form = rf"\A[^{CONTROL_CHARACTERS[1:-1]}]{'+' if column.nullable else '*'}\Z"
            kind = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT, pattern=form)]
        case _:
            # A text with blanks around it, or that stands for a missing value, is for `Field.read`.
            missing = "|".join(re.escape(text) for text in MISSING_TEXTS)
            form = rf"\A(?!(?:{missing})\Z)(?!.*{CONTROL_CHARACTERS})\S(?:.*\S)?\Z"
            kind = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_LENGTH, pattern=form)]
    return kind | None if column.nullable else kind


def _allowed(column: BundleColumn) -> str:
    match column.type:
        case "category":
            return "one of " + ", ".join(json.dumps(value, ensure_ascii=False) for value in column.categories or {})
        case "text":
            least = 0 if isinstance(column, SignatureColumn) else 1
            return f"a text of {least} to {longest_text(column):,} characters without control characters"
        case "date":
            return "a date YYYY-MM-DD" + _range_words(column, lambda days: (_EPOCH + timedelta(days)).isoformat(), "")
        case "integer" if isinstance(column, SignatureColumn) and column.is_boolean:
            return "true or false, or 1 or 0"
        case _:
            kind = "a whole number" if column.type == "integer" else "a number"
            return kind + _range_words(column, _number_words, f" {column.unit}" if column.unit else "")


def _range_words(column: BundleColumn, words: Any, unit: str) -> str:
    low, high = column.minimum, column.maximum
    if low is not None and high is not None:
        return f" between {words(low)} and {words(high)}{unit}"
    if low is not None:
        return f" of at least {words(low)}{unit}"
    return "" if high is None else f" of at most {words(high)}{unit}"


def _number_words(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _shown(value: Any) -> str:
    """A received value as JSON, cut to what a message can carry."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except ValueError:  # an integer of thousands of digits
        return "a number too large to show"
    return printable(text)


def printable(text: str) -> str:
    """A received text, cut to what a message can carry, with its lone surrogates (no UTF-8 holds them) escaped."""
    short = text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 3] + "…"
    return short.encode("utf-8", "backslashreplace").decode("utf-8")
