"""Large bodies of records, read in pieces, so that one of 30 MB does not keep other requests waiting for 0.1 s."""

import re
from typing import Any

import msgspec

from inference_api.answers import Columns
from inference_api.asgi import Body
from inference_api.errors import MOST_MISTAKES, invalid, mistake
from inference_api.record_columns import RecordColumns
from inference_api.request_schema import LARGE_BYTES, RECORDS_KEY, RecordValidator, Values, not_a_record, too_many

# What is decoded at a time: about a millisecond of work.
PIECE_BYTES = 512 * 1024

_START = re.compile(rb'\s*\{\s*"records"\s*:\s*\[')
_END = re.compile(rb"\s*\}\s*\Z")
# Between two records or, rarely, inside of a text; the piece before it is then no JSON.
_BORDER = re.compile(rb"\}\s*,\s*(?=\{)")
_RECORD = re.compile(rb'\s*+(\{(?:[^"{}\[\]]++|"(?:[^"\\]|\\.)*+")*+\})\s*+(,?)', re.DOTALL)
# Of what is left: looked at, never copied, since that would be a copy of the body a record.
_SPACE = re.compile(rb"\s*+\Z")


def read_records(validator: RecordValidator, body: Body, most: int) -> Columns:
    """Read ``{"records": [...]}``.

    Raises
    ------
    Refusal
        422, naming every mistake; 413 for more than `most` records.
    """
    start, end = _START.match(body), body.rfind(b"]")
    if start is None or not _END.match(body, end + 1):
        raise not_a_record(body)
    reader = _Reader(validator, body, end, most)
    place = start.end()
    while place < end:
        place = reader.read_piece(place)
    if reader.mistakes:
        raise invalid(reader.mistakes)
    if not reader.count:
        raise invalid([mistake((RECORDS_KEY,), "records must hold at least one record", "too_short")])
    return reader.records.columns()


class _Reader:
    """What has been read so far of the list that ends at `end`."""

    def __init__(self, validator: RecordValidator, body: Body, end: int, most: int) -> None:
        self.records = RecordColumns(validator.fields)
        self.count = 0
        self.mistakes: list[dict[str, Any]] = []
        self._validator = validator
        self._body = body
        self._end = end
        self._most = most

    def read_piece(self, place: int) -> int:
        """Read the records from `place` on; returns where the next piece starts."""
        border = _BORDER.search(self._body, place + PIECE_BYTES, self._end)
        stop, following = (border.start() + 1, border.end()) if border else (self._end, self._end)
        try:
            decoded = self._validator.record_list.decode(b"[" + self._body[place:stop] + b"]")
            rows = list(map(msgspec.structs.astuple, decoded))
            if self._validator.dates_allowed(rows):
                self._add(rows)
                return following
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass  # the closer look below finds out why
        return self._read_closely(place, stop)

    def _read_closely(self, place: int, stop: int) -> int:
        """Read record by record, to the first that starts at `stop` or after it."""
        rows: list[Values] = []
        while place < stop:
            index = self.count + len(rows)
            # No record is that long; one that is would keep other requests waiting while it is read.
            found = _RECORD.match(self._body, place, min(place + LARGE_BYTES, self._end))
            last = found is not None and _SPACE.match(self._body, found.end(), self._end) is not None
            if found is None or bool(found[2]) == last:
                raise self._no_record(index)
            try:
                record = msgspec.json.decode(found[1])
            except (msgspec.DecodeError, UnicodeError):
                raise self._no_record(index) from None
            rows.append(self._validator.check_record(record, (RECORDS_KEY, index), self.mistakes))
            if len(self.mistakes) > MOST_MISTAKES:
                raise invalid(self.mistakes)
            place = found.end()
        self._add(rows)
        return place

    def _add(self, rows: list[Values]) -> None:
        """Take note of records; after a mistake they are counted only."""
        self.count += len(rows)
        if self.count > self._most:
            raise too_many(self._most)
        if not self.mistakes:
            self.records.add(rows)

    def _no_record(self, index: int) -> Exception:
        message = (
            f"record {index} is not a flat JSON object of numbers, texts and null, of at most {LARGE_BYTES:,} bytes "
            "and followed by a comma or the end"
        )
        return invalid([*self.mistakes, mistake((RECORDS_KEY, index), message, "json_invalid")])
