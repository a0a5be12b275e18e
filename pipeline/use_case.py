"""What a use case is: the one YAML file that describes a dataset, its source, its model and its limits.

Everything else (tables, validation, search, API schema, UI form) is derived from this description.
"""

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import ConfigurationError

ColumnType = Literal["integer", "number", "category", "text", "date"]
Task = Literal["classification", "regression"]
EstimatorName = Literal["random_forest", "extra_trees", "hist_gradient_boosting", "lightgbm", "linear"]

# MySQL folds identifiers longer than 64 characters; the table of a use case adds the prefix "rows_".
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,47}$")]

CLASSIFICATION_METRICS = ("accuracy", "balanced_accuracy", "f1_macro")
REGRESSION_METRICS = ("rmse", "mae", "r2")
# Metrics where a smaller value is the better one.
LOSS_METRICS = frozenset({"rmse", "mae"})


class Spec(BaseModel):
    """Frozen and strict: an unknown key is a mistake to report, not to ignore."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Spec):
    """One column of the delivered rows.

    Parameters
    ----------
    name : name of the column, in the warehouse, the API and the form.
    type : ``integer``, ``number``, ``category`` (closed list), ``text`` (open list of values) or ``date`` (ISO 8601).
    role : ``feature``, ``target``, or ``ignored`` (stored, never shown to a model).
    nullable : whether a delivered value may be missing; a missing value elsewhere is quarantined.
    minimum, maximum : closed limits of a number, in `unit`; for a date, days since 1970-01-01.
    categories : allowed values of a category, each with its full name.
    """

    name: Identifier
    type: ColumnType
    role: Literal["feature", "target", "ignored"] = "feature"
    description: str = ""
    unit: str | None = None
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    categories: dict[str, str] | None = None

    @property
    def is_numeric(self) -> bool:
        """Whether a model sees the value as one number (a date counts as days since 1970-01-01)."""
        return self.type in ("integer", "number", "date")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.type == "category" and not self.categories:
            raise ValueError(f"column {self.name!r} is a category: list its values under 'categories'")
        if self.type != "category" and self.categories:
            raise ValueError(f"column {self.name!r} has 'categories' but type {self.type!r}: make it 'category'")
        if not self.is_numeric and (self.minimum is not None or self.maximum is not None):
            raise ValueError(f"column {self.name!r} of type {self.type!r} cannot have a minimum or maximum")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"column {self.name!r}: minimum {self.minimum} is above maximum {self.maximum}")
        return self


class DerivedFeature(Spec):
    """A feature computed as a weighted sum of numeric columns, ``sum(weight * column)``."""

    name: Identifier
    terms: dict[str, float] = Field(min_length=1)


class Source(Spec):
    """Where the external batch API serves this use case, below its base URL."""

    path: Annotated[str, Field(pattern=r"^/")] = "/data"
    restart_path: Annotated[str, Field(pattern=r"^/")] = "/restart_data_generation"


class Candidates(Spec):
    """One family of estimators and the values to try of each of its scikit-learn parameters."""

    estimator: EstimatorName
    parameters: dict[str, list[Any]] = Field(default_factory=dict)


class Search(Spec):
    """How the best model is looked for, by cross-validation on the training rows only."""

    strategy: Literal["grid", "random", "halving"] = "grid"
    candidates: list[Candidates] = Field(min_length=1)
    max_candidates: int | None = Field(
        default=None, ge=1, description="how many a random or halving search draws of the candidates; all when absent"
    )
    resource: Literal["rows", "trees"] = Field(
        default="rows", description="what halving gives its first candidates little of"
    )
    factor: int = Field(default=3, ge=2, le=10, description="halving keeps one candidate in so many")
    folds: int = Field(default=3, ge=2, le=20)
    max_rows: int | None = Field(
        default=None, ge=100, description="candidates are compared on at most so many rows; the winner is fitted on all"
    )


class Training(Spec):
    """When and how a model is trained."""

    metric: str
    holdout_share: float = Field(default=0.2, gt=0, lt=1)
    min_rows: int = Field(default=200, ge=20)
    seed: int = 0
    log_target: bool = Field(default=False, description="fit a regression on log1p of the target")
    retrain_new_rows_share: float = Field(default=0.6, gt=0)
    retrain_max_age_days: float | None = Field(default=None, gt=0)
    retrain_drift_share: float | None = Field(
        default=0.25, gt=0, le=1, description="share of drifted features that calls for a training; null: never"
    )
    drift_limit: float = Field(default=0.25, gt=0, description="population stability index of a drifted feature")
    search: Search


class Promotion(Spec):
    """What a challenger must show on the held-out rows before it replaces the champion."""

    mode: Literal["enabled", "dry_run", "disabled"] = "enabled"
    min_improvement: float = Field(default=0.0, description="smallest gain of the metric, in the metric's own unit")
    confidence: float = Field(default=0.9, gt=0.5, lt=1, description="of the paired bootstrap interval of the gain")
    min_holdout_rows: int = Field(default=30, ge=1)
    max_class_regression: float | None = Field(
        default=0.05, ge=0, description="recall that no class may surely lose against the champion"
    )
    max_segment_regression: float | None = Field(
        default=0.05, ge=0, description="loss of no segment: points of a score, share by which an error grows"
    )
    max_model_megabytes: float | None = Field(default=200, gt=0, description="of model.onnx")
    max_single_row_milliseconds: float | None = Field(default=20, gt=0, description="to encode and predict one row")


class UseCase(Spec):
    """A dataset and all that is to be done with it, read from ``use_cases/<name>.yaml``."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
    title: str
    description: str = ""
    task: Task
    source: Source = Source()
    columns: list[Column] = Field(min_length=2, description="in the order in which the source delivers the values")
    derived_features: list[DerivedFeature] = Field(default_factory=list)
    training: Training
    promotion: Promotion = Promotion()

    @cached_property
    def features(self) -> list[Column]:
        return [column for column in self.columns if column.role == "feature"]

    @cached_property
    def target(self) -> Column:
        return next(column for column in self.columns if column.role == "target")

    @cached_property
    def classes(self) -> list[str]:
        """The target's values of a classification in the order of the YAML file, else empty."""
        return list(self.target.categories or {})

    @property
    def greater_is_better(self) -> bool:
        return self.training.metric not in LOSS_METRICS

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [column.name for column in self.columns] + [derived.name for derived in self.derived_features]
        # Warehouses compare column names without case.
        folded = [name.casefold() for name in names]
        repeated = sorted({name for name in names if folded.count(name.casefold()) > 1})
        if repeated:
            raise ValueError(f"column names must differ, repeated: {', '.join(repeated)}")
        targets = [column.name for column in self.columns if column.role == "target"]
        if len(targets) != 1:
            raise ValueError(f"exactly one column needs 'role: target', found {targets or 'none'}")
        if not self.features:
            raise ValueError("at least one column must be a feature")
        self._check_target()
        numeric = {column.name for column in self.features if column.is_numeric}
        for derived in self.derived_features:
            unknown = sorted(set(derived.terms) - numeric)
            if unknown:
                raise ValueError(f"derived feature {derived.name!r} uses {unknown}: not numeric features")
        return self

    def _check_target(self) -> None:
        if self.target.nullable:
            raise ValueError(f"target {self.target.name!r} cannot be nullable")
        if self.task == "classification":
            if self.target.type != "category" or len(self.classes) < 2:
                raise ValueError(f"target {self.target.name!r} must be a category of two or more values")
            allowed = CLASSIFICATION_METRICS
        else:
            if self.target.type not in ("integer", "number"):
                raise ValueError(f"target {self.target.name!r} of a regression must be an integer or a number")
            allowed = REGRESSION_METRICS
        if self.training.metric not in allowed:
            raise ValueError(f"training.metric {self.training.metric!r} is not one of {', '.join(allowed)}")
        if self.training.log_target and (
            self.task != "regression" or self.target.minimum is None or self.target.minimum < 0
        ):
            raise ValueError("training.log_target needs a regression whose target has 'minimum: 0' or more")


