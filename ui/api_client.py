"""The inference API over HTTP: what it answers as typed objects, what it cannot answer as one kind of error."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import requests
from pydantic import ValidationError

from ui.answers import (
    Answer,
    ColumnPredictions,
    Explanation,
    History,
    ModelDetails,
    ModelList,
    ModelSummary,
    Prediction,
    RollbackResult,
    VersionDetails,
)

ProblemKind = Literal[
    "unreachable",
    "timeout",
    "no_model",
    "no_warehouse",
    "unknown_model",
    "invalid",
    "unauthorised",
    "refused",
    "busy",
    "failed",
    "unreadable",
]

# Answered, but not written to the prediction log.
NO_CASE = {"log": "false"}

# A host that is up accepts a connection at once; only the answer may need the whole time-out.
CONNECT_TIMEOUT_SECONDS = 3.0

_KIND_OF_STATUS: dict[int, ProblemKind] = {
    400: "invalid",
    401: "unauthorised",
    403: "unauthorised",
    404: "unknown_model",
    409: "refused",
    413: "invalid",
    422: "invalid",
    429: "busy",
    503: "no_model",
    504: "timeout",
}


class ApiProblem(Exception):
    """The API gave no usable answer.

    Parameters
    ----------
    kind : what to tell the person (``ui.texts`` has a ``problem.<kind>`` for each).
    detail : the API's own words, if any.
    status : HTTP status, 0 without an answer.
    field_errors : (name of the field or "", message) of a 422 answer.
    cell_errors : those of them that are about one value of a column: (row, name of the column, message).
    """

    def __init__(
        self,
        kind: ProblemKind,
        detail: str = "",
        status: int = 0,
        field_errors: tuple[tuple[str, str], ...] = (),
        cell_errors: tuple[tuple[int, str, str], ...] = (),
    ) -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.detail = detail
        self.status = status
        self.field_errors = field_errors
        self.cell_errors = cell_errors


AnswerType = TypeVar("AnswerType", bound=Answer)


class ApiClient:
    """Asks the inference API; every method raises `ApiProblem` and nothing else.

    Parameters
    ----------
    base_url : where the API is, for example ``http://localhost:8989``.
    timeout : longest wait for an answer, in seconds.
    """

    def __init__(self, base_url: str, timeout: float = 10) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout

    def models(self) -> list[ModelSummary]:
        """What the API serves or will serve."""
        return self._ask(ModelList, "GET", "/models").models

    def model(self, name: str, version: int | None = None) -> ModelDetails:
        """Versions, metrics and the schema of one record; of the champion unless a version is named."""
        return self._ask(ModelDetails, "GET", _path(name), params=_asked(version))

    def predict(self, name: str, record: dict[str, Any], version: int | None = None) -> Prediction:
        """Predict one record."""
        return self._ask(Prediction, "POST", _path(name) + "/predict", record, params=_asked(version))

    def explain(self, name: str, record: dict[str, Any], version: int) -> Explanation | None:
        """What pushed a prediction made before; not recorded once more. None where the API cannot say it."""
        params = {**_asked(version), **NO_CASE, "explain": "true"}
        return self._ask(Prediction, "POST", _path(name) + "/predict", record, params=params).explanation

    def predict_columns(
        self, name: str, columns: Mapping[str, Sequence[Any]], version: int | None = None, *, recorded: bool = True
    ) -> ColumnPredictions:
        """Predict many records, given and answered as columns in the same order.

        Parameters
        ----------
        recorded : False where they are no cases of their own, so that monitoring must not count them.
        """
        body, params = {"columns": columns}, {**_asked(version), **({} if recorded else NO_CASE)}
        return self._ask(ColumnPredictions, "POST", _path(name) + "/predict", body, params=params)

    def version(self, name: str, version: int) -> VersionDetails:
        """Everything that is known of one version: its evaluation, its card, what was decided about it."""
        return self._ask(VersionDetails, "GET", f"{_path(name)}/versions/{version}")

    def history(self, name: str) -> History:
        """Promotions and training decisions, newest first."""
        return self._ask(History, "GET", _path(name) + "/history")

    def roll_back(self, name: str, version: int, reason: str, api_key: str) -> RollbackResult:
        """Make a version the champion; needs the API's key."""
        body = {"to": version, "reason": reason}
        # A key with a letter beyond Latin-1 cannot be a header's value; the API compares UTF-8 bytes.
        headers = {"X-API-Key": api_key.encode()}
        return self._ask(RollbackResult, "POST", _path(name) + "/rollback", body, headers=headers)

    def _ask(
        self,
        answer: type[AnswerType],
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> AnswerType:
        try:
            response = requests.request(
                method,
                self.base_url + path,
                params=params,
                json=body,
                timeout=(min(CONNECT_TIMEOUT_SECONDS, self.timeout), self.timeout),
                headers={"Accept": "application/json", **(headers or {})},
            )
        except requests.exceptions.ConnectTimeout as error:
            raise ApiProblem("unreachable") from error
        except requests.exceptions.Timeout as error:
            raise ApiProblem("timeout") from error
        except (requests.RequestException, ValueError) as error:
            # ValueError: a URL that cannot be parsed, or a number that JSON cannot hold.
            raise ApiProblem("unreachable") from error
        if not response.ok:
            raise _problem(response)
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            raise ApiProblem("unreadable", status=response.status_code) from error


def _path(name: str) -> str:
    return f"/models/{quote(name, safe='')}"


def _asked(version: int | None) -> dict[str, str]:
    return {} if version is None else {"version": str(version)}


def _problem(response: requests.Response) -> ApiProblem:
    kind = _KIND_OF_STATUS.get(response.status_code, "failed")
    try:
        detail = response.json()["detail"]
    except (requests.JSONDecodeError, KeyError, TypeError):
        # An error without our "detail" comes from something between us and the API, or from another server.
        known = response.status_code >= 500 or kind == "busy"
        return ApiProblem("failed" if known else "unreadable", status=response.status_code)
    if isinstance(detail, list):
        items = [item for item in detail if isinstance(item, dict)]
        errors = tuple(_field_error(item) for item in items)
        cells = tuple(
            (item["loc"][-1], *error)
            for item, error in zip(items, errors, strict=True)
            if item.get("loc") and isinstance(item["loc"][-1], int)
        )
        return ApiProblem(kind, status=response.status_code, field_errors=errors, cell_errors=cells)
    if detail == "Not Found":
        # The framework's own words for a path it does not have: not the API this UI was made for.
        return ApiProblem("unreadable", status=response.status_code)
    return ApiProblem(kind, str(detail), response.status_code)


def _field_error(item: dict[str, Any]) -> tuple[str, str]:
    """Field and message of one entry of a 422 answer; its ``loc`` is ["body", …, field]."""
    loc = item.get("loc") or []
    names = [part for part in loc if isinstance(part, str) and part not in ("body", "records", "columns")]
    return (names[-1] if names else "", str(item.get("msg", "")))
