"""A LitServe application over records: ``python -m benchmarks.peers.litserve_app PORT``."""

import sys
from typing import Any

import litserve

from benchmarks.peers.onnx_model import chosen_model


class Covertype(litserve.LitAPI):
    """Answers with the class of each record."""

    def setup(self, device: str) -> None:  # noqa: ARG002 (LitServe's signature)
        self._model = chosen_model()

    def decode_request(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = request["rows"]
        return found

    def predict(self, x: list[dict[str, Any]]) -> list[str]:
        return self._model.predict_records(x)

    def encode_response(self, output: list[str]) -> dict[str, list[str]]:
        return {"predictions": output}


if __name__ == "__main__":
    server = litserve.LitServer(Covertype(), accelerator="cpu", workers_per_device=1)
    server.run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False, log_level="warning")
