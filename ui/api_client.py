"""The inference API over HTTP: what it answers as typed objects, what it cannot answer as one kind of error."""

from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import requests
from pydantic import BaseModel, ConfigDict, Field, ValidationError

ProblemKind = Literal["unreachable", "timeout", "no_model", "unknown_model", "invalid", "busy", "failed", "unreadable"]

# A host that is up accepts a connection at once; only the answer may need the whole time-out.
CONNECT_TIMEOUT_SECONDS = 3.0

_KIND_OF_STATUS: dict[int, ProblemKind] = {
    400: "invalid",
    404: "unknown_model",
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
    """

    def __init__(
        self, kind: ProblemKind, detail: str = "", status: int = 0, field_errors: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.detail = detail
        self.status = status
        self.field_errors = field_errors


class _Answer(BaseModel):
    # The API may say more than this UI shows.
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class ModelSummary(_Answer):
    """One line of ``GET /models``."""

    name: str
    title: str
    task: str | None = None
    champion_version: int | None = None
    status: str = ""
    detail: str | None = None

    @property
    def ready(self) -> bool:
        return self.champion_version is not None


class ModelVersion(_Answer):
    """One registered version of a model."""

    version: int
    aliases: list[str] = Field(default_factory=list)
    stage: str | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    created_at: datetime | None = None

    @property
    def created(self) -> str:
        """Day and minute, in UTC."""
        return self.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if self.created_at else ""


class ModelDetails(_Answer):
    """``GET /models/{name}``; what only a loaded model can tell is missing before it is loaded."""

    name: str
    title: str
    target: str | None = None
    champion_version: int | None = None
    detail: str | None = None
    versions: list[ModelVersion] = Field(default_factory=list)
    record_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    input_example: dict[str, Any] | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)


class Prediction(_Answer):
    """``POST /models/{name}/predict`` of one record."""

    prediction: int | float | str
    label: str | None = None
    probabilities: dict[str, float] | None = None
    model_name: str
    model_version: int
    request_id: str = ""


class _ModelList(_Answer):
    models: list[ModelSummary]


AnswerType = TypeVar("AnswerType", bound=_Answer)


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
        return self._ask(_ModelList, "GET", "/models").models

    def model(self, name: str) -> ModelDetails:
        """Versions, metrics and the schema of one record."""
        return self._ask(ModelDetails, "GET", f"/models/{quote(name, safe='')}")

    def predict(self, name: str, record: dict[str, Any]) -> Prediction:
        """Predict one record."""
        return self._ask(Prediction, "POST", f"/models/{quote(name, safe='')}/predict", record)

    def _ask(self, answer: type[AnswerType], method: str, path: str, body: Any = None) -> AnswerType:
        try:
            response = requests.request(
                method,
                self.base_url + path,
                json=body,
                timeout=(min(CONNECT_TIMEOUT_SECONDS, self.timeout), self.timeout),
                headers={"Accept": "application/json"},
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


def _problem(response: requests.Response) -> ApiProblem:
    kind = _KIND_OF_STATUS.get(response.status_code, "failed")
    try:
        detail = response.json()["detail"]
    except (requests.JSONDecodeError, KeyError, TypeError):
        # An error without our "detail" comes from something between us and the API, or from another server.
        known = response.status_code >= 500 or kind == "busy"
        return ApiProblem("failed" if known else "unreadable", status=response.status_code)
    if isinstance(detail, list):
        errors = tuple(_field_error(item) for item in detail if isinstance(item, dict))
        return ApiProblem(kind, status=response.status_code, field_errors=errors)
    if detail == "Not Found":
        # The framework's own words for a path it does not have: not the API this UI was made for.
        return ApiProblem("unreadable", status=response.status_code)
    return ApiProblem(kind, str(detail), response.status_code)


def _field_error(item: dict[str, Any]) -> tuple[str, str]:
    """Field and message of one entry of a 422 answer; its ``loc`` is ["body", …, field]."""
    loc = item.get("loc") or []
    names = [part for part in loc if isinstance(part, str) and part not in ("body", "records")]
    return (names[-1] if names else "", str(item.get("msg", "")))
