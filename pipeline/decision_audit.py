"""Proves why a version was promoted or not: its decision in MLflow against the table of promotions and the model."""

import json
import math
import time
from typing import TYPE_CHECKING, Any

from pipeline.findings import Findings
from pipeline.mlflow_client import explained, open_client, read_texts
from pipeline.model_version import PROMOTION_TAG, VersionInfo
from pipeline.registry import PRODUCTION, Registry
from pipeline.version_documents import DECISION
from pipeline.warehouse import PromotionRecord, Warehouse

if TYPE_CHECKING:
    from mlflow.entities import Run

# What a decision made; a roll back or a promotion by hand has none.
DECIDED = ("promote", "reject", "dry_run")
# Looks at the champion before a disagreement counts.
ATTEMPTS = 3
ALL_RECORDS = 1_000_000


def audit_decision(
    registry: Registry,
    version: VersionInfo,
    run: "Run",
    history: list[PromotionRecord],
    score: float | None,
    holdout_rows: int | None,
    findings: Findings,
) -> None:
    """The decision in MLflow is the one in the table of promotions, and agrees with itself and with the model.

    Parameters
    ----------
    history : promotions of the use case, the newest first.
    score : metric of the served model on the held-out rows; None when it could not be computed.
    holdout_rows : how many they are.
    """
    own = [record for record in history if record.to_version == version.version]
    judged = next((record for record in own if record.decision and record.action in DECIDED), None)
    artifact = _read_decision(registry, run)
    tag = version.tags.get(PROMOTION_TAG)
    others = [record for record in reversed(own) if record.decision is None]
    findings.proved += [f"{_verb(record)} ({record.actor}: {record.reason})" for record in others]
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
    rows = judged.decision.get("rows")
    if score is not None and rows != holdout_rows:
        # The champion was trained with a smaller holdout_share.
        findings.unproved.append(f"its score: the decision is of {rows} of its {holdout_rows} held-out rows")
        score = None
    agrees = _check_sense(judged, score, findings)
    if agrees and artifact == judged.decision:
        verdict = {"promote": "promoted", "reject": "not promoted", "dry_run": "not promoted (dry run)"}[judged.action]
        findings.proved.append(f"{verdict}: {judged.reason}")


def _verb(record: PromotionRecord) -> str:
    return "champion again by a roll back" if record.action == "rollback" else "promoted by hand"


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
    with explained(registry.tracking_uri, f"read the decision of run {run.info.run_id}"):
        texts = read_texts(open_client(registry.tracking_uri), run.info.run_id, [DECISION])
    if not texts:
        return None
    try:
        found = json.loads(texts[DECISION])
    except ValueError:
        found = None
    # What is not a decision differs from any.
    return found if isinstance(found, dict) else {}


def audit_champion(registry: Registry, warehouse: Warehouse, name: str) -> Findings:
    """The champion is the one of the last promotion or roll back, and the only version in Production."""
    for _ in range(ATTEMPTS - 1):
        findings = _compare_champion(registry.versions(name), warehouse.promotion_history(name, ALL_RECORDS))
        if not findings.problems:
            return findings
        # A promotion that takes place right now moves the stage, then the alias, then writes the history.
        time.sleep(1)
    return _compare_champion(registry.versions(name), warehouse.promotion_history(name, ALL_RECORDS))


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
        f"the champion is {_name(champion)}, the last promotion or roll back in the history is of {_name(recorded)}: "
        "somebody moved it by other means; `mlops promote` with --version and --reason records what is meant",
    )
    staged = sorted(version.version for version in versions if version.stage == PRODUCTION)
    findings.require(
        staged == [champion], f"stage {PRODUCTION} is of versions {staged}, the champion is {_name(champion)}"
    )
    return findings


def _name(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"
