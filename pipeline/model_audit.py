"""Proves for every registered version which rows trained and judged it, why it was promoted or not, and that fitting it
again on its snapshot gives the same model: from the warehouse, the lake's snapshots and MLflow alone.

A version that was registered from outside the training loop (a notebook, MLflow's own tools) is judged by what it
carries: what nothing recorded is listed as not provable, and only what contradicts itself is a violation.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipeline.decision_audit import ALL_RECORDS, audit_champion, audit_decision
from pipeline.errors import PipelineError
from pipeline.findings import Findings
from pipeline.lake import Lake
from pipeline.mlflow_client import explained, open_client
from pipeline.model_version import VersionInfo
from pipeline.registry import Registry
from pipeline.reproduction import audit_model
from pipeline.snapshot_audit import audit_snapshot, read_stored_rows
from pipeline.use_case import UseCase
from pipeline.warehouse import Warehouse

if TYPE_CHECKING:
    from mlflow.entities import Run

Progress = Callable[[str], None]


class VersionAudit(BaseModel):
    """What is known of one version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    run_id: str
    champion: bool
    findings: Findings


class ModelAudit(BaseModel):
    """What `audit_models` found.

    Parameters
    ----------
    versions : the newest first.
    champion : findings on which version is in production.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    use_case: str
    versions: list[VersionAudit]
    champion: Findings

    @property
    def problems(self) -> list[str]:
        """Every violation, one line each."""
        named = [f"version {each.version}: {text}" for each in self.versions for text in each.findings.problems]
        return named + self.champion.problems


def audit_models(
    use_case: UseCase,
    lake: Lake,
    warehouse: Warehouse,
    registry: Registry,
    *,
    version: int | None = None,
    refit: bool = True,
    jobs: int = 1,
    on_progress: Progress | None = None,
) -> ModelAudit:
    """Check the registered versions of a use case.

    Parameters
    ----------
    version : of which only; by default all.
    refit : fit each version again and compare, which takes as long as its first fit.
    jobs : threads of a fit; they change nothing of its result.

    Raises
    ------
    RegistryError
        MLflow cannot be used, or there is no such version.
    WarehouseError
        The warehouse cannot be used.
    """
    say = on_progress or (lambda _: None)
    versions = registry.versions(use_case.name)
    chosen = versions if version is None else [registry.resolve(use_case.name, version)]
    audits = []
    if chosen:
        auditor = _Auditor(use_case, lake, warehouse, registry, jobs if refit else None)
        for each in chosen:
            say(f"version {each.version}: rows, decision, bundle{' and a new fit' if refit else ''}")
            audits.append(auditor.audit(each))
    return ModelAudit(
        use_case=use_case.name, versions=audits, champion=audit_champion(registry, warehouse, use_case.name)
    )


class _Auditor:
    """Audits versions against one reading of the warehouse.

    Parameters
    ----------
    jobs : threads of a fit; None leaves the fit out.
    """

    def __init__(
        self, use_case: UseCase, lake: Lake, warehouse: Warehouse, registry: Registry, jobs: int | None
    ) -> None:
        self.use_case = use_case
        self.lake = lake
        self.registry = registry
        self.jobs = jobs
        self.stored = read_stored_rows(use_case, warehouse)
        self.history = warehouse.promotion_history(use_case.name, ALL_RECORDS)

    def audit(self, version: VersionInfo) -> VersionAudit:
        """All findings on one version."""
        findings = Findings()
        try:
            with explained(self.registry.tracking_uri, f"read run {version.run_id}"):
                run = open_client(self.registry.tracking_uri).get_run(version.run_id)
        except PipelineError as error:
            findings.problems.append(f"its run: {error}")
        else:
            self._audit_run(version, run, findings)
        return VersionAudit(
            version=version.version, run_id=version.run_id, champion=version.is_champion, findings=findings
        )

    def _audit_run(self, version: VersionInfo, run: "Run", findings: Findings) -> None:
        rows = audit_snapshot(version, run, self.lake, self.stored, findings)
        score = None
        if rows is None:
            findings.unproved.append("that fitting it again gives the same model: there is no snapshot to fit it on")
        else:
            score = audit_model(self.use_case, self.registry, version, run, rows, findings, jobs=self.jobs)
        judging = len(rows.holdout) if rows else None
        audit_decision(self.registry, version, run, self.history, score, judging, findings)
