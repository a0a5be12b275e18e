"""What becomes of an answer beside the reply: it is counted, logged, and given to a shadow to compare with."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from inference_api.metrics import ServiceMetrics
from inference_api.model_store import ModelStore
from inference_api.prediction_log import PredictionLog
from inference_api.predictor import Outcome, Predictor
from inference_api.request_schema import Values
from inference_api.shadow import ShadowRunner


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """Of one request what its answers are recorded with.

    Attributes
    ----------
    logged : False for what nobody will act upon, such as the points of a what-if curve: no log, no shadow.
    """

    request_id: str
    logged: bool = True


class Recorder:
    """Records answers; none of it waits for anything.

    Parameters
    ----------
    log : where predictions are stored, if anywhere.
    """

    def __init__(
        self, store: ModelStore, shadow: ShadowRunner, metrics: ServiceMetrics, log: PredictionLog | None
    ) -> None:
        self._store = store
        self._shadow = shadow
        self._counter: Callable[..., Any] = lru_cache(64)(metrics.predictions.labels)
        self._log = log

    def record(self, ticket: Ticket, predictor: Predictor, rows: Sequence[Values], outcomes: Sequence[Outcome]) -> None:
        """Take note of the answers to one request; rows and outcomes are of one length."""
        self._counter(predictor.name, predictor.version).inc(len(rows))
        if not ticket.logged:
            return
        if self._log is not None:
            self._log.add(ticket.request_id, predictor, rows, outcomes)
        state = self._store.states.get(predictor.name)
        if state is not None and state.traffic is not None and state.predictor is predictor:
            shadow = state.traffic.shadow_for(ticket.request_id)
            if shadow is not None:
                self._shadow.offer(shadow, predictor, rows, outcomes)
