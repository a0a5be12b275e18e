"""Proves for every registered version which rows trained and judged it, why it was promoted or not, and that fitting it
again on its snapshot gives the same model: from the warehouse, the lake's snapshots and MLflow alone.

A version that was registered from outside the training loop (a notebook, MLflow's own tools) is judged by what it
carries: what nothing recorded is listed as not provable, and only what contradicts itself is a violation.
"""

import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from pipeline.errors import PipelineError
from pipeline.findings import Findings
from pipeline.lake import Lake
from pipeline.mlflow_client import explained, open_client
from pipeline.model_version import PROMOTION_TAG, VersionInfo
from pipeline.promotion import DECISION_FILE
from pipeline.registry import PRODUCTION, Registry
from pipeline.use_case import UseCase
from pipeline.warehouse import PromotionRecord, Warehouse

if TYPE_CHECKING:
    from mlflow.entities import Run

    from pipeline.snapshot_audit import StoredRows

Progress = Callable[[str], None]
# What a decision made; a roll back or a promotion by hand has none.
DECIDED = ("promote", "reject", "dry_run")
# Looks at the champion before a disagreement counts.
ATTEMPTS = 3


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
    from pipeline.snapshot_audit import read_stored_rows

    say = on_progress or (lambda _: None)
    versions = registry.versions(use_case.name)
    chosen = versions if version is None else [registry.resolve(use_case.name, version)]
    history = warehouse.promotion_history(use_case.name, limit=1_000_000)
    stored = read_stored_rows(use_case, warehouse) if chosen else None
    audits = []
    for each in chosen:
        say(f"version {each.version}: rows, decision, bundle{' and a new fit' if refit else ''}")
        findings = Findings()
        assert stored is not None
        _audit_version(use_case, lake, registry, each, stored, history, findings, refit, jobs)
        audits.append(
            VersionAudit(version=each.version, run_id=each.run_id, champion=each.is_champion, findings=findings)
        )
    return ModelAudit(
        use_case=use_case.name, versions=audits, champion=_audit_champion(registry, warehouse, use_case.name)
    )


def _audit_version(
    use_case: UseCase,
    lake: Lake,
    registry: Registry,
    version: VersionInfo,
    stored: "StoredRows",
    history: list[PromotionRecord],
    findings: Findings,
    refit: bool,
    jobs: int,
) -> None:
    from pipeline.reproduction import audit_model
    from pipeline.snapshot_audit import audit_snapshot

    try:
        with explained(registry.tracking_uri, f"read run {version.run_id}"):
            run = open_client(registry.tracking_uri).get_run(version.run_id)
    except PipelineError as error:
        findings.problems.append(f"its run: {error}")
        return
    rows = audit_snapshot(version, run, lake, stored, findings)
    score = None
    if rows is None:
        findings.unproved.append("that fitting it again gives the same model: there is no snapshot to fit it on")
    else:
        score = audit_model(use_case, registry, version, run, rows, findings, refit=refit, jobs=jobs)
    _audit_decision(registry, version, run, history, score, findings)


