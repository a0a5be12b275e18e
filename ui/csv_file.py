"""A CSV file that a person dropped: its encoding, its separator, and which of its columns are which features."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from ui.schema import FormField

CsvCode = Literal["empty", "too_large", "encoding", "no_header", "columns", "duplicate", "no_rows", "broken"]
MOST_MEGABYTES = 64
DELIMITERS = (",", ";", "\t", "|")
_READ_BYTES = 1024 * 1024


class CsvProblem(Exception):
    """A file that cannot be read as a table of records; `ui.texts` has a ``batch.<code>`` that takes the values."""

    def __init__(self, code: CsvCode, **values: Any) -> None:
        super().__init__(code)
        self.code = code
        self.values = values


@dataclass(frozen=True)
class CsvFile:
    """A file whose header names every feature that is required.

    Parameters
    ----------
    places : index of the column that holds each feature.
    extra : columns that are no feature; they are passed through.
    left_out : optional features without a column; they count as empty.
    """

    name: str
    data: bytes
    delimiter: str
    header: tuple[str, ...]
    places: dict[str, int]
    extra: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def has_bom(self) -> bool:
        """Whether it begins with the mark that makes Excel read UTF-8."""
        return self.data.startswith(codecs.BOM_UTF8)

    def rows(self) -> Iterator[tuple[int, list[str], float]]:
        """Give number (the header is row 1), cells, and the share of the file read so far; blank rows are left out.

        Raises
        ------
        CsvProblem
            A row cannot be read, for example because a quotation mark is never closed.
        """
        raw = io.BytesIO(self.data)
        number = 0
        try:
            for number, cells in enumerate(_reader(raw, self.delimiter), start=1):
                if number > 1 and any(cell.strip() for cell in cells):
                    yield number, cells, raw.tell() / len(self.data)
        except csv.Error as error:
            raise CsvProblem("broken", row=number + 1) from error


def open_csv(name: str, data: bytes, fields: Sequence[FormField]) -> CsvFile:
    """Find out how the file is written and where the features are.

    Raises
    ------
    CsvProblem
        It is empty, too large or no UTF-8 text, has no header or no row, or lacks columns.
    """
    if not data.strip():
        raise CsvProblem("empty")
    if len(data) > MOST_MEGABYTES * 1024 * 1024:
        raise CsvProblem("too_large", megabytes=f"{len(data) / 1024 / 1024:.0f}", most=MOST_MEGABYTES)
    _check_encoding(data)
    names = [field.name for field in fields]
    delimiter, header = _header(data, names)
    known = [name for name in header if name in names]
    missing = [field.name for field in fields if field.name not in known]
    required = [field.name for field in fields if field.required and field.name not in known]
    extra = [name for name in header if name not in names]
    hints = {name: close for name in missing if (close := _closest(name, extra))}
    if not known and not hints:
        raise CsvProblem("no_header", names=", ".join(names))
    if required or hints:
        raise CsvProblem("columns", missing=required, hints=hints)
    if len(known) > len(set(known)):
        raise CsvProblem("duplicate", name=next(name for name in known if known.count(name) > 1))
    file = CsvFile(
        name=name,
        data=data,
        delimiter=delimiter,
        header=tuple(header),
        places={name: header.index(name) for name in known},
        extra=tuple(extra),
        left_out=tuple(missing),
    )
    if next(file.rows(), None) is None:
        raise CsvProblem("no_rows")
    return file


def template(fields: Sequence[FormField], example: dict[str, Any]) -> bytes:
    """A CSV with the header and one example row, for a person to fill in."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields])
    writer.writerow(["" if (value := example.get(field.name)) is None else value for field in fields])
    return codecs.BOM_UTF8 + text.getvalue().encode()


def _reader(raw: io.BytesIO, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""), delimiter=delimiter)


def _check_encoding(data: bytes) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _READ_BYTES):
            decoder.decode(data[start : start + _READ_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise CsvProblem("encoding") from error
    if b"\0" in data:
        raise CsvProblem("encoding")


def _header(data: bytes, names: Sequence[str]) -> tuple[str, list[str]]:
    """The separator that finds most features in the first row, and that row."""
    best: tuple[int, str, list[str]] = (-1, "", [])
    for delimiter in DELIMITERS:
        try:
            cells = [cell.strip() for cell in next(_reader(io.BytesIO(data), delimiter), [])]
        except csv.Error:
            continue
        # A name nearly right is worth less than any that is right.
        exact = sum(cell in names for cell in cells)
        found = 2 * exact if exact else sum(_closest(cell, names) is not None for cell in cells)
        best = max(best, (found, delimiter, cells), key=lambda option: option[0])
    return best[1], best[2]


def _closest(name: str, names: Sequence[str]) -> str | None:
    """The name that was most likely meant: other capitals, blanks for underscores, or a slip."""
    plain = {_plain(other): other for other in names}
    if _plain(name) in plain:
        return plain[_plain(name)]
    close = get_close_matches(_plain(name), plain, n=1, cutoff=0.8)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
