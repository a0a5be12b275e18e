"""Client of the external batch API: one request, one raw reply, and what that reply says."""

import json
import unicodedata
from dataclasses import dataclass
from typing import Any

import requests

from pipeline.errors import SourceError, SourceExhausted, SourceRejected, without_password
from pipeline.use_case import UseCase

# The source answers 400 both for a bad request and for its normal end; only this text tells them apart.
EXHAUSTED_DETAIL = "Ya se recolectó toda la información minima necesaria"
RETRYABLE_STATUS = frozenset({408, 425, 429})
# Python refuses to convert longer ones, and no column holds them: they go on as text, to be quarantined by name.
MAX_INTEGER_DIGITS = 40


@dataclass(frozen=True)
class Delivery:
    """One reply of the source.

    Parameters
    ----------
    group_number, batch_number : what the source says the rows belong to.
    rows : the delivered rows as they came; each should be a list of strings, which `validation` checks.
    """

    group_number: int
    batch_number: int
    rows: list[Any]


class SourceClient:
    """The external batch API at `base_url`.

    Parameters
    ----------
    base_url : URL below which a use case names its path.
    group_number : group the batches are asked for.
    day : value of the ``day`` parameter, for sources that ask for one.
    timeout : seconds to wait for a connection and between two pieces of the reply.
    """

    def __init__(self, base_url: str, group_number: int = 1, day: str | None = None, timeout: float = 30) -> None:
        self.base_url = base_url.rstrip("/")
        self.group_number = group_number
        self.day = day
        self.timeout = timeout

    def fetch(self, use_case: UseCase) -> bytes:
        """Ask for the current batch and return the body of the reply, unread.

        Raises
        ------
        SourceExhausted
            The source has handed out its last batch.
        SourceRejected
            The source refuses the request (4xx): asking again cannot help.
        SourceError
            The source is unreachable, too slow, or failed (5xx): worth a retry.
        """
        parameters = {"group_number": str(self.group_number)}
        if self.day is not None:
            parameters["day"] = self.day
        return self._get(use_case.source.path, parameters)

    def restart(self, use_case: UseCase) -> None:
        """Make the source start again from batch 1. Raises as `fetch` does."""
        self._get(use_case.source.restart_path, {"group_number": str(self.group_number)})

    def _get(self, path: str, parameters: dict[str, str]) -> bytes:
        address = self.base_url + path
        url = without_password(address)  # what messages show
        try:
            reply = requests.get(address, params=parameters, timeout=self.timeout)
        except requests.Timeout:
            raise SourceError(f"the source {url} did not answer within {self.timeout:g} s") from None
        except requests.ConnectionError as error:
            raise SourceError(f"the source {url} is unreachable, check SOURCE_URL: {error}") from error
        except requests.RequestException as error:
            raise SourceError(f"the reply of the source {url} broke off or is malformed: {error}") from error
        if reply.ok:
            return reply.content
        detail = _detail(reply)
        if 400 <= reply.status_code < 500 and reply.status_code not in RETRYABLE_STATUS:
            if reply.status_code == 400 and _fold(detail) == _fold(EXHAUSTED_DETAIL):
                raise SourceExhausted(f"the source {url} has handed out its last batch: {detail}")
            raise SourceRejected(f"the source {url} refused {parameters} with {reply.status_code}: {detail}")
        raise SourceError(f"the source {url} failed with {reply.status_code}: {detail}")


def parse_delivery(body: bytes) -> Delivery:
    """Read the reply of the source. The rows themselves are not checked here.

    Raises
    ------
    SourceError
        The body is not the JSON object that the source's contract promises; the message says what is wrong.
    """
    try:
        document = json.loads(body, parse_int=_read_integer)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"the reply of the source ({len(body)} bytes) is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise SourceError(f"the reply of the source must be a JSON object, found {type(document).__name__}")
    rows = document.get("data")
    if not isinstance(rows, list):
        raise SourceError(f"'data' of the source's reply must be a list of rows, found {_describe(document, 'data')}")
    numbers = {}
    for name in ("group_number", "batch_number"):
        value = document.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 999_999_999:
            raise SourceError(f"{name!r} of the source's reply must be a number ≥ 0, found {_describe(document, name)}")
        numbers[name] = value
    return Delivery(rows=rows, **numbers)


def _read_integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_INTEGER_DIGITS else digits


def _describe(document: dict[str, Any], name: str) -> str:
    return f"{document[name]!r:.60}" if name in document else "nothing"


def _detail(reply: requests.Response) -> str:
    try:
        document = reply.json()
    except ValueError:
        return reply.text[:200] or reply.reason or "no detail"
    detail = document.get("detail", document) if isinstance(document, dict) else document
    return detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)[:500]


def _fold(text: str) -> str:
    """Compare without case, accents and outer blanks: servers differ in how they spell «mínima»."""
    decomposed = unicodedata.normalize("NFD", text.strip().casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
