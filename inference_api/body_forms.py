"""The forms in which a request holds records, and a reply the answers."""

import re
from collections.abc import Iterable

import msgspec

from inference_api.answers import Columns
from inference_api.arrow_body import read_arrow
from inference_api.arrow_reply import arrow_reply
from inference_api.asgi import JSON_TYPE, Body
from inference_api.batch_replies import Encode, columns_reply, records_reply
from inference_api.columnar import COLUMNS_KEY, ColumnReader
from inference_api.errors import Refusal
from inference_api.predictor import Predictor
from inference_api.record_columns import RecordColumns
from inference_api.record_stream import read_records
from inference_api.request_schema import LARGE_BYTES, RECORDS_KEY, Values

ARROW_TYPE = b"application/vnd.apache.arrow.stream"

_FIRST_KEY = re.compile(rb'\s*\{\s*"(records|columns)"\s*:')
# Forms that people send by mistake, and would get a puzzling answer about JSON.
_OTHER_TYPES = (b"multipart/", b"application/xml", b"application/vnd.apache.arrow.file", b"application/octet-stream")


class Forms(msgspec.Struct, frozen=True, gc=False):
    """Whether the body, and the reply to it, are Arrow streams; JSON otherwise."""

    arrow_body: bool = False
    arrow_reply: bool = False


_JSON = Forms()


def forms_of(headers: Iterable[tuple[bytes, bytes]]) -> Forms:
    """What the headers of a request say of its body and of the reply; any type but those named is taken for JSON.

    Raises
    ------
    Refusal
        415 for a content type that is known not to be accepted.
    """
    body = accepted = b""
    for name, value in headers:
        if name == b"content-type":
            body = value.lower()
        elif name == b"accept":
            accepted = value.lower()
    if body.startswith(_OTHER_TYPES):
        raise Refusal(
            415,
            f"a body of type {body.decode('latin-1')} is not accepted; "
            f"send {JSON_TYPE.decode()} or {ARROW_TYPE.decode()}",
        )
    arrow = body.startswith(ARROW_TYPE)
    if not arrow and ARROW_TYPE not in accepted:
        return _JSON
    return Forms(arrow, ARROW_TYPE in accepted or (arrow and JSON_TYPE not in accepted))


class Batch(msgspec.Struct, gc=False):
    """The records of a request.

    Attributes
    ----------
    columns : the records, of all features.
    place : what the body calls them.
    encode : makes the reply in the form of the request.
    """

    columns: Columns
    place: str
    encode: Encode


def read_body(predictor: Predictor, body: Body, forms: Forms, most: int) -> Values | Batch:
    """Read a body of any form: a single flat record, or a batch.

    Raises
    ------
    Refusal
        422, naming every mistake; 413 for more than `most` records.
    """
    validator = predictor.validator
    by_column = arrow_reply if forms.arrow_reply else columns_reply
    if forms.arrow_body:
        return Batch(read_arrow(validator, body, most), COLUMNS_KEY, by_column)
    first = _FIRST_KEY.match(body)
    if first is not None and first[1] == COLUMNS_KEY.encode() and COLUMNS_KEY not in validator.columns:
        return Batch(ColumnReader.of(validator).read_body(body, most), COLUMNS_KEY, by_column)
    encode = arrow_reply if forms.arrow_reply else records_reply
    if len(body) > LARGE_BYTES:
        return Batch(read_records(validator, body, most), RECORDS_KEY, encode)
    rows, many = validator.read(body, most)
    if not many and not forms.arrow_reply:
        return rows[0]
    records = RecordColumns(validator.fields)
    records.add(rows)
    return Batch(records.columns(), RECORDS_KEY, encode)
