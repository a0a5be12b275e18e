"""Forests as ONNX, built from scikit-learn's arrays at once.

skl2onnx walks a forest node by node: 100 full-depth trees on 50,000 rows take it half a minute and ten times the
file, because it writes a weight for every class of every leaf. This is the same graph without the zeros.

References
----------
TreeEnsembleClassifier and TreeEnsembleRegressor, https://onnx.ai/onnx/operators/
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, helper
from sklearn.base import is_classifier
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

Forest: TypeAlias = RandomForestClassifier | RandomForestRegressor | ExtraTreesClassifier | ExtraTreesRegressor


def forest_node(forest: Forest, source: str, outputs: list[str]) -> NodeProto:
    """The one node that is a fitted forest.

    Parameters
    ----------
    source : name of the float32 input [N, width].
    outputs : names of the label and probabilities, or of the prediction.
    """
    kind = "TreeEnsembleClassifier" if is_classifier(forest) else "TreeEnsembleRegressor"
    node = helper.make_node(kind, [source], outputs, domain="ai.onnx.ml")
    trees = [estimator.tree_ for estimator in forest.estimators_]
    is_leaf = np.concatenate([tree.children_left for tree in trees]) < 0
    tree_ids = np.repeat(np.arange(len(trees)), [tree.node_count for tree in trees])
    node_ids = np.concatenate([np.arange(tree.node_count) for tree in trees])
    _add_ints(node, "nodes_treeids", tree_ids)
    _add_ints(node, "nodes_nodeids", node_ids)
    for name, attribute in (
        ("nodes_featureids", "feature"),
        ("nodes_truenodeids", "children_left"),
        ("nodes_falsenodeids", "children_right"),
    ):
        values = np.concatenate([getattr(tree, attribute) for tree in trees])
        _add_ints(node, name, np.where(is_leaf, 0, values))
    thresholds = np.concatenate([tree.threshold for tree in trees])
    _add_floats(node, "nodes_values", np.where(is_leaf, 0, round_down(thresholds)))
    modes = AttributeProto(name="nodes_modes", type=AttributeProto.STRINGS)
    modes.strings.extend(np.where(is_leaf, b"LEAF", b"BRANCH_LEQ").tolist())
    node.attribute.append(modes)
    _add_leaves(node, forest, tree_ids[is_leaf], node_ids[is_leaf])
    return node


def _add_leaves(node: NodeProto, forest: Forest, tree_ids: NDArray[Any], node_ids: NDArray[Any]) -> None:
    """What each leaf adds to which output."""
    values = np.concatenate([tree.tree_.value[tree.tree_.children_left < 0, 0, :] for tree in forest.estimators_])
    if not is_classifier(forest):
        prefix, options, weights = "target", {"aggregate_function": "AVERAGE", "n_targets": 1}, values
        leaves, outputs = np.nonzero(np.ones_like(weights))
    else:
        prefix, options = "class", {"post_transform": "NONE", "classlabels_int64s": list(range(len(forest.classes_)))}
        weights = values / (values.sum(axis=1, keepdims=True) * len(forest.estimators_))
        if len(forest.classes_) == 2:
            # ONNX's own form: the weight of the second class alone, of which the first gets what is left.
            weights = weights[:, 1:]
            leaves, outputs = np.nonzero(np.ones_like(weights))
        else:
            leaves, outputs = np.nonzero(weights)
    node.attribute.extend(helper.make_attribute(name, value) for name, value in options.items())
    _add_ints(node, f"{prefix}_treeids", tree_ids[leaves])
    _add_ints(node, f"{prefix}_nodeids", node_ids[leaves])
    _add_ints(node, f"{prefix}_ids", outputs)
    _add_floats(node, f"{prefix}_weights", weights[leaves, outputs])


def round_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that is not above each threshold: for every float32 x, ``x <= t`` is the same for both."""
    rounded = thresholds.astype(np.float32)
    # The one below the smallest float32 is infinite, and never taken.
    with np.errstate(over="ignore"):
        below = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded > thresholds, below, rounded)


def _add_ints(node: NodeProto, name: str, values: NDArray[Any]) -> None:
    attribute = AttributeProto(name=name, type=AttributeProto.INTS)
    attribute.ints.extend(values.tolist())
    node.attribute.append(attribute)


def _add_floats(node: NodeProto, name: str, values: NDArray[Any]) -> None:
    attribute = AttributeProto(name=name, type=AttributeProto.FLOATS)
    attribute.floats.extend(values.tolist())
    node.attribute.append(attribute)
