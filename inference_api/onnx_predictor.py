"""A model version with a serving bundle: the quick path, through ONNX Runtime."""

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference_api.errors import Refusal
from inference_api.predictor import CHUNK_ROWS, NotFinite, Outcome, Predictor
from inference_api.request_schema import Values
from pipeline.bundle import MODEL_FILE, PROBE_TOLERANCE, BundleError, load_bundle
from pipeline.encoding import FeatureEncoder, FloatRows
from pipeline.onnx_runtime import ort

# Fewer rows cost more to sort than that saves.
SORTED_ROWS = 64
# Of what a double holds; numpy would warn of more.
LARGEST_LOGARITHM = math.log(sys.float_info.max)


class OnnxPredictor(Predictor):
    """A model version, read from the folder of its serving bundle.

    Parameters
    ----------
    name, version : as registered.
    folder : holds ``bundle.json`` and ``model.onnx``.

    Raises
    ------
    BundleError
        The bundle is damaged, its parts do not fit, or it does not answer its own example as recorded.
    """

    path = "onnx"

    def __init__(self, name: str, version: int, folder: Path) -> None:
        super().__init__(name, version, load_bundle(folder))
        self.encoder = FeatureEncoder(self.bundle.encoding, self.validator.columns)
        self._session = _open_session(folder / MODEL_FILE)
        self._outputs = ["probabilities" if self.classes else "prediction"]
        self._expm1 = self.bundle.target_transform == "expm1"
        self._check_signature()
        self._check_example()

    def predict_one(self, values: Values) -> Outcome:
        answer = self._run(self.encoder.encode_values(values))[0].tolist()
        try:
            if self.classes:
                return self._classification(answer, answer.index(max(answer)))
            return self._regression([self._in_unit(answer)])
        except NotFinite:
            raise self.refused(()) from None

    def scores(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
        encoded = self.encoder.encode_columns(columns)
        starts = range(0, len(encoded), CHUNK_ROWS)
        answers = [self._run_sorted(encoded[start : start + CHUNK_ROWS]) for start in starts]
        found = np.concatenate(answers).astype(np.float64).reshape(len(encoded), -1)
        if not self._expm1:
            return found
        with np.errstate(over="ignore"):
            return np.expm1(found)

    def _run_sorted(self, rows: FloatRows) -> Any:
        """`_run`, a third faster for trees: rows that are alike follow each other through the same branches."""
        feature = self.bundle.sort_feature
        if feature is None or len(rows) < SORTED_ROWS:
            return self._run(rows)
        order = rows[:, feature].argsort()
        answers = self._run(rows[order])
        unsorted = np.empty_like(answers)
        unsorted[order] = answers
        return unsorted

    def _run(self, rows: FloatRows) -> Any:
        return self._session.run(self._outputs, {"features": rows})[0]

    def _in_unit(self, answer: list[float] | float) -> float:
        """The answer in the unit of the target."""
        value = answer[0] if isinstance(answer, list) else answer
        if not self._expm1:
            return value
        if value > LARGEST_LOGARITHM:
            raise NotFinite
        # By numpy, as for many: Python's own differs from it in the last bit of one number in ten.
        return float(np.expm1(value))

    def _check_signature(self) -> None:
        inputs = self._session.get_inputs()
        outputs = [output.name for output in self._session.get_outputs()]
        width = inputs[0].shape[-1] if inputs else None
        if [i.name for i in inputs] != ["features"] or self._outputs[0] not in outputs:
            raise BundleError(
                f"{self} must take 'features' and give {self._outputs[0]!r}; "
                f"it takes {[i.name for i in inputs]} and gives {outputs}"
            )
        if isinstance(width, int) and width != self.encoder.width:
            raise BundleError(f"{self} takes rows of {width} floats, its encoding makes {self.encoder.width}")
        scores = self._run(np.zeros((1, self.encoder.width), dtype=np.float32))
        if self.classes and scores.shape != (1, len(self.classes)):
            raise BundleError(
                f"{self} gives {scores.shape[-1]} probabilities, its bundle names {len(self.classes)} classes"
            )

    def _check_example(self) -> None:
        """Probe with the stored example, which also warms the session up."""
        body = msgspec.json.encode(self.bundle.input_example)
        try:
            values = self.validator.read_one(body, named=False)
            outcomes = (self.predict_one(values), *self.predict_many([values, values]))
        except Refusal as refusal:
            raise BundleError(f"{self} does not answer its example: {refusal.detail}") from None
        for outcome in outcomes:
            if not self.bundle.expects(outcome.prediction, outcome.probabilities, PROBE_TOLERANCE):
                expected = str(self.bundle.expected.prediction)
                raise BundleError(f"{self} answers its example {outcome.prediction!r}, expected {expected!r}")


def _open_session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    # One row is too little to share between threads, and spinning threads would take the core from the event loop.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # An arena keeps what the largest batch took for good, in each session, and is no faster here.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a dozen exception types of its own, without a common base
        raise BundleError(f"{path} is not a model that ONNX Runtime can load: {error}") from error
