"""Champion against another version: metrics side by side, with intervals and the difference in words."""

from collections.abc import Mapping

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
    st.caption(t("compare.note"))
    decision = theirs.decision
    if decision and decision.opponent_version == champion and decision.checks:
        st.markdown("\n".join(check_lines(decision, t)))


def comparison_table(champion: VersionDetails, other: VersionDetails, t: Translator) -> pd.DataFrame:
    """One line per metric that both have; cells are Markdown."""
    names = [
        name
        for name in main_metrics([champion.metrics, other.metrics])
        if champion.metrics.get(name) is not None and other.metrics.get(name) is not None
    ]
    return pd.DataFrame(
        {
            t("compare.metric"): [escape(t.known("metric", name)) for name in names],
            t("compare.champion", version=champion.version): [_cell(champion, name, t) for name in names],
            t("compare.other", version=other.version): [_cell(other, name, t) for name in names],
            t("compare.difference"): [_difference(champion.metrics, other.metrics, name, t) for name in names],
        }
    )


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
    if not gain:
        return t("compare.same")
    words = t("compare.better" if gain > 0 else "compare.worse", difference=escape(shown_metric(abs(gain))))
    return f":green[{words}]" if gain > 0 else f":red[{words}]"
