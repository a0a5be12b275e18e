"""The exported model as one would use it by hand in another server: our encoding, then ONNX Runtime with one thread."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from pipeline.bundle import load_bundle
from pipeline.encoding import FeatureEncoder


class OnnxModel:
    """Predicts columns of raw values; the folder of the serving bundle is named by ``MODEL_FOLDER``."""

    def __init__(self) -> None:
        folder = Path(os.environ["MODEL_FOLDER"])
        bundle = load_bundle(folder)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.columns = [column.name for column in bundle.columns]
        self._classes = np.array(bundle.classes, dtype=object)
        self._encoder = FeatureEncoder(bundle.encoding, self.columns)
        self._session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])

    def predict(self, columns: dict[str, Any]) -> list[str]:
        rows = self._encoder.encode_columns(columns)
        [scores] = self._session.run(["probabilities"], {"features": rows})
        found: list[str] = self._classes[scores.argmax(axis=1)].tolist()
        return found

    def predict_records(self, records: list[dict[str, Any]]) -> list[str]:
        return self.predict({name: [record[name] for record in records] for name in self.columns})


class SklearnModel:
    """The pipeline that was exported; ``MODEL_FOLDER`` holds it as ``model.joblib``."""

    def __init__(self) -> None:
        import joblib

        self._model = joblib.load(Path(os.environ["MODEL_FOLDER"]) / "model.joblib")

    def predict_records(self, records: list[dict[str, Any]]) -> list[str]:
        import pandas as pd

        found: list[str] = self._model.predict(pd.DataFrame(records)).tolist()
        return found


def chosen_model() -> OnnxModel | SklearnModel:
    """The one that ``MODEL_KIND`` names."""
    return OnnxModel() if os.environ["MODEL_KIND"] == "onnx" else SklearnModel()
