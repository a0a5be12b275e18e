"""One press of "Predict": what was entered, what was sent, what came of it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from ui.answers import Explanation, Prediction
from ui.api_client import ApiClient, ApiProblem
from ui.forms import FieldProblem, build_record, problems_from_api, validate
from ui.schema import FormField

_KEY = "attempt"


@dataclass(frozen=True)
class Attempt:
    """State of an attempt.

    Parameters
    ----------
    version : the version asked; None is the champion.
    asks : what the form asked for: name and kind of each field.
    record : what to send; None when the values entered cannot be sent.
    invalid : what is wrong with single fields.
    others : what the API found wrong with no field of the form, in its own words.
    explanation : what pushed the prediction; None where the API cannot say it.
    latency_ms : from sending the record until its answer was read, in milliseconds.
    """

    model: str
    version: int | None = None
    asks: tuple[tuple[str, str], ...] = ()
    record: dict[str, Any] | None = None
    invalid: tuple[FieldProblem, ...] = ()
    others: tuple[str, ...] = ()
    prediction: Prediction | None = None
    explanation: Explanation | None = None
    problem: ApiProblem | None = None
    latency_ms: float = 0.0

    @property
    def waiting(self) -> bool:
        """Whether the record is still to be sent."""
        return self.record is not None and self.prediction is None and self.problem is None

    def again(self) -> "Attempt":
        """The same record, to be sent once more."""
        return Attempt(self.model, self.version, self.asks, self.record)


def submit(model: str, version: int | None, fields: Sequence[FormField], values: Mapping[str, Any]) -> Attempt:
    """Check what was entered; the attempt is waiting to be sent if all of it is allowed."""
    invalid = tuple(validate(fields, values))
    record = None if invalid else build_record(fields, values)
    return Attempt(model, version, _asks(fields), record, invalid)


def ask(attempt: Attempt, client: ApiClient, fields: Sequence[FormField]) -> Attempt:
    """Send the record of a waiting attempt; errors the API has with single fields go to those fields."""
    record = attempt.record or {}
    started = time.perf_counter()
    try:
        prediction = client.predict(attempt.model, record, attempt.version)
    except ApiProblem as problem:
        invalid, others = problems_from_api(fields, problem.field_errors)
        return replace(attempt, invalid=tuple(invalid), others=tuple(others), problem=problem)
    latency_ms = (time.perf_counter() - started) * 1000
    try:
        # Asked apart: reasons take longer than the answer, and one that cannot be explained is an answer all the same.
        # Of the version that answered, which need not be the one that answers next.
        explanation = client.explain(attempt.model, record, prediction.model_version)
    except ApiProblem:
        explanation = None
    return replace(attempt, prediction=prediction, explanation=explanation, latency_ms=latency_ms)


def last_attempt(model: str, version: int | None, fields: Sequence[FormField]) -> Attempt | None:
    """The last attempt of this visit, if it was with that version of that model and with such a form."""
    attempt: Attempt | None = st.session_state.get(_KEY)
    # A new champion may ask for other values, of which nothing on the old answer can speak.
    same = attempt and (attempt.model, attempt.version, attempt.asks) == (model, version, _asks(fields))
    return attempt if same else None


def _asks(fields: Sequence[FormField]) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, field.kind) for field in fields)


def keep_attempt(attempt: Attempt) -> None:
    """Remember the attempt for the next runs of the page."""
    st.session_state[_KEY] = attempt


def forget_attempt() -> None:
    """Take the result off the page."""
    st.session_state.pop(_KEY, None)
