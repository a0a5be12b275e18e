"""Drift of the rows collected since a version was trained, against the rows that it was trained on."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.bundle import BUNDLE_FILE, Bundle, BundleColumn
from pipeline.drift import DriftReport, measure_drift, target_column
from pipeline.errors import PipelineError
from pipeline.model_version import VersionInfo
from pipeline.registry import Registry
from pipeline.use_case import UseCase
from pipeline.version_artifacts import BUNDLE_FOLDER

if TYPE_CHECKING:
    from pipeline.warehouse import Warehouse

# Tag of a version: the newest entry of the ledger that it was trained on.
LAST_LEDGER_TAG = "last_ledger_id"
# The newest rows are enough to see a change, and bound what is read.
MOST_ROWS = 20_000


class CollectedDrift(BaseModel):
    """Drift of new rows, or why it is not known.

    Parameters
    ----------
    version : with whose training rows the new ones were compared; None when there is none yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int | None = None
    report: DriftReport | None = None
    problem: str | None = None


def collected_drift(
    use_case: UseCase, warehouse: "Warehouse", registry: Registry, version: VersionInfo | None
) -> CollectedDrift:
    """Measure the drift of features and target in the rows stored since a version's snapshot.

    It never fails: a registry that does not answer now, or a version that does not say what it was trained on, makes
    the drift unknown.
    """
    if version is None:
        return CollectedDrift(problem="there is no version to compare with yet")
    unknown = f"drift since version {version.version} is unknown"
    last = version.tags.get(LAST_LEDGER_TAG, "")
    if not last.isdecimal():
        return CollectedDrift(
            version=version.version, problem=f"{unknown}: it does not say which rows it was trained on"
        )
    try:
        columns = _reference(registry, version)
        rows = warehouse.newest_rows(use_case, MOST_ROWS, int(last))
        report = measure_drift(columns, rows, use_case.training.drift_limit)
    except (PipelineError, ValueError) as error:
        return CollectedDrift(version=version.version, problem=f"{unknown}: {error}")
    if not report.features:
        return CollectedDrift(version=version.version, problem=f"{unknown}: its bundle holds no distributions")
    return CollectedDrift(version=version.version, report=report)


def _reference(registry: Registry, version: VersionInfo) -> list[BundleColumn]:
    """Features and target of a version, with the distributions of its training rows."""
    text = registry.read_text(version, f"{BUNDLE_FOLDER}/{BUNDLE_FILE}")
    if text is None:
        raise PipelineError("its artifacts in MLflow are gone")
    try:
        bundle = Bundle.model_validate_json(text)
    except ValidationError as error:
        raise PipelineError(f"its {BUNDLE_FILE} cannot be read ({error.error_count()} mistakes)") from None
    target = target_column(bundle)
    return [*bundle.columns, *([target] if target else [])]
