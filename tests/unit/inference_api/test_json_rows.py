"""The rows of a JSON list, wherever the pieces of it end."""

import json
from typing import Any

import msgspec
import pytest

from inference_api import json_rows as module
from inference_api.errors import Refusal
from inference_api.json_rows import json_rows

LISTS: list[Any] = [
    [],
    [{}],
    [[], [1, -2.5e3, "é€", None, True]],
    [{"a": "},{", "b": ["]", {"c": '\\"'}]}, {"a": 12345}],
    [['text, [with] {all} "of" it'] * 3] * 20,
]


@pytest.mark.parametrize("rows", LISTS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize("layout", [{"separators": (",", ":")}, {"indent": 2}, {"ensure_ascii": False}])
def test_rows_are_those_of_the_whole_list(
    monkeypatch: pytest.MonkeyPatch, rows: list[Any], size: int, layout: dict[str, Any]
) -> None:
    monkeypatch.setattr(module, "_PIECE_BYTES", size)
    raw = msgspec.json.decode(json.dumps(rows, **layout), type=msgspec.Raw)
    assert list(json_rows(raw, "rows")) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{}", "rows must be a list"),
        (b"[[1], 5]", r"rows\[1\] must be a record"),
        (b'[["a"], "b"]', r"rows\[1\] must be a record"),
        (b"[" * 40_000 + b"]" * 40_000, r"rows\[0\] is nested too deeply"),
        (b"[[%s]]" % (b"9" * 5000), r"rows\[0\] cannot be read"),
        (b'[{"a":1},["%s"]]' % (b"x" * 2_000_000), r"rows\[1\] cannot be read within 1,048,576 bytes"),
        (b'[["\xff"]]', "not in UTF-8"),
    ],
)
def test_what_is_no_list_of_rows_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        list(json_rows(msgspec.Raw(text), "rows"))
