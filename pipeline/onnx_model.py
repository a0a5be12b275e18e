"""Conversion of a fitted estimator to ONNX: one float32 tensor in; probabilities or the prediction out."""

import warnings
from typing import Any

import numpy as np
import onnx
from lightgbm import LGBMClassifier, LGBMRegressor
from onnx import TensorProto, helper
from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
from skl2onnx import to_onnx, update_registered_converter
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from sklearn.base import BaseEstimator, is_classifier

from pipeline.onnx_forest import Forest, forest_node
from pipeline.onnx_thresholds import with_float32_thresholds

INPUT_NAME = "features"
OPSET = {"": 18, "ai.onnx.ml": 3}
# What ONNX Runtime releases of the last years all read.
IR_VERSION = 8

update_registered_converter(
    LGBMClassifier,
    "LightGbmLGBMClassifier",
    calculate_linear_classifier_output_shapes,
    convert_lightgbm,
    options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
)
update_registered_converter(
    LGBMRegressor,
    "LightGbmLGBMRegressor",
    calculate_linear_regressor_output_shapes,
    convert_lightgbm,
    options={"split": None},
)


def to_onnx_model(estimator: BaseEstimator, width: int) -> bytes:
    """Convert a fitted estimator that takes `width` float32 numbers.

    Returns
    -------
    A serialised graph with the input ``features`` [N, width] and the outputs ``label`` (int64, index into the
    estimator's ``classes_``) and ``probabilities`` [N, classes], or ``prediction`` [N, 1] for a regression.
    """
    model = _forest_model(estimator, width) if isinstance(estimator, Forest) else _converted_model(estimator, width)
    return bytes(model.SerializeToString())


def most_tested_feature(model: bytes) -> int | None:
    """The place in the input row that most branches of a model's trees look at, None where it has no trees."""
    tested: list[int] = []
    for node in onnx.load_from_string(model).graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if "nodes_modes" in attributes:
            features = zip(attributes["nodes_featureids"].ints, attributes["nodes_modes"].strings, strict=True)
            tested += [feature for feature, mode in features if mode != b"LEAF"]
    return int(np.bincount(tested).argmax()) if tested else None


def _forest_model(forest: Forest, width: int) -> onnx.ModelProto:
    source = helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, [None, width])
    if is_classifier(forest):
        outputs = [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, len(forest.classes_)]),
        ]
    else:
        outputs = [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None, 1])]
    node = forest_node(forest, INPUT_NAME, [output.name for output in outputs])
    graph = helper.make_graph([node], "forest", [source], outputs)
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _converted_model(estimator: BaseEstimator, width: int) -> onnx.ModelProto:
    classifier = is_classifier(estimator)
    estimator = with_float32_thresholds(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = to_onnx(
            estimator,
            initial_types=[(INPUT_NAME, FloatTensorType([None, width]))],
            options={id(estimator): {"zipmap": False}} if classifier else None,
            target_opset=OPSET,
        )
    if classifier:
        for node in model.graph.node:
            _label_by_index(node)
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    else:
        _rename(model.graph, model.graph.output[0].name, "prediction")
    return model


def _label_by_index(node: Any) -> None:
    """Answer with the index of the class: strings are slow to hand over, and serving needs none."""
    for attribute in list(node.attribute):
        if attribute.name in ("classlabels_strings", "classlabels_int64s", "classlabels_ints"):
            count = len(attribute.strings) or len(attribute.ints)
            name = "classlabels_ints" if node.op_type == "LinearClassifier" else "classlabels_int64s"
            node.attribute.remove(attribute)
            node.attribute.append(helper.make_attribute(name, list(range(count))))


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Rename an output, and the node output that it names."""
    graph.output[0].name = new
    for node in graph.node:
        for names in (node.output, node.input):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new
