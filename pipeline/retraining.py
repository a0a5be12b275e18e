"""Training, step by step: decide → snapshot → search → evaluate → register → compare → promote → verify serving.

Each step is one task of the DAG ``train_<use case>`` and may run in a process of its own, so what a step hands on is
small and JSON-able; rows travel through the lake and models through MLflow. Libraries of training are imported by the
steps that need them: the others start in an instant.
"""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from pipeline import promotion
from pipeline.collected_drift import LAST_LEDGER_TAG, collected_drift
from pipeline.decision import TrainingDecision, decide_training, last_judged
from pipeline.errors import LakeError, RegistryError, TrainingError
from pipeline.gate import PromotionDecision, decide_promotion
from pipeline.model_version import VersionInfo
from pipeline.probe import verify_serving
from pipeline.registry import Registry
from pipeline.use_case import UseCase

if TYPE_CHECKING:
    from pipeline.dataset import Snapshot
    from pipeline.lake import Lake
    from pipeline.warehouse import Warehouse

Progress = Callable[[str], None]


def decide(use_case: UseCase, warehouse: "Warehouse", registry: Registry, forced: bool = False) -> TrainingDecision:
    """Decide whether the rows collected since the last training are worth a new one, and record the decision."""
    registry.repair(use_case.name)
    versions = registry.versions(use_case.name)
    drift = collected_drift(use_case, warehouse, registry, last_judged(versions))
    rows = warehouse.row_count(use_case)
    decision = decide_training(use_case, rows, versions, datetime.now(UTC), drift, forced)
    warehouse.record_decision(use_case.name, decision.train, decision.reasons, decision.numbers)
    return decision


def snapshot(use_case: UseCase, warehouse: "Warehouse", lake: "Lake") -> dict[str, Any]:
    """Freeze the rows of the warehouse in the lake."""
    from pipeline.dataset import take_snapshot

    return take_snapshot(use_case, warehouse, lake).model_dump(mode="json")


