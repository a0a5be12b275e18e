"""The rows of a CSV as records: each cell read by the rule of its field, and what is wrong with those that break it."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipeline.cells import ISO_DAY, MISSING_TEXTS
from ui.csv_file import CsvFile
from ui.forms import FieldProblem, check, explain
from ui.i18n import Translator
from ui.schema import FormField

# Most columns repeat few values: each is read once. Not so many that a column of texts would fill the memory.
MOST_REMEMBERED = 20_000
SHOWN_LENGTH = 30

_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
_DAY = re.compile(ISO_DAY, re.ASCII)


@dataclass(frozen=True)
class CellProblem:
    """One reason why a row cannot be predicted; `column` is empty when it is about the whole row."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True)
class Row:
    """One row of the file: its cells, and the values to send unless something is wrong with them."""

    number: int
    cells: list[str]
    values: tuple[Any, ...]
    problems: tuple[CellProblem, ...]
    share: float


class RowReader:
    """Reads every row of a file.

    Parameters
    ----------
    t : for the reasons.
    commas : columns whose numbers have a comma before the decimals.
    """

    def __init__(self, file: CsvFile, fields: Sequence[FormField], t: Translator, commas: Collection[str] = ()) -> None:
        self._file = file
        self.fields = [field for field in fields if field.name in file.places]
        self._places = [file.places[field.name] for field in self.fields]
        self._t = t
        self._commas = [field.name in commas for field in self.fields]
        self._known: list[dict[str, Any]] = [{} for _ in self.fields]

    def __iter__(self) -> Iterator[Row]:
        width = len(self._file.header)
        for number, cells, share in self._file.rows():
            if len(cells) != width:
                reason = self._t("batch.cells", found=len(cells), expected=width)
                yield Row(number, cells, (), (CellProblem(number, "", reason),), share)
                continue
            read = [self._read(index, cells[place]) for index, place in enumerate(self._places)]
            wrong = tuple(
                CellProblem(number, value.field.name, explain(value, self._t))
                for value in read
                if isinstance(value, FieldProblem)
            )
            yield Row(number, cells, () if wrong else tuple(read), wrong, share)

    def _read(self, index: int, text: str) -> Any:
        known = self._known[index]
        if text not in known:
            if len(known) >= MOST_REMEMBERED:
                known.clear()
            known[text] = read_cell(self.fields[index], text.replace(",", ".") if self._commas[index] else text)
        return known[text]


def read_cell(field: FormField, text: str) -> Any:
    """The value that a cell stands for, as the API takes it; or the `FieldProblem` with it.

    Missing values may be spelled as in collected data: ``NA``, ``null``, …
    """
    text = text.strip()
    if text in MISSING_TEXTS and text not in field.categories:
        return check(field, None)
    value: Any = text
    if field.is_numeric:
        if not _NUMBER.fullmatch(text):
            return FieldProblem(field, "number", text[:SHOWN_LENGTH])
        value = float(text)
    elif field.kind == "date":
        try:
            day = _DAY.fullmatch(text)
            value = date.fromisoformat(day[1]) if day else None
        except ValueError:
            value = None
        if value is None:
            return FieldProblem(field, "date", text[:SHOWN_LENGTH])
    problem = check(field, value)
    if problem:
        return problem
    if field.kind == "integer":
        return int(value)
    return value.isoformat() if isinstance(value, date) else value
