"""Bodies and replies that are Arrow IPC streams."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_api.answers import Columns
from inference_api.arrow_messages import ArrowError
from inference_api.arrow_stream import TooManyRows, Values, read_stream
from inference_api.asgi import Body
from inference_api.columnar import COLUMNS_KEY, ColumnReader, dates_allowed
from inference_api.errors import MOST_MISTAKES, invalid, mistake
from inference_api.fields import Field, limits_of
from inference_api.request_schema import HINTED_KEYS, RecordValidator, too_many


def read_arrow(validator: RecordValidator, body: Body, most: int) -> Columns:
    """Read a stream whose columns are the features, by the rules that hold for JSON.

    Raises
    ------
    Refusal
        422, naming column and row of every mistake; 413 for more than `most` rows.
    """
    try:
        stream = read_stream(body, most, validator.columns)
    except TooManyRows:
        raise too_many(most) from None
    except ArrowError as error:
        message = f"the body is no Arrow IPC stream that can be read: {error}"
        raise invalid([mistake((), message, "arrow_invalid")]) from None
    reader = ColumnReader.of(validator)
    loc = (COLUMNS_KEY,)
    unknown = [name for name in stream if name not in validator.columns][: MOST_MISTAKES + 1]
    mistakes = [validator.unknown(loc, name, hinted=i < HINTED_KEYS) for i, name in enumerate(unknown)]
    columns: dict[str, Any] = {}
    for field in validator.fields:
        if field.name in stream:
            columns[field.name] = _checked(reader, field, _whole(stream[field.name]), mistakes)
        elif field.required:
            mistakes.append(mistake((*loc, field.name), f"{field.name} is required: {field.allowed}", "missing"))
    if mistakes:
        raise invalid(mistakes)
    return reader.complete(columns, loc, most)


def _whole(parts: list[Values]) -> Values:
    """The pieces of a column as one."""
    if len(parts) == 1:
        return parts[0]
    if parts and all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    return [value for part in parts for value in (part if isinstance(part, list) else part.tolist())]


def _checked(reader: ColumnReader, field: Field, values: Values, mistakes: list[dict[str, Any]]) -> Values:
    """The values as the model takes them; all at once where nothing is wrong with any."""
    quick: Values | None = None
    if isinstance(values, np.ndarray):
        if field.column.is_numeric and field.column.type != "date" and values.dtype.kind in "iuf":
            quick = _numbers(field, values)
        elif field.column.type == "date" and values.dtype.kind == "M":
            quick = _days(field, values)
    elif field.column.type == "category" and field.column.categories is not None:
        known = field.column.categories.keys() | ({None} if not field.required else set())
        quick = values if _all_in(values, known) else None
    if quick is not None:
        return quick
    if isinstance(values, np.ndarray):
        values = [_day_text(value) for value in values] if values.dtype.kind == "M" else values.tolist()
    texts = (_day_text(value) if hasattr(value, "isoformat") else value for value in values)
    return reader.read_values(field, texts, (COLUMNS_KEY, field.name), mistakes)


def _all_in(values: list[Any], known: Any) -> bool:
    try:
        return set(values) <= known
    except TypeError:
        return False


def _numbers(field: Field, values: NDArray[Any]) -> NDArray[Any] | None:
    """Numbers within the field's limits, None when one is not."""
    whole = field.column.type == "integer"
    if values.dtype.kind == "f":
        values = values.astype(np.float64)
        if not np.isfinite(values).all() or (whole and (values != np.floor(values)).any()):
            return None
    if not len(values):
        return values
    # As Python's numbers: numpy would round an integer beyond 2^53 before it is compared with a float.
    lowest, highest = values.min().item(), values.max().item()
    low, high = limits_of(field.column)
    if not low <= lowest <= highest <= high:
        return None
    return values.astype(np.int64 if whole else np.float64)


def _days(field: Field, values: NDArray[Any]) -> NDArray[Any] | None:
    days = values.astype("datetime64[D]")
    if np.isnat(values).any() or (days != values).any():
        return None
    outside = len(days) and not np.datetime64("1000-01-01") <= days.min() <= days.max() <= np.datetime64("9999-12-31")
    return None if outside or not dates_allowed(field, days) else days


def _day_text(value: Any) -> str:
    """A date or datetime as text; a time of day other than midnight stays in it, to be refused."""
    return str(np.datetime64(value)).replace("T00:00:00.000000", "").removesuffix("T00:00:00")
