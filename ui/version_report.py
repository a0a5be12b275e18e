"""One version in depth: where it is right and wrong, its segments, its card."""

import re
from statistics import median

import pandas as pd
import streamlit as st

from pipeline.settings import UiSettings, load_settings
from ui.answers import Evaluation, ModelDetails
from ui.api_client import ApiProblem
from ui.i18n import Translator, escape
from ui.links import version_link
from ui.messages import show_problem
from ui.metrics import shown_metric
from ui.model_charts import MOST_SEGMENTS, confusion_chart, confusion_frame, residuals_chart, segments_chart
from ui.results import percent
from ui.session import load_version


def draw_report(details: ModelDetails, t: Translator) -> None:
    """Draw the choice of a version and all that is known of it."""
    numbers = sorted((version.version for version in details.versions), reverse=True)
    champion = details.champion_version
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.selectbox(
            t("models.choose_version"),
            numbers,
            index=numbers.index(champion) if champion in numbers else 0,
            format_func=lambda number: (
                t("versions.heading", version=number)
                + (f" · {t('versions.badge.champion')}" if number == champion else "")
            ),
            key=f"report_{details.name}",
            width=260,
        )
        address = version_link(load_settings(UiSettings), details.name, number)
        if address:
            st.link_button(t("models.mlflow", version=number), address, icon=":material/open_in_new:")
    try:
        version = load_version(details.name, number)
    except ApiProblem as problem:
        show_problem(problem, t, key="report")
        return
    if version.problem:
        st.warning(t("models.partial", problem=escape(version.problem)), icon=":material/warning:")
    if version.evaluation:
        _draw_evaluation(version.evaluation, details, t)
    elif not version.problem:
        st.markdown(t("report.none"))
    if version.model_card:
        with st.expander(t("report.card"), icon=":material/description:"):
            st.markdown(plain_card(version.model_card))


def plain_card(card: str) -> str:
    """The card with headings a size smaller, below those of the page, and without what Streamlit would fetch."""
    without_images = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", card)
    return re.sub(r"^(#{1,4}) ", r"##\1 ", without_images.replace("$", r"\$"), flags=re.MULTILINE)


def _draw_evaluation(evaluation: Evaluation, details: ModelDetails, t: Translator) -> None:
    if evaluation.confusion and evaluation.classes:
        _draw_confusion(evaluation, details, t)
    if evaluation.residuals:
        errors = [abs(predicted - truth) for truth, predicted in evaluation.residuals]
        st.subheader(t("report.residuals"), anchor=False)
        st.caption(t("report.residuals_note"))
        typical = f"{shown_metric(median(errors))} {details.unit or ''}".strip()
        said = t("report.residuals_chart", count=len(errors), error=typical)
        st.altair_chart(residuals_chart(evaluation, details.unit, t), alt=said)
        st.markdown(escape(said))
    segments = sorted(evaluation.segments, key=lambda segment: segment.score)[:MOST_SEGMENTS]
    if segments:
        metric = t.known("metric", evaluation.metric)
        st.subheader(t("report.segments", metric=metric), anchor=False)
        said = ", ".join(f"{s.column} {s.value} {shown_metric(s.score)}" for s in segments)
        st.altair_chart(segments_chart(segments, metric, t), alt=t("report.segments_chart", bars=said))


def _draw_confusion(evaluation: Evaluation, details: ModelDetails, t: Translator) -> None:
    frame = confusion_frame(evaluation, details.labels)
    right = frame[frame["true"] == frame["predicted"]]
    said = ", ".join(f"{name} {percent(share)}" for name, share in zip(right["true"], right["share"], strict=True))
    st.subheader(t("report.confusion"), anchor=False)
    st.altair_chart(confusion_chart(frame, t), alt=t("report.confusion_chart", shares=said))
    table = pd.DataFrame(
        {
            t("report.class"): [details.labels.get(score.name, score.name) for score in evaluation.classes],
            t("report.rows"): [f"{score.rows:,}" for score in evaluation.classes],
            t("report.precision"): [f"{score.precision:.3f}" for score in evaluation.classes],
            t("report.recall"): [f"{score.recall:.3f}" for score in evaluation.classes],
            "F1": [f"{score.f1:.3f}" for score in evaluation.classes],
        }
    )
    st.table(table.map(escape), border="horizontal", hide_index=True)
