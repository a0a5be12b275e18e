"""The compiled validator of one model: request bytes in, values in column order out.

A body of the right JSON types passes through one msgspec decoder. Whatever that refuses is read again field by field:
slower, but it accepts lossless spellings (numbers as strings) and names every mistake.
"""

import json
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Any

import msgspec

from inference_api.asgi import Body
from inference_api.errors import MOST_MISTAKES, Refusal, invalid, mistake
from inference_api.fields import Field, FieldError, longest_text, printable
from pipeline.bundle import Bundle
from pipeline.cells import MAX_TEXT_LENGTH

MODEL_KEY = "model"
RECORDS_KEY = "records"

Values = tuple[Any, ...]


class _Named(msgspec.Struct):
    model: Any = None


_named = msgspec.json.Decoder(_Named)

LARGE_BYTES = 1024 * 1024
# Looking for the feature that was meant takes 0.3 ms a key: enough keys would keep the service busy for seconds.
HINTED_KEYS = 10
LONGEST_HINTED_KEY = 64
# Python refuses to read integers of more than 4,300.
MOST_DIGITS = 4000
Scalar = str | int | float | bool | None
_well_formed = msgspec.json.Decoder(msgspec.Raw)


def requested_model(body: Body) -> Any:
    """The value of ``"model"`` in a body, None when there is none or the body is no JSON object."""
    try:
        return _named.decode(body).model
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass  # what is read all the same, such as NaN or a byte order mark, must not be held against another model
    try:
        found = parse_json(body)
    except Refusal:
        return None
    return found.get(MODEL_KEY) if isinstance(found, dict) else None


