"""Champion against another version: metrics side by side, with intervals and the difference in words.

Which is better can be told of the same rows only: of versions that were measured on others, by what the promotion gate
measured of both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from ui.answers import ModelDetails, VersionDetails
from ui.api_client import ApiProblem
from ui.i18n import Translator, escape
from ui.messages import show_problem
from ui.metrics import main_metrics, shown_metric
from ui.session import load_version
from ui.version_list import check_lines

SMALLER_IS_BETTER = ("rmse", "mae", "log_loss", "brier", "error")


@dataclass(frozen=True)
class SameRows:
    """What the promotion gate measured of both versions on the same rows; a positive gain is the other's."""

    metric: str
    rows: int | None
    champion: float
    other: float
    gain: float
    interval: tuple[float, float] | None


def draw_comparison(details: ModelDetails, t: Translator) -> None:
    """Draw the choice of a version and the table."""
    champion = details.champion_version
    others = sorted((v.version for v in details.versions if v.version != champion), reverse=True)
    if champion is None or not others:
        st.markdown(t("compare.nothing"))
        return
    challenger = next(
        (v.version for v in details.versions if "challenger" in v.aliases and v.version != champion), None
    )
    other = st.selectbox(
        t("compare.with"),
        others,
        index=others.index(challenger) if challenger in others else 0,
        format_func=lambda number: t("versions.heading", version=number),
        key=f"compare_{details.name}",
        width=260,
    )
    try:
        ours, theirs = load_version(details.name, champion), load_version(details.name, other)
    except ApiProblem as problem:
        show_problem(problem, t, key="compare")
        return
    for version in (ours, theirs):
        if version.problem:
            st.warning(t("models.partial", problem=escape(version.problem)), icon=":material/warning:")
    st.table(comparison_table(ours, theirs, t), border="horizontal", hide_index=True)
    st.caption(t("compare.note" if on_same_rows(ours, theirs) else "compare.note_other_rows"))
    decision = theirs.decision
    if decision and decision.opponent_version == champion and decision.checks:
        st.markdown("\n".join(check_lines(decision, t)))


def on_same_rows(champion: VersionDetails, other: VersionDetails) -> bool:
    """Whether the metrics of both were measured on the same held-out rows."""
    return champion.dataset_digest is not None and champion.dataset_digest == other.dataset_digest


def measured_by_gate(champion: VersionDetails, other: VersionDetails) -> SameRows | None:
    """What the gate found when one of the two was judged against the other, if it was."""
    for judged, opponent, sign in ((other, champion, 1), (champion, other, -1)):
        found = judged.decision
        if not found or found.opponent_version != opponent.version or found.metric is None or found.gain is None:
            continue
        if found.challenger_score is None or found.opponent_score is None:
            continue
        ours, theirs = found.opponent_score, found.challenger_score
        if sign < 0:
            ours, theirs = theirs, ours
        ends = sorted(sign * end for end in found.gain_interval or ())
        interval = (ends[0], ends[1]) if ends else None
        return SameRows(found.metric, found.rows, ours, theirs, sign * found.gain, interval)
    return None


def comparison_table(champion: VersionDetails, other: VersionDetails, t: Translator) -> pd.DataFrame:
    """One line per metric that both have; of other rows, after what the gate measured. Cells are Markdown."""
    columns = (
        t("compare.metric"),
        t("compare.champion", version=champion.version),
        t("compare.other", version=other.version),
        t("compare.difference"),
    )
    same_rows = on_same_rows(champion, other)
    gate = None if same_rows else measured_by_gate(champion, other)
    lines = [_gate_line(gate, t)] if gate else []
    names = [
        name
        for name in main_metrics([champion.metrics, other.metrics])
        if champion.metrics.get(name) is not None and other.metrics.get(name) is not None
    ]
    for name in names:
        difference = _difference(champion.metrics, other.metrics, name, t) if same_rows else t("compare.other_rows")
        lines.append((escape(t.known("metric", name)), _cell(champion, name, t), _cell(other, name, t), difference))
    return pd.DataFrame(lines, columns=list(columns))


def _gate_line(gate: SameRows, t: Translator) -> tuple[str, str, str, str]:
    metric = t.known("metric", gate.metric)
    title = t("compare.gate", metric=metric, rows=f"{gate.rows:,}") if gate.rows else metric
    difference = _gain(gate.gain, t)
    if gate.interval:
        low, high = (shown_metric(end) for end in gate.interval)
        difference += f" ({escape(t('models.interval', low=low, high=high))})"
    return (f"**{escape(title)}**", escape(shown_metric(gate.champion)), escape(shown_metric(gate.other)), difference)


def _cell(version: VersionDetails, name: str, t: Translator) -> str:
    shown = shown_metric(version.metrics.get(name))
    low, high = version.intervals.get(name, (None, None))
    if low is None or high is None:
        return escape(shown)
    return escape(f"{shown} ({t('models.interval', low=shown_metric(low), high=shown_metric(high))})")


def _difference(ours: Mapping[str, float | None], theirs: Mapping[str, float | None], name: str, t: Translator) -> str:
    gain = (theirs[name] or 0.0) - (ours[name] or 0.0)
    if any(name.endswith(smaller) for smaller in SMALLER_IS_BETTER):
        gain = -gain
    return _gain(gain, t)


def _gain(gain: float, t: Translator) -> str:
    """How much better the other version is, in words and in a colour; a negative gain is worse."""
    if not gain:
        return t("compare.same")
    words = t("compare.better" if gain > 0 else "compare.worse", difference=escape(shown_metric(abs(gain))))
    return f":green[{words}]" if gain > 0 else f":red[{words}]"
