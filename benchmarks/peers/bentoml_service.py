"""A BentoML service over records."""

from typing import Any

import bentoml

from benchmarks.peers.onnx_model import chosen_model


@bentoml.service(workers=1)
class Covertype:
    """Answers with the class of each record."""

    def __init__(self) -> None:
        self._model = chosen_model()

    @bentoml.api
    def predict(self, rows: list[dict[str, Any]]) -> list[str]:
        return self._model.predict_records(rows)
