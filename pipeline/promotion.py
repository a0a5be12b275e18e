"""Champion and challenger change places here: decisions carried out, roll backs, and the history of both."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pipeline.decision_card import with_decision
from pipeline.errors import CollectionBusy, RegistryError, WarehouseError
from pipeline.gate import PromotionDecision
from pipeline.model_version import PROMOTION_TAG, VersionInfo
from pipeline.registry import Registry
from pipeline.use_case import UseCase
from pipeline.version_documents import DECISION, MODEL_CARD

if TYPE_CHECKING:
    from pipeline.warehouse import PromotionRecord, Warehouse
    from pipeline.warehouse.records import PromotionAction

# A promotion takes a second; a process that died inside one blocks others for so long.
LEASE_SECONDS = 60.0
PAUSE_SECONDS = 0.2
# Records looked at for one that a repetition must not write again: each is some kilobytes, one for every training.
RECENT = 1000


def apply_decision(
    registry: Registry,
    warehouse: "Warehouse",
    use_case: UseCase,
    version: int,
    decision: PromotionDecision,
    actor: str,
) -> "PromotionRecord":
    """Carry out a decision in the mode of the use case, and record it in MLflow and in the warehouse.

    In mode ``dry_run`` an accepted challenger is recorded and not promoted; in mode ``disabled`` it is rejected. So is
    one whose comparison is out of date, because the champion is another version by now.

    Repeating it after a crash completes what is missing and records it once. A decision that made a version champion
    is not carried out a second time: what came after it (a roll back, say) stands.

    Returns
    -------
    PromotionRecord
        Its action is ``promote``, ``reject`` or ``dry_run``.
    """
    with _alone(warehouse, use_case.name):
        return _apply(registry, warehouse, use_case, version, decision, actor)


def _apply(
    registry: Registry,
    warehouse: "Warehouse",
    use_case: UseCase,
    version: int,
    decision: PromotionDecision,
    actor: str,
) -> "PromotionRecord":
    mode, reason = use_case.promotion.mode, "; ".join(decision.reasons)
    action: PromotionAction = "reject"
    challenger = registry.resolve(use_case.name, version)
    champion = registry.champion(use_case.name)
    before = champion.version if champion else None
    history = warehouse.promotion_history(use_case.name, RECENT)
    if done := next((r for r in history if (r.action, r.to_version) == ("promote", version) and r.decision), None):
        registry.log_document(challenger, done.decision or {}, DECISION)
        _publish(registry, challenger, PromotionDecision.model_validate(done.decision), done)
        return done
    registry.log_document(challenger, decision.model_dump(mode="json"), DECISION)
    if before not in (decision.opponent_version, version):
        reason = f"the champion is version {before} by now, compared was version {decision.opponent_version}: {reason}"
    elif decision.accepted and mode == "enabled":
        action = "promote"
    elif decision.accepted and mode == "dry_run":
        action, reason = "dry_run", f"promotion.mode is dry_run: {reason}"
    elif decision.accepted:
        reason = f"promotion.mode is disabled (`mlops promote` does it by hand): {reason}"
    if action == "promote":
        record = promote(registry, warehouse, use_case.name, version, actor=actor, reason=reason, decision=decision)
    else:
        record = _last_record(history, action, version, decision) or _record(
            warehouse, use_case.name, action, before, version, actor, reason, decision
        )
    _publish(registry, challenger, decision, record)
    return record


def _publish(registry: Registry, version: VersionInfo, decision: PromotionDecision, record: "PromotionRecord") -> None:
    """Say with the version what was decided on it, and done about it."""
    card = registry.read_text(version, MODEL_CARD)
    if card is not None:
        registry.log_text(version, with_decision(card, decision, record.action, record.reason), MODEL_CARD)
    registry.tag(version, {PROMOTION_TAG: record.action})


@contextmanager
def _alone(warehouse: "Warehouse", name: str) -> Iterator[None]:
    """Keep the trainings of a use case from promoting at the same moment: each then sees what the other one did."""
    deadline = time.monotonic() + LEASE_SECONDS
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(warehouse.lease(f"{name}/promotion", LEASE_SECONDS))
                break
            except CollectionBusy:
                if time.monotonic() >= deadline:
                    raise RegistryError(
                        f"another training of {name} has been promoting for {LEASE_SECONDS:g} s: try again"
                    ) from None
                time.sleep(PAUSE_SECONDS)
        yield


def promote(
    registry: Registry,
    warehouse: "Warehouse",
    name: str,
    version: int | str,
    *,
    actor: str,
    reason: str,
    decision: PromotionDecision | None = None,
) -> "PromotionRecord":
    """Make a version the champion, whatever was decided about it, and record who did it and why.

    Repeating it after a crash completes what is missing and records it once.

    Parameters
    ----------
    version : number or alias.

    Raises
    ------
    RegistryError
        There is no such version, or it cannot be served; the champion stays.
    WarehouseError
        The version is champion now, but the history could not be written.
    """
    target, champion = registry.resolve(name, version), registry.champion(name)
    if champion is not None and champion.version == target.version:
        registry.promote(name, target.version)
        moves = (r for r in warehouse.promotion_history(name, RECENT) if r.action in ("promote", "rollback"))
        last = next(moves, None)
        if last is not None and last.to_version == target.version:
            return last
        before = target.previous_champion
    else:
        registry.promote(name, target.version)
        before = champion.version if champion else None
    return _record(warehouse, name, "promote", before, target.version, actor, reason, decision)


def rollback(
    registry: Registry, warehouse: "Warehouse", name: str, to: int | None = None, *, actor: str, reason: str
) -> "PromotionRecord":
    """Return to an earlier champion.

    Parameters
    ----------
    to : version to return to; by default the one that the champion replaced, so repeating it goes further back.

    Raises
    ------
    RegistryError
        There is nothing to return to, or that version cannot be served; the champion stays.
    WarehouseError
        The version is champion again, but the history could not be written.
    """
    champion = registry.champion(name)
    if champion is None:
        raise RegistryError(f"model {name!r} has no champion to roll back from")
    target = registry.previous_champion(name) if to is None else registry.resolve(name, to)
    if target is None:
        raise RegistryError(
            f"version {champion.version} of {name} is its first champion: there is none to roll back to; "
            "name a version to go to another one"
        )
    if target.version == champion.version:
        raise RegistryError(f"version {target.version} of {name} is the champion already")
    registry.promote(name, target.version, remember=target.version not in registry.earlier_champions(name))
    return _record(warehouse, name, "rollback", champion.version, target.version, actor, reason)


def _last_record(
    history: list["PromotionRecord"], action: "PromotionAction", version: int, decision: PromotionDecision
) -> "PromotionRecord | None":
    """The newest record if it is the one of this very decision."""
    last = next(iter(history), None)
    same = last is not None and (last.action, last.to_version) == (action, version)
    return last if last and same and last.decision == decision.model_dump(mode="json") else None


def _record(
    warehouse: "Warehouse",
    name: str,
    action: "PromotionAction",
    before: int | None,
    after: int,
    actor: str,
    reason: str,
    decision: PromotionDecision | None = None,
) -> "PromotionRecord":
    from pipeline.warehouse import PromotionRecord

    record = PromotionRecord(
        use_case=name,
        action=action,
        from_version=before,
        to_version=after,
        actor=actor,
        reason=reason,
        decision=decision.model_dump(mode="json") if decision else None,
    )
    try:
        return warehouse.record_promotion(record)
    except WarehouseError as error:
        raise WarehouseError(
            f"{action} of version {after} of {name} is done, but not in the history: {error}"
        ) from error
