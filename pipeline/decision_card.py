"""The last section of a model card: what was decided on the model, and on which numbers."""

from pipeline.gate import PromotionDecision
from pipeline.gate_groups import GroupComparison
from pipeline.markdown import table

HEADING = "## Decision"
ACTIONS = {
    "promote": "Promoted: it became the champion.",
    "reject": "Rejected: the champion stayed.",
    "dry_run": "Accepted, and not promoted: promotions of this use case are a dry run.",
}


def with_decision(card: str, decision: PromotionDecision, action: str, reason: str) -> str:
    """The card with what was decided; a decision that it held before is replaced.

    Parameters
    ----------
    action : ``promote``, ``reject`` or ``dry_run``.
    """
    kept = card.split(f"\n{HEADING}\n")[0].rstrip()
    opponent = f"champion version {decision.opponent_version}" if decision.opponent == "champion" else decision.opponent
    measured = f"Compared with the {opponent} on {decision.rows} held-out rows"
    if decision.gain is not None and decision.gain_interval is not None:
        low, high = decision.gain_interval
        measured += (
            f": {decision.metric} improves by {decision.gain:+.4g} "
            f"({decision.confidence:.0%} interval {low:+.4g} to {high:+.4g})"
        )
    checks = [
        ("passed" if check.passed else "**failed**", check.name, _show(check.value), _show(check.limit), check.detail)
        for check in decision.checks
    ]
    sections = [
        kept,
        HEADING,
        ACTIONS[action],
        f"{measured}.",
        f"Why: {reason}",
        table(("", "check", "value", "limit", "what was found"), checks),
    ]
    if decision.groups:
        sections += ["By class and segment, against the champion:", _groups(decision.groups)]
    return "\n\n".join(sections) + "\n"


def _groups(groups: list[GroupComparison]) -> str:
    rows = [
        (group.name, group.metric, str(group.rows), f"{group.challenger:.4g}", f"{group.champion:.4g}")
        for group in groups
    ]
    return table(("class or segment", "metric", "rows", "this model", "champion"), rows)


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
