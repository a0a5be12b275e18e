"""The rows of a CSV body one at a time, so that a large one takes little memory, and nobody waits for it."""

import csv
import io
import re
from collections.abc import Iterator

from inference_api.asgi import Body
from inference_api.errors import Refusal, invalid, mistake
from inference_api.fields import LONGEST_TEXT
from inference_api.request_schema import LARGE_BYTES, too_many

CSV = "csv"
# Of one row, and commas in its texts; a body may be a single row of millions of values.
MOST_VALUES = 100_000

_PIECE_BYTES = 256 * 1024
_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n?|\n")

csv.field_size_limit(max(csv.field_size_limit(), LONGEST_TEXT))


def csv_rows(body: Body, most: int) -> Iterator[list[str]]:
    """Read the rows that hold anything.

    Parameters
    ----------
    most : rows, whether they hold anything or not, besides the first.

    Raises
    ------
    Refusal
        422 for what is no CSV in UTF-8; 413 for too many rows.
    """
    lines = _Lines(body)
    empty = full = 0
    try:
        for row in csv.reader(lines, strict=True):
            lines.commas = 0
            if row:
                full += 1
                yield row
            else:
                empty += 1
            if max(empty, full) > most + 1:
                raise too_many(most)
    except (UnicodeDecodeError, csv.Error) as error:
        raise wrong_csv(f"is no CSV in UTF-8: {error}") from None


class _Lines(Iterator[str]):
    """Lines with their ends, as quoted texts may have some; decoded in pieces.

    Attributes
    ----------
    commas : read since somebody set it to 0.
    """

    def __init__(self, body: Body) -> None:
        self.commas = 0
        self._body = body
        self._place = len(_BOM) if body.startswith(_BOM) else 0
        self._piece: Iterator[str] = iter(())

    def __next__(self) -> str:
        line = next(self._piece, None)
        while line is None:
            self._piece = self._next_piece()
            line = next(self._piece, None)
        self.commas += line.count(",")
        if self.commas > MOST_VALUES:
            raise wrong_csv(f"has a row of more than {MOST_VALUES:,} values")
        return line

    def _next_piece(self) -> Iterator[str]:
        start = self._place
        if start >= len(self._body):
            raise StopIteration
        stop = start + _PIECE_BYTES
        end = _LINE_END.search(self._body, stop, stop + LARGE_BYTES)
        if end is None and stop + LARGE_BYTES < len(self._body):
            raise wrong_csv(f"has a line of more than {LARGE_BYTES:,} bytes")
        self._place = end.end() if end else len(self._body)
        return io.StringIO(bytes(self._body[start : self._place]).decode(), newline="")


def wrong_csv(message: str) -> Refusal:
    """The refusal of a body that is no table."""
    return invalid([mistake((CSV,), f"{CSV} {message}", "form")])
