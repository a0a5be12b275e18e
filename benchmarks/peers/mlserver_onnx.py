"""MLServer given the ONNX model: a runtime of one's own, as its documentation describes."""

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from benchmarks.peers.onnx_model import OnnxModel


class OnnxRuntime(MLModel):
    """Answers with the class of each row."""

    async def load(self) -> bool:
        self._onnx = OnnxModel()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        columns = {tensor.name: tensor.data.root for tensor in payload.inputs}
        found = self._onnx.predict(columns)
        output = ResponseOutput(name="predict", shape=[len(found)], datatype="BYTES", data=found)
        return InferenceResponse(model_name=self.name, outputs=[output])
