"""The metric of a model on outcomes that people have told, and how to tell one."""

import json

import pandas as pd
import streamlit as st

from pipeline.settings import UiSettings, load_settings
from pipeline.use_case import LOSS_METRICS
from ui.attempt import Attempt
from ui.charts import live_chart
from ui.i18n import Translator, escape
from ui.links import api_address
from ui.metrics import shown_metric
from ui.operations_answers import Live, LiveScore, Monitoring


def worse_than_held_out(score: LiveScore, live: Live) -> bool:
    """Whether the whole interval of a version is on the bad side of the held-out metric."""
    if live.held_out is None or score.low is None or score.high is None:
        return False
    return score.low > live.held_out if live.metric in LOSS_METRICS else score.high < live.held_out


def live_table(live: Live, t: Translator) -> pd.DataFrame:
    """One line per version, the newest first."""
    scores = sorted(live.versions, key=lambda score: -score.version)
    return pd.DataFrame(
        {
            t("monitoring.table.version"): [str(score.version) for score in scores],
            t.known("metric", live.metric): [shown_metric(score.value) for score in scores],
            t("monitoring.interval"): [
                "" if score.low is None else f"{shown_metric(score.low)} – {shown_metric(score.high)}"
                for score in scores
            ],
            t("monitoring.told"): [f"{score.rows:,}" for score in scores],
        }
    )


def feedback_command(monitoring: Monitoring, request_id: str) -> str:
    """The line that tells one outcome; a class of the model stands for the truth, or a number of usual size."""
    if monitoring.mix:
        outcome: str | float = next(iter(monitoring.mix.reference), "CLASS")
    else:
        series = monitoring.values.series if monitoring.values else []
        outcome = round(series[-1].median) if series else 0
    body = json.dumps({"request_id": request_id, "outcome": outcome})
    address = f"{api_address(load_settings(UiSettings))}/models/{monitoring.model}/feedback"
    return f"curl -s {address} \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'"


def last_request_id(model: str) -> str:
    """Id of the last prediction made in this visit, of whichever version of the model; "" without one."""
    attempt: Attempt | None = st.session_state.get("attempt")
    return attempt.prediction.request_id if attempt and attempt.model == model and attempt.prediction else ""


def draw_live(monitoring: Monitoring, t: Translator) -> None:
    """Draw the metric of each version and the command."""
    live = monitoring.live
    scored = [score for score in live.versions if score.value is not None] if live else []
    if live and scored:
        _draw_scores(live, scored, t)
    else:
        st.markdown(t("monitoring.live_none"))
    with st.expander(t("monitoring.feedback"), icon=":material/rate_review:", expanded=not scored):
        st.markdown(t("monitoring.feedback_how"))
        made = last_request_id(monitoring.model)
        st.code(feedback_command(monitoring, made or "REQUEST_ID"), language="bash")
        st.caption(t("monitoring.feedback_last" if made else "monitoring.feedback_example"))


def _draw_scores(live: Live, scored: list[LiveScore], t: Translator) -> None:
    metric = t.known("metric", live.metric)
    st.caption(t("monitoring.live_intro", metric=metric))
    newest = max(scored, key=lambda score: score.version)
    with st.container(horizontal=True):
        title = f"{metric} · {t('monitoring.version', version=newest.version)}"
        st.metric(title, shown_metric(newest.value), width="content", border=True)
        if live.held_out is not None:
            st.metric(t("monitoring.held_out"), shown_metric(live.held_out), width="content", border=True)
    if worse_than_held_out(newest, live):
        st.warning(t("monitoring.live_below", version=newest.version), icon=":material/trending_down:")
    frame = pd.DataFrame(
        {
            "version": [t("monitoring.version", version=score.version) for score in scored],
            **{name: [getattr(score, name) for score in scored] for name in ("value", "low", "high")},
        }
    )
    left, right = st.columns(2, gap="medium")
    left.table(live_table(live, t), border="horizontal", hide_index=True)
    right.altair_chart(
        live_chart(frame, live.held_out, escape(metric)),
        alt=t("monitoring.live_chart", metric=metric, held_out=shown_metric(live.held_out)),
    )
