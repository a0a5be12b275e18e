"""What a feedback request holds: checked in full before anything is stored."""

from typing import TYPE_CHECKING, Any

from inference_api.asgi import Body
from inference_api.errors import MOST_MISTAKES, Refusal, invalid, mistake
from inference_api.fields import Field, FieldError
from inference_api.request_ids import REQUEST_ID
from inference_api.request_schema import LARGE_BYTES, parse_json
from pipeline.bundle import Bundle, BundleColumn
from pipeline.use_case import UseCase

if TYPE_CHECKING:
    from pipeline.warehouse import Feedback

FEEDBACK_KEY = "feedback"
KEYS = ("request_id", "outcome", "record")
LARGEST_RECORD = 2**31 - 1
SHOWN_IDS = 10
# The longest an outcome gets, with the longest request id, on four indented lines.
OUTCOME_BYTES = 256


def outcome_field(use_case: UseCase | None, bundle: Bundle | None) -> Field:
    """The rule of a true outcome: that of the target in the use case, or else what the bundle knows of it.

    Raises
    ------
    Refusal
        503: neither is known yet.
    """
    if use_case is not None:
        return Field(BundleColumn.model_validate(use_case.target.model_dump()))
    if bundle is None:
        raise Refusal(503, "no version of this model is loaded, so its outcomes cannot be checked yet", retry_after=5)
    if bundle.task == "regression":
        return Field(BundleColumn(name=bundle.target, type="number", unit=bundle.target_unit))
    categories = {name: bundle.labels.get(name, name) for name in bundle.classes}
    return Field(BundleColumn(name=bundle.target, type="category", categories=categories))


def feedback_bytes(most: int) -> int:
    """How large a body of at most `most` outcomes may be."""
    return max(LARGE_BYTES, OUTCOME_BYTES * most)


def read_feedback(body: Body, field: Field, most: int) -> list["Feedback"]:
    """Read ``{"request_id", "outcome", "record"}`` or ``{"feedback": [{…}, …]}``.

    Parameters
    ----------
    field : the rule of an outcome.
    most : outcomes in one request.

    Raises
    ------
    Refusal
        422, naming every mistake; 413 for more than `most` outcomes.
    """
    payload = parse_json(body, feedback_bytes(most))
    if not isinstance(payload, dict):
        message = 'send {"request_id": "…", "outcome": …} or {"feedback": [{…}, …]}'
        raise invalid([mistake((), message, "object_type")])
    items, places = _listed(payload, most)
    mistakes: list[dict[str, Any]] = []
    found = []
    for item, place in zip(items, places, strict=True):
        found.append(_read(item, place, field, mistakes))
        if len(mistakes) > MOST_MISTAKES:
            break
    if mistakes:
        raise invalid(mistakes)
    return [item for item in found if item is not None]


def check_known(feedback: list["Feedback"], logged: set[tuple[str, int]], retry_after: int) -> None:
    """Raise unless the prediction log holds each record.

    Raises
    ------
    Refusal
        404 names the requests that the log does not hold; 422 the records that a request did not have.
    """
    requests: dict[str, set[int]] = {}
    for request_id, record in logged:
        requests.setdefault(request_id, set()).add(record)
    unknown = sorted({item.request_id for item in feedback} - requests.keys())
    if unknown:
        more = f" and {len(unknown) - SHOWN_IDS} more" if len(unknown) > SHOWN_IDS else ""
        raise Refusal(
            404,
            f"the prediction log holds no request {', '.join(unknown[:SHOWN_IDS])}{more} of this model; predictions "
            "are written within a few seconds (under a lasting load, only a sample of them), so try again if it is "
            "new, and deleted when they are old (PREDICTIONS_KEPT_DAYS, PREDICTIONS_KEPT_ROWS)",
            retry_after=retry_after,
        )
    mistakes = []
    for index, item in enumerate(feedback):
        if item.record_index not in requests[item.request_id]:
            count = max(requests[item.request_id]) + 1
            message = f"request {item.request_id} has {count} logged records, numbered from 0: got {item.record_index}"
            mistakes.append(mistake((FEEDBACK_KEY, index, "record"), message, "unknown_record"))
    if mistakes:
        raise invalid(mistakes)


def _listed(payload: dict[str, Any], most: int) -> tuple[list[Any], list[tuple[str | int, ...]]]:
    if FEEDBACK_KEY not in payload:
        return [payload], [()]
    items = payload[FEEDBACK_KEY]
    if not isinstance(items, list) or not items:
        raise invalid([mistake((FEEDBACK_KEY,), "feedback must be a list of at least one outcome", "too_short")])
    if len(payload) > 1:
        raise invalid([mistake((), 'a body with "feedback" holds nothing else', "extra_forbidden")])
    if len(items) > most:
        raise Refusal(413, f"one request may hold at most {most:,} outcomes; send them in several")
    return items, [(FEEDBACK_KEY, index) for index in range(len(items))]


def _read(item: Any, place: tuple[str | int, ...], field: Field, mistakes: list[dict[str, Any]]) -> "Feedback | None":
    if not isinstance(item, dict):
        mistakes.append(mistake(place, 'feedback is an object: {"request_id": "…", "outcome": …}', "object_type"))
        return None
    before = len(mistakes)
    if unknown := sorted(set(item) - set(KEYS)):
        message = f"feedback holds {', '.join(KEYS)}, not {', '.join(map(repr, unknown[:5]))}"
        mistakes.append(mistake(place, message, "extra_forbidden"))
    request_id = item.get("request_id")
    if not isinstance(request_id, str) or not REQUEST_ID.fullmatch(request_id):
        message = "request_id must be the request_id of a prediction: 1 to 64 characters"
        mistakes.append(mistake((*place, "request_id"), message, "request_id"))
    record = item.get("record", 0)
    if isinstance(record, bool) or not isinstance(record, int) or not 0 <= record <= LARGEST_RECORD:
        message = "record must be the record's place in the request, a whole number from 0"
        mistakes.append(mistake((*place, "record"), message, "record"))
    try:
        outcome = field.read(item.get("outcome"))
    except FieldError as error:
        mistakes.append(mistake((*place, "outcome"), f"outcome: {error}", error.kind))
    if len(mistakes) > before:
        return None
    from pipeline.warehouse import Feedback

    return Feedback(request_id=str(request_id), record_index=record, outcome=outcome)
