"""What a model file may hold beyond the types that skops trusts by itself."""

# Each reviewed: functions without side effects, arrays of tree nodes, LightGBM's text form of its trees, a plain object
# of settings.
TRUSTED_TYPES = [
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "numpy.asarray",
    "numpy.dot",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.KFold",
    "sklearn.tree._tree.Tree",
]
