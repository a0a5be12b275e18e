"""Splits delivered rows into accepted ones, typed and hashed, and quarantined ones, with one reason per bad field.

Work is done a column at a time; Python touches single cells only where something is wrong with them.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from types import NoneType
from typing import TYPE_CHECKING, Any, TypedDict

from pipeline.cells import MAX_TEXT_LENGTH, Problems, parse_column, text_of_cell
from pipeline.use_case import Column, UseCase

if TYPE_CHECKING:
    import polars as pl

# Neither can occur in a value: control characters are quarantined.
FIELD_SEPARATOR = "\x1f"
MISSING_MARK = "\x00"
# How a reason names a row that has no fields to speak of.
WHOLE_ROW = "(row)"


class Reason(TypedDict):
    """Why a row is quarantined: the field, and what is wrong with its value."""

    field: str
    reason: str


@dataclass(frozen=True)
class QuarantinedRow:
    """A delivered row that breaks the use case's rules, as it came.

    Parameters
    ----------
    row_index : position in the delivery, from 0.
    row : what was delivered there.
    reasons : one entry per bad field.
    """

    row_index: int
    row: Any
    reasons: list[Reason]


@dataclass(frozen=True)
class ValidationResult:
    """Each delivered row is in exactly one of the two.

    Parameters
    ----------
    use_case : whose rules were applied.
    accepted : polars frame with ``row_hash`` (32 hex digits), ``row_index`` and the use case's columns, typed.
    quarantined : the other rows.
    """

    use_case: UseCase
    accepted: "pl.DataFrame"
    quarantined: list[QuarantinedRow] = field(default_factory=list)

    @property
    def delivered(self) -> int:
        return self.accepted.height + len(self.quarantined)


def validate(use_case: UseCase, rows: list[Any]) -> ValidationResult:
    """Check every field of every row.

    Parameters
    ----------
    use_case : its columns say what is allowed, in the order of a row's values.
    rows : delivered rows; each should be a list of strings (JSON numbers are taken as their text).
    """
    import polars as pl

    width = len(use_case.columns)
    positions = [index for index, row in enumerate(rows) if type(row) is list and len(row) == width]
    shaped = rows if len(positions) == len(rows) else [rows[index] for index in positions]
    texts, cell_problems = _texts(list(chain.from_iterable(shaped)), width)
    reasons: dict[int, list[Reason]] = {}
    typed = []
    for number, column in enumerate(use_case.columns):
        known = cell_problems[number]
        series, problems = parse_column(column, texts.gather_every(width, number), skip=known)
        typed.append(series)
        for place, reason in (problems | known).items():
            reasons.setdefault(place, []).append({"field": column.name, "reason": reason})
    row_index = pl.Series("row_index", positions, dtype=pl.Int64)
    frame = pl.DataFrame([row_index, *typed])
    if reasons:
        bad = pl.Series(list(reasons), dtype=pl.Int64)
        frame = frame.filter(~pl.int_range(frame.height, eager=True).is_in(bad.implode()))
    frame = frame.insert_column(0, pl.Series("row_hash", row_hashes(frame, use_case.columns), dtype=pl.String))
    quarantined = [QuarantinedRow(positions[place], shaped[place], found) for place, found in reasons.items()]
    if len(positions) < len(rows):
        good_shape = set(positions)
        quarantined += [
            QuarantinedRow(index, row, [{"field": WHOLE_ROW, "reason": _explain_shape(row, width)}])
            for index, row in enumerate(rows)
            if index not in good_shape
        ]
    return ValidationResult(use_case, frame, sorted(quarantined, key=lambda found: found.row_index))


def row_hashes(frame: "pl.DataFrame", columns: list[Column]) -> list[str]:
    """BLAKE2b-128 of each row's typed values, so two spellings of one number are one row.

    The text that is hashed must never change, or rows stored before would be stored again: integers and days since
    1970-01-01 in decimal, floats as the decimal of their 64 bits, text as it is.
    """
    import polars as pl

    parts = []
    for column in columns:
        series = frame.get_column(column.name)
        if column.type == "date":
            series = series.cast(pl.Int32).cast(pl.String)
        elif column.type == "number":
            bits = pl.Series(column.name, series.fill_null(0.0).to_numpy().view("int64")).cast(pl.String)
            series = bits if series.null_count() == 0 else bits.zip_with(series.is_not_null(), bits.clear(len(bits)))
        else:
            series = series.cast(pl.String)
        parts.append(series.fill_null(MISSING_MARK))
    texts = pl.DataFrame(parts).select(pl.concat_str(pl.all(), separator=FIELD_SEPARATOR).alias("text"))["text"]
    return [blake2b(text, digest_size=16).hexdigest() for text in texts.cast(pl.Binary)]


def _texts(cells: list[Any], width: int) -> "tuple[pl.Series, list[Problems]]":
    """All cells, row after row, as texts; and for each column the rows whose cell has none."""
    import polars as pl

    problems: list[Problems] = [{} for _ in range(width)]
    # Polars must not see nested cells: to complain of one, it takes 10 s at a depth of 400 and 80 s at 800.
    if set(map(type, cells)) <= {str, NoneType}:
        with suppress(UnicodeEncodeError, pl.exceptions.PolarsError):
            return pl.Series(cells, dtype=pl.String, strict=True), problems
    # Some cell is not a string of valid Unicode: look at them one by one.
    converted = [text_of_cell(value) for value in cells]
    for place, (_, problem) in enumerate(converted):
        if problem:
            problems[place % width][place // width] = problem
    return pl.Series([text for text, _ in converted], dtype=pl.String), problems


def _explain_shape(row: Any, width: int) -> str:
    if not isinstance(row, list):
        return f"a row must be a list of {width} values, found {type(row).__name__}: {row!r:.{MAX_TEXT_LENGTH}}"
    return f"the row has {len(row)} values, the use case has {width} columns"
