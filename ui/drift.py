"""Drift of each feature from the training rows: a table, the worst first, and the bins of one feature."""

from typing import Literal

import pandas as pd
import streamlit as st

from ui.bin_labels import bin_words
from ui.charts import compared_chart
from ui.i18n import Translator, escape
from ui.operations_answers import Drift, DriftReport, FeatureDrift
from ui.results import percent

# The usual reading of the index: from here on a feature has moved, if not far.
MOVED_PSI = 0.1
BADGES = {"drifted": "red", "moved": "orange", "stable": "green"}


def ranked(report: DriftReport) -> list[FeatureDrift]:
    """Features, the one that moved furthest first."""
    return sorted(report.features, key=lambda feature: (not feature.drifted, -(feature.psi or 0)))


def state(feature: FeatureDrift) -> Literal["drifted", "moved", "stable"]:
    """How to call the drift of a feature."""
    if feature.drifted:
        return "drifted"
    return "moved" if (feature.psi or 0) >= MOVED_PSI else "stable"


def feature_name(name: str) -> str:
    """The name as a person writes it."""
    return name.replace("_", " ")


def drift_table(report: DriftReport, t: Translator) -> pd.DataFrame:
    """One line per feature; cells are Markdown."""
    features = ranked(report)
    columns = {
        t("monitoring.table.feature"): [escape(feature_name(feature.name)) for feature in features],
        t("monitoring.table.psi"): ["" if feature.psi is None else f"{feature.psi:.3f}" for feature in features],
    }
    if report.enough_rows:
        columns[t("monitoring.table.state")] = [
            f":{BADGES[state(feature)]}-badge[{t(f'monitoring.state.{state(feature)}')}]" for feature in features
        ]
    if any(feature.missing_share or feature.reference_missing_share for feature in features):
        columns[t("monitoring.table.missing")] = [escape(percent(feature.missing_share)) for feature in features]
        columns[t("monitoring.table.reference_missing")] = [
            escape(percent(feature.reference_missing_share)) for feature in features
        ]
    return pd.DataFrame(columns)


def draw_drift(drift: Drift, model: str, t: Translator) -> None:
    """Draw the choice of rows, the table and the bins."""
    reports = {"served": drift.served, "collected": drift.collected}
    side = st.segmented_control(
        t("monitoring.drift_of"),
        list(reports),
        default="served" if drift.served or not drift.collected else "collected",
        required=True,
        format_func=lambda key: t(f"monitoring.{key}"),
        key=f"drift_{model}",
        persist_state="session",
    )
    report = reports[side]
    if report is None or not report.features:
        st.markdown(t(f"monitoring.no_drift.{side}"))
        return
    st.caption(t("monitoring.drift_intro", limit=f"{report.limit:g}"))
    rows = f"{report.rows:,}"
    if report.enough_rows:
        counts = {"drifted": len(report.drifted), "features": len(report.features)}
        st.markdown(t("monitoring.drift_rows", rows=rows, **counts))
    else:
        st.info(t("monitoring.drift_few", rows=rows), icon=":material/hourglass_empty:")
    left, right = st.columns(2, gap="medium")
    left.table(drift_table(report, t), border="horizontal", hide_index=True)
    with right:
        _draw_bins(report, f"{model}_{side}", t)
    if report.drifted:
        st.info(t("monitoring.drift_todo"), icon=":material/lightbulb:")


def _draw_bins(report: DriftReport, key: str, t: Translator) -> None:
    features = {feature.name: feature for feature in ranked(report)}
    name = st.selectbox(
        t("monitoring.feature"),
        list(features),
        format_func=feature_name,
        key=f"drift_feature_{key}",
        persist_state="session",
    )
    kinds = t("monitoring.training"), t("monitoring.recent")
    bins = [
        {"label": bin_words(b.label, t), "kind": kind, "share": share}
        for b in features[name].bins
        for kind, share in zip(kinds, (b.reference, b.current), strict=True)
    ]
    if bins:
        chart = compared_chart(pd.DataFrame(bins), kinds, t("monitoring.share"))
        st.altair_chart(chart, alt=t("monitoring.bins_chart", name=feature_name(name)))