def load_use_case(path: Path) -> UseCase:
    """Read one use case file.

    Raises
    ------
    ConfigurationError
        The file is missing, is not YAML, or breaks a rule; every mistake is named with its place in the file.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"use case file {path} does not exist") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"use case file {path} is not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"use case file {path} must hold a mapping of keys, found {type(document).__name__}")
    try:
        use_case = UseCase.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(f"use case file {path} has mistakes:\n{_explain(error)}") from None
    if use_case.name != path.stem:
        raise ConfigurationError(f"use case file {path} must be named {use_case.name}.yaml after its 'name'")
    return use_case


def load_use_cases(directory: Path) -> dict[str, UseCase]:
    """Read every ``*.yaml`` of a directory, by name, in alphabetical order."""
    paths = sorted(directory.glob("*.yaml"))
    if not paths:
        raise ConfigurationError(f"no use case (*.yaml) in {directory.resolve()}: set USE_CASES_DIR to their folder")
    use_cases = {path.stem: load_use_case(path) for path in paths}
    _check_unique_source(use_cases)
    return use_cases


def find_use_case(directory: Path, name: str) -> UseCase:
    """Read one use case by name.

    Raises
    ------
    ConfigurationError
        There is no such use case; the message lists those that exist.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or not (directory / f"{name}.yaml").is_file():
        known = ", ".join(sorted(path.stem for path in directory.glob("*.yaml"))) or "none"
        raise ConfigurationError(f"there is no use case {name!r} in {directory.resolve()}; known: {known}")
    return load_use_case(directory / f"{name}.yaml")


def _check_unique_source(use_cases: dict[str, UseCase]) -> None:
    by_path: dict[str, str] = {}
    for use_case in use_cases.values():
        other = by_path.setdefault(use_case.source.path, use_case.name)
        if other != use_case.name:
            raise ConfigurationError(f"use cases {other} and {use_case.name} share source.path {use_case.source.path}")


def _explain(error: ValidationError) -> str:
    """One line per mistake: its place in the file, the message, the value found."""
    lines = []
    for detail in error.errors(include_url=False):
        place = ".".join(str(part) for part in detail["loc"]) or "(top level)"
        message = detail["msg"].removeprefix("Value error, ")
        found = "" if detail["type"] in ("missing", "value_error") else f" (found {detail['input']!r})"
        lines.append(f"  - {place}: {message}{found}")
    return "\n".join(lines)