class RecordValidator:
    """Reads the requests to one model.

    Parameters
    ----------
    bundle : its columns say what a record holds.

    Attributes
    ----------
    has_long_texts : whether a record may hold more than a few kilobytes.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.use_case = bundle.use_case
        self.fields = [Field(column) for column in bundle.columns]
        self.columns = tuple(field.name for field in self.fields)
        texts = (field.column for field in self.fields if field.column.type == "text")
        self.has_long_texts = any(longest_text(column) > MAX_TEXT_LENGTH for column in texts)
        # A model with a column "model" keeps it for itself: such a model is reached under its own path only.
        self.has_model_key = MODEL_KEY not in self.columns
        self._dates = [(i, field) for i, field in enumerate(self.fields) if field.column.type == "date"]
        record = self._struct("Record", self.fields)
        self._record = msgspec.json.Decoder(record)
        self.record_list = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]
        self._records = msgspec.json.Decoder(
            msgspec.defstruct("Records", [(RECORDS_KEY, list[record])], forbid_unknown_fields=True)  # type: ignore[valid-type]
        )
        extra = [(MODEL_KEY, str | None, None)] if self.has_model_key else []
        self._named_record = msgspec.json.Decoder(self._struct("NamedRecord", self.fields, extra))

    @staticmethod
    def _struct(name: str, fields: Iterable[Field], extra: Iterable[tuple[str, Any, Any]] = ()) -> type[msgspec.Struct]:
        """A struct with one attribute a column, named by position so that any column name is allowed."""
        columns = list(fields)
        attributes: list[Any] = [
            (f"f{i}", field.annotation) if field.required else (f"f{i}", field.annotation, None)
            for i, field in enumerate(columns)
        ]
        return msgspec.defstruct(
            name,
            [*attributes, *extra],
            rename={f"f{i}": field.name for i, field in enumerate(columns)},
            kw_only=True,
            forbid_unknown_fields=True,
            frozen=True,
            gc=False,
        )

    def read_plain(self, body: Body, name: str) -> Values | None:
        """The quick reading of one flat record, optionally with ``"model": name``; None when it takes a closer look."""
        try:
            values = msgspec.structs.astuple(self._named_record.decode(body))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        if self.has_model_key:
            if values[-1] is not None and values[-1] != name:
                return None
            values = values[:-1]
        return values if not self._dates or self._row_allowed(values) else None

    def read_one(self, body: Body, *, named: bool) -> Values:
        """Read one flat record.

        Parameters
        ----------
        named : whether the body may name its model under ``"model"``.

        Raises
        ------
        Refusal
            422, naming every mistake.
        """
        record = parse_json(body)
        if named and self.has_model_key and isinstance(record, dict):
            record = {key: value for key, value in record.items() if key != MODEL_KEY}
        return self._check([record], indexed=False)[0]

    def read(self, body: Body, most: int) -> tuple[list[Values], bool]:
        """Read one flat record or ``{"records": [...]}``.

        Returns
        -------
        The records, and whether they came as a list.

        Raises
        ------
        Refusal
            422, naming every mistake; 413 for more than `most` records.
        """
        # Before they take memory: a megabyte holds 300,000 empty objects. (Few brackets are inside of texts.)
        if body.count(b"{") > 2 * most + 1:
            raise too_many(most)
        try:
            if body[:64].lstrip(b" \t\r\n{").startswith(b'"records"'):
                decoded: Any = self._records.decode(body)
                rows, many = [msgspec.structs.astuple(record) for record in decoded.records], True
            else:
                rows, many = [msgspec.structs.astuple(self._record.decode(body))], False
            if len(rows) > most:
                raise too_many(most)
            if rows and self.dates_allowed(rows):
                return rows, many
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass  # the closer look below finds out why
        payload = parse_json(body)
        if not (isinstance(payload, dict) and isinstance(payload.get(RECORDS_KEY), list)):
            return self._check([payload], indexed=False), False
        others = (printable(key) for key in payload if key != RECORDS_KEY)
        if unknown := list(islice(others, MOST_MISTAKES + 1)):
            message = 'a body with "records" holds nothing else'
            raise invalid(
                [mistake((key,), f"{key} is not allowed here: {message}", "extra_forbidden") for key in unknown]
            )
        if not payload[RECORDS_KEY]:
            raise invalid([mistake((RECORDS_KEY,), "records must hold at least one record", "too_short")])
        if len(payload[RECORDS_KEY]) > most:
            raise too_many(most)
        return self._check(payload[RECORDS_KEY], indexed=True), True

    def dates_allowed(self, rows: list[Values]) -> bool:
        """Whether every date of the rows is within the limits of its column."""
        return not self._dates or all(map(self._row_allowed, rows))

    def _row_allowed(self, values: Values) -> bool:
        return all(values[i] is None or field.accepts_date(values[i]) for i, field in self._dates)

    def _check(self, records: list[Any], *, indexed: bool) -> list[Values]:
        mistakes: list[dict[str, Any]] = []
        rows = []
        for index, record in enumerate(records):
            rows.append(self.check_record(record, (RECORDS_KEY, index) if indexed else (), mistakes))
            if len(mistakes) > MOST_MISTAKES:
                break
        if mistakes:
            raise invalid(mistakes)
        return rows

    def check_record(self, record: Any, loc: tuple[str | int, ...], mistakes: list[dict[str, Any]]) -> Values:
        """Read one record field by field; its mistakes are added to `mistakes`."""
        if not isinstance(record, dict):
            message = f"a record must be a JSON object with the features of {self.use_case}: {', '.join(self.columns)}"
            mistakes.append(mistake(loc, message, "object_type"))
            return ()
        values = []
        for field in self.fields:
            try:
                values.append(field.read(record.get(field.name)))
            except FieldError as error:
                mistakes.append(mistake((*loc, field.name), str(error), error.kind))
        if len(record) > len(self.fields) or not record.keys() <= set(self.columns):
            unknown = (key for key in record if key not in self.columns)
            room = max(0, MOST_MISTAKES + 1 - len(mistakes))
            mistakes += [
                self.unknown(loc, key, hinted=number < HINTED_KEYS) for number, key in enumerate(islice(unknown, room))
            ]
        return tuple(values)

    def unknown(self, loc: tuple[str | int, ...], key: str, *, hinted: bool) -> dict[str, Any]:
        """The mistake that a name is no feature; `hinted`: with the one that was probably meant."""
        close: list[str] = []
        if hinted and len(key) <= LONGEST_HINTED_KEY:
            close = get_close_matches(key, self.columns, n=1, cutoff=0.6)
            close = close or [name for name in self.columns if name.lower() == key.lower()]
        hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(self.columns)}"
        shown = printable(key)
        return mistake((*loc, shown), f"{shown} is not a feature of {self.use_case}: {hint}", "extra_forbidden")


def too_many(most: int) -> Refusal:
    """The refusal of a body with more than `most` records."""
    return Refusal(413, f"one request may hold at most {most:,} records (MAX_RECORDS); send them in several")


def parse_json(body: Body, most_bytes: int = LARGE_BYTES) -> Any:
    """Parse any JSON of at most `most_bytes`; beyond, nested lists would take 20 times their text.

    Raises
    ------
    Refusal
        422, with the position of the mistake. NaN and Infinity are let through, for the field's own rule to refuse.
    """
    if len(body) > most_bytes:
        raise not_a_record(body)
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        raise _malformed("the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        reason = str(error)
    try:
        # Not JSON to msgspec, but to Python's reader: NaN, Infinity and numbers beyond a double.
        return json.loads(body, parse_int=_whole_number)
    except (ValueError, RecursionError):
        raise _malformed(reason if body.strip() else "the body is empty") from None


def _whole_number(digits: str) -> int | float:
    """An integer; one of more digits than Python reads is beyond any limit."""
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


def not_a_record(body: Body) -> Refusal:
    """The refusal of a large body that neither is well-formed nor starts with a list of records or columns."""
    try:
        _well_formed.decode(body)
    except RecursionError:
        return _malformed("the body is nested too deeply")
    except (msgspec.DecodeError, UnicodeError) as error:
        return _malformed(str(error))
    return _malformed(
        f'a body of more than {LARGE_BYTES:,} bytes must be {{"records": [...]}} or {{"columns": {{...}}}}, '
        "with flat records and nothing else"
    )


def _malformed(reason: str) -> Refusal:
    return invalid([mistake((), f"{reason}. Send a JSON object of named features", "json_invalid")])
