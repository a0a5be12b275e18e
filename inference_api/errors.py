"""Refusals: every answer of the API that is not a result, as one exception that says the status and the reason."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

# A reply that lists more helps nobody; a body of 100,000 bad records must not make one of megabytes.
MOST_MISTAKES = 50
# As nginx has it; no RFC has one.
CLIENT_CLOSED_REQUEST = 499


class Refusal(Exception):
    """A request that cannot be answered.

    Parameters
    ----------
    status : HTTP status.
    detail : what is wrong and what to do about it; for 422 a list of `mistake` entries.
    retry_after : seconds after which the client may try again.
    """

    def __init__(self, status: int, detail: str | list[dict[str, Any]], retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}


def mistake(loc: tuple[str | int, ...], message: str, kind: str) -> dict[str, Any]:
    """One entry of a 422 reply, in the form FastAPI gives it."""
    return {"loc": ["body", *loc], "msg": message, "type": kind}


def invalid(mistakes: list[dict[str, Any]]) -> Refusal:
    """A 422 that names each mistake, up to `MOST_MISTAKES`."""
    if len(mistakes) > MOST_MISTAKES:
        more = mistake((), f"there are more mistakes; the first {MOST_MISTAKES} are listed", "too_many_mistakes")
        mistakes = [*mistakes[:MOST_MISTAKES], more]
    return Refusal(422, mistakes)


def in_words(refusal: Refusal) -> str:
    """A refusal as one line of text, for protocols whose errors are texts: ``columns.Elevation[17]: …``."""
    if isinstance(refusal.detail, str):
        return refusal.detail
    found = []
    for entry in refusal.detail:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in entry["loc"][1:])
        found.append(f"{place.lstrip('.')}: {entry['msg']}" if place else entry["msg"])
    return "; ".join(found)


def without_values(refusal: Refusal) -> str:
    """A refusal for others than who sent the request: which fields were refused and why, not what they held."""
    if isinstance(refusal.detail, str):
        return refusal.detail
    places = [".".join(str(part) for part in entry["loc"][1:]) or "the body" for entry in refusal.detail[:5]]
    kinds = [entry["type"] for entry in refusal.detail]
    return ", ".join(f"{place} ({kind})" for place, kind in zip(places, kinds, strict=False))


async def refusal_response(_: Request, refusal: Exception) -> Response:
    """Exception handler of `Refusal`."""
    assert isinstance(refusal, Refusal)
    content = msgspec.json.encode({"detail": refusal.detail})
    return Response(content, refusal.status, refusal.headers, media_type="application/json")


async def disconnected_response(_: Request, __: Exception) -> Response:
    """Exception handler of `ClientDisconnect`: counted, but no error, and nobody is left to send it to."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def unexpected_response(request: Request, _: Exception) -> Response:
    """Exception handler of last resort: the traceback goes to the log, the client gets the id to quote."""
    request_id = request.scope.get("request_id", "")
    detail = f"internal error; quote request id {request_id} to whoever runs this service"
    return Response(msgspec.json.encode({"detail": detail}), 500, media_type="application/json")