def _audit_decision(
    registry: Registry,
    version: VersionInfo,
    run: "Run",
    history: list[PromotionRecord],
    score: float | None,
    findings: Findings,
) -> None:
    """The decision in MLflow is the one in the table of promotions, and agrees with itself and with the model."""
    own = [record for record in history if record.to_version == version.version]
    judged = next((record for record in own if record.decision and record.action in DECIDED), None)
    artifact = _read_decision(registry, run)
    tag = version.tags.get(PROMOTION_TAG)
    by_hand = [record for record in reversed(own) if record.decision is None]
    findings.proved += [f"{_verb(record)} by hand ({record.actor}: {record.reason})" for record in by_hand]
    if judged is None or judged.decision is None:
        if tag is not None:
            findings.problems.append("MLflow has a decision on it, the table of promotions has none")
        elif artifact is not None:
            findings.unproved.append(
                "what came of its decision: the training is under way, or ended before it was done"
            )
        else:
            findings.unproved.append("that it was judged on held-out rows: no decision on it was recorded")
        return
    if artifact is None:
        findings.problems.append("the table of promotions has a decision on it, its run in MLflow has none")
    elif artifact != judged.decision:
        names = sorted(key for key in artifact.keys() | judged.decision.keys()
                       if artifact.get(key) != judged.decision.get(key))  # fmt: skip
        findings.problems.append(f"its decision in MLflow and in the table of promotions differ: {', '.join(names)}")
    if tag is None:
        findings.unproved.append(f"its tag {PROMOTION_TAG}: the training is under way, or ended before it was done")
    elif tag != judged.action:
        findings.problems.append(f"its tag {PROMOTION_TAG} is {tag}, the table of promotions says {judged.action}")
    agrees = _check_sense(judged, score, findings)
    if agrees and artifact == judged.decision:
        verdict = {"promote": "promoted", "reject": "not promoted", "dry_run": "not promoted (dry run)"}[judged.action]
        findings.proved.append(f"{verdict}: {judged.reason}")


def _verb(record: PromotionRecord) -> str:
    return "rolled back to" if record.action == "rollback" else "promoted"


def _check_sense(judged: PromotionRecord, score: float | None, findings: Findings) -> bool:
    """A decision follows from its checks, its action from it, and its score is the model's."""
    decision: dict[str, Any] = judged.decision or {}
    passed = all(check.get("passed") for check in decision.get("checks", []))
    accepted = bool(decision.get("accepted"))
    follows = findings.require(accepted == passed, "its decision does not follow from the checks in it")
    follows &= findings.require(
        accepted or judged.action == "reject", f"it was refused, and its action is {judged.action}"
    )
    noted = decision.get("challenger_score")
    if score is not None and noted is not None:
        holds = math.isclose(float(noted), score, rel_tol=1e-9)
        follows &= findings.require(
            holds, f"its decision says {decision.get('metric')} {noted:.6g}, its bundle reaches {score:.6g}"
        )
    return follows


def _read_decision(registry: Registry, run: "Run") -> dict[str, Any] | None:
    client = open_client(registry.tracking_uri)
    with explained(registry.tracking_uri, f"read the decision of run {run.info.run_id}"):
        if DECISION_FILE not in {item.path for item in client.list_artifacts(run.info.run_id)}:
            return None
        with tempfile.TemporaryDirectory(prefix="decision-") as folder:
            path = client.download_artifacts(run.info.run_id, DECISION_FILE, folder)
            found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            return found


def _audit_champion(registry: Registry, warehouse: Warehouse, name: str) -> Findings:
    """The champion is the one of the last promotion or roll back, and the only version in Production."""
    for _ in range(ATTEMPTS - 1):
        findings = _compare_champion(registry.versions(name), warehouse.promotion_history(name))
        if not findings.problems:
            return findings
        # A promotion that takes place right now moves the stage, then the alias, then writes the history.
        time.sleep(1)
    return _compare_champion(registry.versions(name), warehouse.promotion_history(name))


def _compare_champion(versions: list[VersionInfo], history: list[PromotionRecord]) -> Findings:
    findings = Findings()
    champion = next((version.version for version in versions if version.is_champion), None)
    last = next((record for record in history if record.action in ("promote", "rollback")), None)
    recorded = last.to_version if last else None
    if champion is None and recorded is None:
        return findings
    findings.check(
        champion == recorded,
        f"version {champion} is the champion, as the last {last.action if last else ''} in the history says",
        f"the champion is {_name(champion)}, the last promotion or roll back in the history is of {_name(recorded)}",
    )
    staged = sorted(version.version for version in versions if version.stage == PRODUCTION)
    findings.require(
        staged == [champion], f"stage {PRODUCTION} is of versions {staged}, the champion is {_name(champion)}"
    )
    return findings


def _name(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"