def search(
    use_case: UseCase,
    lake: "Lake",
    registry: Registry,
    frozen: dict[str, Any],
    jobs: int = -1,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Find the best candidate on the training rows of a snapshot, fit it, and log it to MLflow."""
    from pipeline.dataset import Snapshot, load_snapshot
    from pipeline.training import run_search

    taken = Snapshot.model_validate(frozen)
    train, holdout = load_snapshot(lake, taken)
    run = run_search(use_case, train, holdout, taken, registry.tracking_uri, jobs, on_progress)
    return run.model_dump(mode="json")


def evaluate(use_case: UseCase, lake: "Lake", registry: Registry, run: dict[str, Any]) -> dict[str, Any]:
    """Judge the model of a run on the held-out rows, export it for serving, and log both."""
    from pipeline.dataset import load_snapshot
    from pipeline.judgement import evaluate_run

    taken = _find_snapshot(use_case, lake, run["dataset_digest"])
    train, holdout = load_snapshot(lake, taken)
    judged = evaluate_run(use_case, run["run_id"], train, holdout, taken, registry.tracking_uri)
    counts = {"rows": taken.rows, "train_rows": taken.train_rows, "holdout_rows": taken.holdout_rows}
    return judged.model_dump(mode="json") | counts | {"last_ledger_id": taken.last_ledger_id}


def register(use_case: UseCase, registry: Registry, run: dict[str, Any]) -> int:
    """Register a judged run as challenger; its version."""
    tags = {name: str(run[name]) for name in ("rows", "train_rows", "holdout_rows")}
    tags |= {name: run[name] for name in ("dataset_digest", "serving_digest", "git_sha")}
    if run["last_ledger_id"] is not None:
        tags[LAST_LEDGER_TAG] = str(run["last_ledger_id"])
    tags["parity"] = json.dumps(run["parity"], sort_keys=True)
    metrics = run["evaluation"]["metrics"]
    return registry.register(use_case.name, run["run_id"], run["model_uri"], tags, metrics).version


def compare(use_case: UseCase, lake: "Lake", registry: Registry, version: int) -> dict[str, Any]:
    """Judge a version against the champion, in the form in which both are served, on the same held-out rows."""
    from pipeline.comparison import gather_evidence
    from pipeline.dataset import load_snapshot

    challenger, champion = registry.resolve(use_case.name, version), registry.champion(use_case.name)
    opponent = champion if champion and champion.version != version else None
    taken = _find_snapshot(use_case, lake, challenger.tags.get("dataset_digest"))
    train, holdout = load_snapshot(lake, taken, _holdout_share(use_case, lake, opponent))
    evidence = gather_evidence(use_case, registry, challenger, opponent, train, holdout)
    decision = decide_promotion(use_case, evidence)
    return decision.model_dump(mode="json")


def promote(
    use_case: UseCase,
    warehouse: "Warehouse",
    registry: Registry,
    version: int,
    decision: dict[str, Any],
    actor: str = "train",
) -> bool:
    """Carry out and record a decision; whether the version is the champion now."""
    parsed = PromotionDecision.model_validate(decision)
    record = promotion.apply_decision(registry, warehouse, use_case, version, parsed, actor)
    champion = registry.champion(use_case.name)
    # A decision of the past, carried out again, leaves what came after it as it is.
    return record.action == "promote" and champion is not None and champion.version == version


class Retraining(BaseModel):
    """What a run of all steps came to.

    Parameters
    ----------
    version : that was registered; None when the decision was not to train.
    promoted : whether it is the champion now.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: TrainingDecision
    version: int | None = None
    decision: PromotionDecision | None = None
    promoted: bool = False


def retrain(
    use_case: UseCase,
    warehouse: "Warehouse",
    lake: "Lake",
    registry: Registry,
    *,
    forced: bool = False,
    jobs: int = -1,
    api_url: str | None = None,
    actor: str = "train",
    on_progress: Progress | None = None,
) -> Retraining:
    """Run all steps in this process.

    Parameters
    ----------
    api_url : of the inference API that must come to serve a new champion; None leaves that step out.
    """
    say = on_progress or (lambda _: None)
    training = decide(use_case, warehouse, registry, forced)
    say(f"decide: {'train' if training.train else 'skip'}, {'; '.join(training.reasons)}")
    if not training.train:
        return Retraining(training=training)
    frozen = snapshot(use_case, warehouse, lake)
    say(f"snapshot: {frozen['train_rows']} training rows, {frozen['holdout_rows']} held out")
    run = search(use_case, lake, registry, frozen, jobs, lambda text: say(f"search: {text}"))
    say(f"search: {run['candidate']} is the best of {run['candidates']} candidates")
    judged = evaluate(use_case, lake, registry, run)
    metric = use_case.training.metric
    say(f"evaluate: {metric} {judged['evaluation']['metrics'].get(metric, math.nan):.4g} on the held-out rows")
    version = register(use_case, registry, judged)
    say(f"register: version {version}")
    compared = compare(use_case, lake, registry, version)
    say(f"compare: {'accepted' if compared['accepted'] else 'rejected'}, {'; '.join(compared['reasons'])}")
    promoted = promote(use_case, warehouse, registry, version, compared, actor)
    say(f"promote: version {version} is {'the champion' if promoted else 'not promoted'}")
    if promoted and api_url:
        say(f"verify: waiting for {api_url} to serve version {version}")
        verify_serving(use_case, warehouse, registry, api_url, version)
        say(f"verify: version {version} is served and answers as it should")
    decision = PromotionDecision.model_validate(compared)
    return Retraining(training=training, version=version, decision=decision, promoted=promoted)


def _holdout_share(use_case: UseCase, lake: "Lake", version: VersionInfo | None) -> float | None:
    """Of the snapshot that a version was trained on: a champion of a smaller share has learnt rows held out today."""
    from pipeline.dataset import find_snapshot

    digest = version.tags.get("dataset_digest") if version else None
    try:
        return find_snapshot(lake, use_case.name, digest).holdout_share if digest else None
    except (LakeError, TrainingError):
        return None  # gone: what it learnt from is not known


def _find_snapshot(use_case: UseCase, lake: "Lake", digest: str | None) -> "Snapshot":
    from pipeline.dataset import find_snapshot

    if not digest:
        raise RegistryError(
            f"the challenger of {use_case.name} does not say which rows it was trained on (its tag dataset_digest is "
            "missing), so it cannot be compared: train with `mlops train`"
        )
    return find_snapshot(lake, use_case.name, digest)
