"""Conversion of a fitted estimator to ONNX: one float32 tensor in, and as small a graph as gives the same answers."""

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

INPUT_NAME = "features"
OPSET = {"": 18, "ai.onnx.ml": 3}
# Attributes of tree ensembles that repeat ONNX's own default for every node.
_TREE_DEFAULTS = {"nodes_hitrates": 1.0, "nodes_missing_value_tracks_true": 0}

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
    classifier = is_classifier(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = to_onnx(
            estimator,
            initial_types=[(INPUT_NAME, FloatTensorType([None, width]))],
            options={id(estimator): {"zipmap": False}} if classifier else None,
            target_opset=OPSET,
        )
    graph = model.graph
    for node in graph.node:
        if classifier:
            _label_by_index(node)
        if node.op_type.startswith("TreeEnsemble"):
            _drop_defaults(node)
        if node.op_type == "TreeEnsembleClassifier":
            _drop_zero_weights(node)
    if classifier:
        graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    else:
        _rename_output(graph, "prediction")
    return bytes(model.SerializeToString())


def _label_by_index(node: Any) -> None:
    """Answer with the index of the class: strings are slow to hand over, and serving needs none."""
    for attribute in list(node.attribute):
        if attribute.name in ("classlabels_strings", "classlabels_int64s", "classlabels_ints"):
            count = len(attribute.strings) or len(attribute.ints)
            name = "classlabels_ints" if node.op_type == "LinearClassifier" else "classlabels_int64s"
            node.attribute.remove(attribute)
            node.attribute.append(helper.make_attribute(name, list(range(count))))


def _drop_zero_weights(node: Any) -> None:
    """Leave out the classes that a leaf gives no vote: half the file of a forest of full-depth trees.

    A binary ensemble is left alone: with weights for one class only, ONNX would read them in another way.
    """
    attributes = {attribute.name: attribute for attribute in node.attribute}
    if len(attributes["classlabels_int64s"].ints) <= 2:
        return
    weights = np.array(attributes["class_weights"].floats, dtype=np.float32)
    leaves = np.array([attributes["class_treeids"].ints, attributes["class_nodeids"].ints], dtype=np.int64)
    first = np.ones(len(weights), dtype=bool)
    first[1:] = (leaves[:, 1:] != leaves[:, :-1]).any(axis=0)
    has_weight = np.logical_or.reduceat(weights != 0, np.flatnonzero(first))
    # A leaf keeps at least one entry, even an all-zero one: a leaf without any is not a leaf to ONNX.
    keep = (weights != 0) | (first & ~has_weight[np.cumsum(first) - 1])
    for name in ("class_ids", "class_nodeids", "class_treeids"):
        kept = np.array(attributes[name].ints, dtype=np.int64)[keep].tolist()
        del attributes[name].ints[:]
        attributes[name].ints.extend(kept)
    del attributes["class_weights"].floats[:]
    attributes["class_weights"].floats.extend(weights[keep].tolist())


def _drop_defaults(node: Any) -> None:
    for attribute in list(node.attribute):
        default = _TREE_DEFAULTS.get(attribute.name)
        if default is not None and set(attribute.floats or attribute.ints) == {default}:
            node.attribute.remove(attribute)


def _rename_output(graph: onnx.GraphProto, name: str) -> None:
    old = graph.output[0].name
    graph.output[0].name = name
    for node in graph.node:
        for index, output in enumerate(node.output):
            if output == old:
                node.output[index] = name
        for index, used in enumerate(node.input):
            if used == old:
                node.input[index] = name
