"""What a training run wrote about its model, read back from MLflow."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

from pipeline.errors import RegistryError
from pipeline.mlflow_client import explained, open_client, read_texts

# Their names among the artifacts of the run, for those who write them too.
EVALUATION = "evaluation.json"
MODEL_CARD = "model_card.md"
DECISION = "promotion_decision.json"


class VersionDocuments(BaseModel):
    """Documents of one run; each is None where the run has none.

    Parameters
    ----------
    evaluation : content of ``evaluation.json``.
    model_card : Markdown.
    decision : content of ``promotion_decision.json``, written when the model was compared with the champion.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    evaluation: dict[str, Any] | None = None
    model_card: str | None = None
    decision: dict[str, Any] | None = None


def read_documents(tracking_uri: str, run_id: str) -> VersionDocuments:
    """Fetch the documents of a run.

    Raises
    ------
    RegistryError
        MLflow cannot be used, has no such run, or holds a document that is damaged.
    """
    client = open_client(tracking_uri)
    with explained(tracking_uri, f"read the documents of run {run_id}"):
        texts = read_texts(client, run_id, (EVALUATION, MODEL_CARD, DECISION))
    return VersionDocuments(
        evaluation=_parsed(texts, EVALUATION, run_id),
        model_card=texts.get(MODEL_CARD),
        decision=_parsed(texts, DECISION, run_id),
    )


def _parsed(texts: dict[str, str], name: str, run_id: str) -> dict[str, Any] | None:
    if name not in texts:
        return None
    try:
        found = json.loads(texts[name])
    except ValueError as error:
        raise RegistryError(f"{name} of run {run_id} is damaged: {error}") from None
    if not isinstance(found, dict):
        raise RegistryError(f"{name} of run {run_id} is damaged: it holds no JSON object")
    return found
