"""CSV as its rows, wherever the pieces of it end."""

import csv
import io

import pytest

from inference_api import csv_rows as module
from inference_api.csv_rows import csv_rows
from inference_api.errors import Refusal

TABLES = [
    "a,b\n1,2\n",
    "a,b\r\n1,2\r\n\r\n3,4",
    "a,b\r1,2\r",
    '\ufeffa,"b"\n"1","two\nlines"\n"3","and\r\nmore, ""quoted"""\n',
    "t\ngood\u2028film\nbad\x85film\x0bé\x1c\n",
    "\n\na\n\n1\n",
    "a,b\n" + "long text,\u20ac\n" * 50,
]


@pytest.mark.parametrize("text", TABLES)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 100_000])
def test_rows_are_those_of_the_whole_text(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setattr(module, "_PIECE_BYTES", size)
    expected = [row for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")) if row]
    assert list(csv_rows(text.encode(), 100)) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"a\n\xff\n", "no CSV in UTF-8"),
        (b'a\n"b', "no CSV in UTF-8"),
        (b"a" * 2_000_000, "a line of more than 1,048,576 bytes"),
        (b"a\n" + b"," * 200_000, "more than 100,000 values"),
        (b"a\n" + b'"\n",' * 200_000, "more than 100,000 values"),
        (b"a\n" * 12, "at most 10 records"),
        (b"\n" * 12, "at most 10 records"),
    ],
)
def test_what_is_no_table_of_this_size_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        list(csv_rows(body, 10))


def test_row_that_never_ends_is_refused_before_the_rest_is_read() -> None:
    body = b"a\n" + b'"\n",' * 150_000 + b"\xff"
    with pytest.raises(Refusal, match="more than 100,000 values"):
        list(csv_rows(body, 10))
