"""Whole columns of a request, checked by the same rules as single records.

A column of the right JSON types passes through one msgspec decoder, one column at a time, so that other threads get
their turn between two. Only a column that this refuses is looked at value by value.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec
import numpy as np

from inference_api.answers import Columns
from inference_api.asgi import Body
from inference_api.errors import MOST_MISTAKES, invalid, mistake
from inference_api.fields import Field, FieldError, printable
from inference_api.record_columns import compact
from inference_api.request_schema import HINTED_KEYS, LARGE_BYTES, RecordValidator, Scalar, parse_json, too_many

COLUMNS_KEY = "columns"

_ITEM = re.compile(rb'"(?:[^"\\]|\\.)*+"|[^\s,\[\]"]+')
_scalars = msgspec.json.Decoder(list[Scalar])
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_any = msgspec.json.Decoder()
# From here on it pays to have msgspec look at all values of a column at once.
_MANY_VALUES = 50


class ColumnReader:
    """Reads columns of one model.

    Parameters
    ----------
    validator : of the same model.
    """

    @staticmethod
    @lru_cache(64)
    def of(validator: RecordValidator) -> "ColumnReader":
        """The reader of a model, made once."""
        return ColumnReader(validator)

    def __init__(self, validator: RecordValidator) -> None:
        self._validator = validator
        self._fields = {field.name: field for field in validator.fields}
        self._types = {field.name: list[field.annotation] for field in validator.fields}  # type: ignore[name-defined]
        self._lists = {field.name: msgspec.json.Decoder(list[field.annotation]) for field in validator.fields}  # type: ignore[name-defined]
        self._names = {f"f{i}": field.name for i, field in enumerate(validator.fields)}
        # Raw columns by name, so that a body cannot hold millions of others.
        columns, known = (
            msgspec.defstruct(
                "Columns",
                [(key, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for key in self._names],
                rename=self._names,
                forbid_unknown_fields=strict,
                gc=False,
            )
            for strict in (True, False)
        )
        self._known: msgspec.json.Decoder[Any] = msgspec.json.Decoder(known)
        self._body: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct("ColumnsBody", [(COLUMNS_KEY, columns)], forbid_unknown_fields=True)
        )

    def read_body(self, body: Body, most: int) -> Columns:
        """Read ``{"columns": {name: [values]}}``.

        Raises
        ------
        Refusal
            422, naming column and row of every mistake; 413 for too many rows.
        """
        try:
            found = self._body.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return self.read(self._sources(body, error), (COLUMNS_KEY,), most)
        return self.read(self._given(found.columns), (COLUMNS_KEY,), most)

    def read_known(self, source: msgspec.Raw, loc: tuple[str, ...], most: int) -> Columns:
        """Read ``{name: [values]}``, or a single value in place of a list; names that are no features are ignored.

        Raises
        ------
        Refusal
            As `read_body`.
        msgspec.DecodeError, UnicodeError
            It is no object.
        """
        sources = self._given(self._known.decode(source))
        for name, raw in sources.items():
            if bytes(memoryview(raw)[:1]) != b"[":
                sources[name] = msgspec.Raw(b"[" + bytes(raw) + b"]")
        return self.read(sources, loc, most)

    def _given(self, columns: msgspec.Struct) -> dict[str, msgspec.Raw]:
        found = {name: getattr(columns, key) for key, name in self._names.items()}
        return {name: raw for name, raw in found.items() if raw is not msgspec.UNSET}

    def read(self, sources: Mapping[str, msgspec.Raw | list[Any]], loc: tuple[str, ...], most: int) -> Columns:
        """Read columns by name, each the JSON of a list or a list of JSON values.

        Parameters
        ----------
        loc : where in the body they are, for messages.

        Raises
        ------
        Refusal
            As `read_body`.
        """
        mistakes = [
            self._validator.unknown(loc, name, hinted=i < HINTED_KEYS)
            for i, name in enumerate(islice((n for n in sources if n not in self._fields), MOST_MISTAKES + 1))
        ]
        columns: dict[str, Any] = {}
        for name, field in self._fields.items():
            if name in sources:
                values = self._read_one(field, sources[name], (*loc, name), most, mistakes)
                columns[name] = compact(field, values)
            elif field.required:
                mistakes.append(mistake((*loc, name), f"{name} is required: {field.allowed}", "missing"))
        if mistakes:
            raise invalid(mistakes)
        return self.complete(columns, loc, most)

    def complete(self, columns: Mapping[str, Any], loc: tuple[str, ...], most: int) -> Columns:
        """Check that columns are of one length and add those that were left out, which are all missing.

        Raises
        ------
        Refusal
            422 for no rows and for unequal lengths; 413 for too many rows.
        """
        lengths = {name: len(values) for name, values in columns.items()}
        count = max(lengths.values(), default=0)
        if count > most:
            raise too_many(most)
        if not count:
            raise invalid([mistake(loc, f"{loc[-1]} must hold at least one record", "too_short")])
        usual = max(lengths.values(), key=list(lengths.values()).count)
        uneven = [
            mistake((*loc, name), f"{name} has {length:,} values, other columns have {usual:,}", "unequal_length")
            for name, length in lengths.items()
            if length != usual
        ]
        if uneven:
            raise invalid(uneven)
        return {name: columns[name] if name in columns else [None] * count for name in self._fields}

    def read_list(
        self, field: Field, values: list[Any], loc: tuple[str, ...], mistakes: list[dict[str, Any]], first: int
    ) -> list[Any]:
        """Read JSON values, all at once where nothing is wrong with any; `first` is the row of the first."""
        if len(values) >= _MANY_VALUES:
            try:
                found: list[Any] = msgspec.convert(values, self._types[field.name])
                if field.column.type != "date" or dates_allowed(field, found):
                    return found
            except msgspec.ValidationError:
                pass  # the closer look below finds out why
        return self.read_values(field, values, loc, mistakes, first)

    def read_values(
        self,
        field: Field,
        values: Iterable[Any],
        loc: tuple[str, ...],
        mistakes: list[dict[str, Any]],
        first: int = 0,
    ) -> list[Any]:
        """Read value by value; a mistake is added to `mistakes` with its row, until there are too many of them."""
        found: list[Any] = []
        known: dict[str, Any] = {}
        for row, value in enumerate(values, first):
            try:
                if type(value) is str:
                    if value not in known:
                        known[value] = field.read(value)
                    found.append(known[value])
                else:
                    found.append(field.read(value))
            except FieldError as error:
                mistakes.append(mistake((*loc, row), str(error), error.kind))
                found.append(None)
                if len(mistakes) > MOST_MISTAKES:
                    break
        return found

    def _read_one(
        self,
        field: Field,
        source: msgspec.Raw | list[Any],
        loc: tuple[str, ...],
        most: int,
        mistakes: list[dict[str, Any]],
    ) -> list[Any]:
        if len(mistakes) > MOST_MISTAKES:
            return []
        if isinstance(source, list):
            return self.read_values(field, source, loc, mistakes)
        raw = bytes(source)
        if not raw.startswith(b"["):
            mistakes.append(mistake(loc, f"{field.name} must be a list with one value a record", "list_type"))
            return []
        _check_count(raw, most)
        try:
            values: list[Any] = self._lists[field.name].decode(raw)
            if field.column.type != "date" or dates_allowed(field, values):
                return values
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass  # the closer look below finds out why
        return self.read_values(field, _values(raw), loc, mistakes)

    def _sources(self, body: Body, error: Exception) -> dict[str, Any]:
        """The columns of a body that the quick reading refused."""
        if len(body) > LARGE_BYTES:
            raise invalid([mistake((), f"{error}. Send {self._form()}", "json_invalid")])
        payload = parse_json(body)
        columns = payload.get(COLUMNS_KEY) if isinstance(payload, dict) else None
        if not isinstance(columns, dict):
            raise invalid([mistake((COLUMNS_KEY,), f"a body of columns must be {self._form()}", "object_type")])
        others = [printable(key) for key in islice(payload, MOST_MISTAKES + 2) if key != COLUMNS_KEY]
        if others:
            message = f'a body with "{COLUMNS_KEY}" holds nothing else'
            raise invalid(
                [mistake((key,), f"{key} is not allowed here: {message}", "extra_forbidden") for key in others]
            )
        for name, values in columns.items():
            if name in self._fields and not isinstance(values, list):
                message = f"{name} must be a list with one value a record"
                raise invalid([mistake((COLUMNS_KEY, name), message, "list_type")])
        return columns

    def _form(self) -> str:
        return f'{{"{COLUMNS_KEY}": {{name: [one value a record]}}}} with the features of {self._validator.use_case}'


def dates_allowed(field: Field, values: Any) -> bool:
    """Whether all dates of a list or array, None or NaT for a missing one, are within the field's limits."""
    days = np.array(values, dtype="datetime64[D]")
    days = days[~np.isnat(days)]
    return not len(days) or all(field.accepts_date(limit.item()) for limit in (days.min(), days.max()))


def _values(raw: bytes) -> Iterable[Any]:
    """The values of a list; those that are no scalars one at a time, as they may be nested deeply."""
    try:
        return _scalars.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return map(_scalar, _raws.decode(raw))


def _scalar(raw: msgspec.Raw) -> Any:
    first = bytes(raw)[:1]
    if first in (b"[", b"{"):
        return [] if first == b"[" else {}
    try:
        return _any.decode(raw)
    except (msgspec.DecodeError, UnicodeError):
        return float("nan")  # a number beyond any double


def _check_count(raw: bytes, most: int) -> None:
    """Refuse a list with too many values before they take memory."""
    # Commas may be inside of texts.
    if raw.count(b",") >= most and sum(1 for _ in islice(_ITEM.finditer(raw), most + 1)) > most:
        raise too_many(most)
