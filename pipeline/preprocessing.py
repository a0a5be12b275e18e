"""From raw columns to the float row of an estimator, as plain scikit-learn.

Its order is the order of the serving encoding: numbers, missing-value flags, derived sums, categories, text.
Each part is described twice on purpose, here for fitting and in `pipeline.encoding` for serving without
scikit-learn; `encoding_slots` translates a fitted one into the other, and the parity check of `pipeline.export`
proves that they agree.
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, TargetEncoder

from pipeline.slots import LinearSlot, LookupSlot, MissingSlot, NumericSlot, OneHotSlot, Slot
from pipeline.use_case import UseCase


def build_features(use_case: UseCase) -> Pipeline:
    """Unfitted preprocessing of a use case: a ColumnTransformer, then a cast to float32.

    Trees compare float32 values and so does ONNX: with the cast, every estimator is fitted on exactly the numbers
    that serving gives it. Nothing is scaled: scaling before a float32 threshold moves rows across it.
    """
    numeric = [column.name for column in use_case.features if column.is_numeric]
    nullable = [column.name for column in use_case.features if column.is_numeric and column.nullable]
    category = [column for column in use_case.features if column.type == "category"]
    text = [column.name for column in use_case.features if column.type == "text"]
    # A column that is missing in every row is kept (as zero), so that the number of features never depends on the rows.
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    one_hot = OneHotEncoder(
        categories=[list(column.categories or {}) for column in category],
        handle_unknown="ignore",
        sparse_output=False,
    )
    target_type = "continuous" if use_case.task == "regression" else "auto"
    # A training row is encoded by the targets of other rows only, or a rare value would give its own target away.
    folds = KFold(5, shuffle=True, random_state=use_case.training.seed)
    derived = Pipeline(
        [("impute", imputer), ("sum", FunctionTransformer(np.dot, kw_args={"b": _weights(use_case, numeric)}))]
    )
    parts: list[tuple[str, Any, list[str]]] = [
        ("numeric", imputer, numeric),
        ("missing", MissingIndicator(features="all"), nullable),
        ("derived", derived, numeric if use_case.derived_features else []),
        ("category", one_hot, [column.name for column in category]),
        ("text", TargetEncoder(target_type=target_type, cv=folds), text),
    ]
    columns = ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0.0)
    return Pipeline([("columns", columns), ("float32", FunctionTransformer(np.asarray, kw_args={"dtype": "float32"}))])


def build_pipeline(use_case: UseCase, estimator: BaseEstimator) -> BaseEstimator:
    """Unfitted model: raw frame in, prediction out. A log-target regression is wrapped as a whole.

    The wrapper is outermost so that text is encoded by the mean of the logarithm, which a few huge targets do not move.
    """
    pipeline = Pipeline([*build_features(use_case).steps, ("model", estimator)])
    if use_case.training.log_target:
        return TransformedTargetRegressor(pipeline, func=np.log1p, inverse_func=np.expm1)
    return pipeline


def unwrap(model: BaseEstimator) -> Pipeline:
    """The fitted pipeline inside a model of `build_pipeline`."""
    return model.regressor_ if isinstance(model, TransformedTargetRegressor) else model


def encoding_slots(use_case: UseCase, features: Pipeline) -> list[Slot]:
    """Describe fitted preprocessing as the slots that serving encodes a record with."""
    columns: ColumnTransformer = features.named_steps["columns"]
    fitted = columns.named_transformers_
    names = {name: selected for name, _, selected in columns.transformers_}
    slots: list[Slot] = []
    medians: dict[str, float] = {}
    if "numeric" in fitted:
        values = np.nan_to_num(fitted["numeric"].statistics_, nan=0.0)
        medians = {name: float(value) for name, value in zip(names["numeric"], values, strict=True)}
        slots += [NumericSlot(column=name, impute=value) for name, value in medians.items()]
    if "missing" in fitted:
        slots += [MissingSlot(column=name) for name in names["missing"]]
    for derived in use_case.derived_features:
        # In column order, the order in which the matrix product above adds.
        terms = {name: derived.terms[name] for name in medians if name in derived.terms}
        slots.append(LinearSlot(name=derived.name, terms=terms, impute={name: medians[name] for name in terms}))
    if "category" in fitted:
        pairs = zip(names["category"], fitted["category"].categories_, strict=True)
        slots += [OneHotSlot(column=name, categories=[str(value) for value in values]) for name, values in pairs]
    if "text" in fitted:
        slots += _lookup_slots(names["text"], fitted["text"])
    return slots


def slot_names(slots: list[Slot]) -> list[str]:
    """A readable name for each number of the encoded row."""
    names: list[str] = []
    for slot in slots:
        match slot:
            case NumericSlot():
                names.append(slot.column)
            case MissingSlot():
                names.append(f"{slot.column} missing")
            case LinearSlot():
                names.append(slot.name)
            case OneHotSlot():
                names += [f"{slot.column} = {value}" for value in slot.categories]
            case LookupSlot():
                names += [f"{slot.column} ({index})" for index in range(slot.width)]
    return names


def _weights(use_case: UseCase, numeric: list[str]) -> np.ndarray:
    """Matrix [columns, derived features] of the derived features' weights."""
    terms = [derived.terms for derived in use_case.derived_features]
    return np.array([[term.get(name, 0.0) for term in terms] for name in numeric])


def _lookup_slots(names: list[str], encoder: TargetEncoder) -> list[Slot]:
    default = [float(value) for value in np.atleast_1d(encoder.target_mean_)]
    width = len(default)
    slots: list[Slot] = []
    for index, (name, categories) in enumerate(zip(names, encoder.categories_, strict=True)):
        # One array per column and class, the classes of a column next to each other.
        rows = np.array(encoder.encodings_[index * width : (index + 1) * width]).T.tolist()
        known = {str(value): row for value, row in zip(categories, rows, strict=True) if isinstance(value, str)}
        missing = next((row for value, row in zip(categories, rows, strict=True) if value is None), None)
        slots.append(LookupSlot(column=name, values=known, default=default, missing=missing))
    return slots
