"""The rows of a JSON list one at a time, so that a large one takes little memory, and nobody waits for it."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from inference_api.errors import Refusal, invalid, mistake
from inference_api.request_schema import LARGE_BYTES

_PIECE_BYTES = 256 * 1024

_BETWEEN = re.compile(r"[\s,]*+")


def json_rows(data: msgspec.Raw, place: str) -> Iterator[Any]:
    """Read the lists and objects that a well-formed list holds.

    Parameters
    ----------
    place : what the body calls the list.

    Raises
    ------
    Refusal
        422 for a row of more than `LARGE_BYTES`, one nested too deeply, and for anything but lists and objects.
    """
    view = memoryview(data)
    if bytes(view[:1]) != b"[":
        raise _wrong(place, "must be a list")
    read_one = json.JSONDecoder().raw_decode
    decode = codecs.getincrementaldecoder("utf-8")().decode
    text, start, read, number = "", 0, 1, 0
    while True:
        found = _BETWEEN.match(text, start)
        start = found.end() if found else start
        first = text[start : start + 1]
        if first == "]":
            return
        if first not in ("", "[", "{"):
            raise _wrong(f"{place}[{number}]", "must be a record, or a list of values")
        try:
            if first:
                row, start = read_one(text, start)
                number += 1
                yield row
                continue
        except ValueError as error:
            # Cut off, most likely; what is read next may complete it.
            if read >= len(view) or len(text) - start > LARGE_BYTES:
                reason = f"cannot be read within {LARGE_BYTES:,} bytes: {error}"
                raise _wrong(f"{place}[{number}]", reason) from None
        except RecursionError:
            raise _wrong(f"{place}[{number}]", "is nested too deeply") from None
        if read >= len(view):
            raise _wrong(place, "does not end")
        # As much again as there is of a long row: what there is of it is read anew each time.
        more = max(_PIECE_BYTES, min(len(text) - start, LARGE_BYTES - (len(text) - start)))
        try:
            text, start = text[start:] + decode(view[read : read + more]), 0
        except UnicodeDecodeError as error:
            raise _wrong(place, f"is not in UTF-8: {error}") from None
        read += more


def _wrong(place: str, message: str) -> Refusal:
    return invalid([mistake((place,), f"{place} {message}", "form")])
