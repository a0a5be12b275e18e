"""Replies that say why: each answer with the contribution of each feature."""

from collections.abc import Sequence

import msgspec

from inference_api.errors import Refusal
from inference_api.explanation import Explanation, explain
from inference_api.predictor import Outcome, Predictor
from inference_api.request_schema import Values

# An explanation costs thousands of predictions.
MOST_EXPLAINED = 20


class ExplainedOutcome(Outcome, gc=False, frozen=True):
    """The answer to one record, and why."""

    explanation: Explanation


class ExplainedReply(ExplainedOutcome, gc=False, frozen=True):
    """Answer to one record, explained."""

    model_name: str
    model_version: int
    request_id: str


class ExplainedManyReply(msgspec.Struct, gc=False):
    """Answer to a few records, in their order, each explained."""

    predictions: list[ExplainedOutcome]
    model_name: str
    model_version: int
    request_id: str


def explained(predictor: Predictor, rows: Sequence[Values]) -> list[ExplainedOutcome]:
    """Predict a few records and explain each answer.

    Raises
    ------
    Refusal
        413 for more than `MOST_EXPLAINED` records, and what `Predictor.predict_one` and `explain` raise.
    """
    if len(rows) > MOST_EXPLAINED:
        raise Refusal(413, f"one request may have at most {MOST_EXPLAINED} records explained; send fewer")
    outcomes = predictor.predict_many(rows)
    return [
        ExplainedOutcome(outcome.prediction, outcome.label, outcome.probabilities, explain(predictor, row))
        for outcome, row in zip(outcomes, rows, strict=True)
    ]


def explained_reply(
    predictor: Predictor, outcomes: list[ExplainedOutcome], request_id: str, *, many: bool
) -> ExplainedReply | ExplainedManyReply:
    """The reply to one record, or to a list of them."""
    if many:
        return ExplainedManyReply(outcomes, predictor.name, predictor.version, request_id)
    [one] = outcomes
    return ExplainedReply(
        one.prediction,
        one.label,
        one.probabilities,
        one.explanation,
        predictor.name,
        predictor.version,
        request_id,
    )
