"""Forests as ONNX, built from scikit-learn's arrays at once.

skl2onnx walks a forest node by node: 100 full-depth trees on 50,000 rows take it half a minute and ten times the
file, because it writes a weight for every class of every leaf. This is the same graph without the zeros, and with
leaves that several branches share: ONNX Runtime keeps 150 bytes a node, and a forest that tells classes apart ends in
few different leaves.

References
----------
TreeEnsembleClassifier and TreeEnsembleRegressor, https://onnx.ai/onnx/operators/
"""

from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, helper
from sklearn.base import is_classifier
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

Forest: TypeAlias = RandomForestClassifier | RandomForestRegressor | ExtraTreesClassifier | ExtraTreesRegressor


@dataclass(frozen=True)
class _Nodes:
    """The nodes of one tree, or of several, as arrays [N]; `values` [N, outputs] mean something for leaves only."""

    is_leaf: NDArray[np.bool_]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    values: NDArray[np.float64]


def forest_node(forest: Forest, source: str, outputs: list[str]) -> NodeProto:
    """The one node that is a fitted forest.

    Parameters
    ----------
    source : name of the float32 input [N, width].
    outputs : names of the label and probabilities, or of the prediction.
    """
    kind = "TreeEnsembleClassifier" if is_classifier(forest) else "TreeEnsembleRegressor"
    node = helper.make_node(kind, [source], outputs, domain="ai.onnx.ml")
    trees = [_with_shared_leaves(_nodes_of(estimator.tree_)) for estimator in forest.estimators_]
    sizes = [len(tree.is_leaf) for tree in trees]
    nodes = _Nodes(*(np.concatenate([getattr(tree, field.name) for tree in trees]) for field in fields(_Nodes)))
    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.concatenate([np.arange(size) for size in sizes])
    for name, values in (
        ("nodes_treeids", tree_ids),
        ("nodes_nodeids", node_ids),
        ("nodes_featureids", nodes.feature),
        ("nodes_truenodeids", nodes.left),
        ("nodes_falsenodeids", nodes.right),
    ):
        _add_ints(node, name, values)
    _add_floats(node, "nodes_values", nodes.threshold)
    modes = AttributeProto(name="nodes_modes", type=AttributeProto.STRINGS)
    modes.strings.extend(np.where(nodes.is_leaf, b"LEAF", b"BRANCH_LEQ").tolist())
    node.attribute.append(modes)
    leaf = nodes.is_leaf
    _add_leaves(node, forest, tree_ids[leaf], node_ids[leaf], nodes.values[leaf])
    return node


def _nodes_of(tree: Any) -> _Nodes:
    """The nodes of scikit-learn's tree; what a leaf has no use for is 0."""
    is_leaf = tree.children_left < 0
    numbers = (
        np.where(is_leaf, 0, each) for each in (tree.feature, tree.threshold, tree.children_left, tree.children_right)
    )
    feature, threshold, left, right = numbers
    return _Nodes(is_leaf, feature, round_down(threshold), left, right, tree.value[:, 0, :])


def _with_shared_leaves(tree: _Nodes) -> _Nodes:
    """The same tree, in which all left branches that end in equal leaves end in one.

    Right branches keep leaves of their own, since ONNX Runtime stores what follows on the right next to its parent.
    """
    parents = np.flatnonzero(~tree.is_leaf & tree.is_leaf[tree.left])
    if not len(parents):
        return tree
    leaves = tree.left[parents]
    _, first, same = np.unique(tree.values[leaves], axis=0, return_index=True, return_inverse=True)
    left = tree.left.copy()
    left[parents] = leaves[first][same]
    kept = np.ones(len(tree.is_leaf), dtype=bool)
    kept[leaves] = False
    kept[leaves[first]] = True
    number = np.cumsum(kept) - 1
    left, right = (np.where(tree.is_leaf, 0, number[each])[kept] for each in (left, tree.right))
    return _Nodes(tree.is_leaf[kept], tree.feature[kept], tree.threshold[kept], left, right, tree.values[kept])


def _add_leaves(
    node: NodeProto, forest: Forest, tree_ids: NDArray[Any], node_ids: NDArray[Any], values: NDArray[np.float64]
) -> None:
    """What each leaf adds to which output."""
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
