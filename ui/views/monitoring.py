"""Monitoring: traffic and latency, what is predicted, drift, and how often it is right."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from pipeline.settings import UiSettings, load_settings
from ui.answers import ModelSummary
from ui.api_client import ApiProblem
from ui.charts import compared_chart, mix_chart, traffic_chart, values_chart
from ui.drift import draw_drift
from ui.guard import guarded
from ui.i18n import Translator, escape
from ui.links import remember_subject
from ui.live import draw_live
from ui.messages import show_problem
from ui.metrics import shown_metric
from ui.operations import forget_operations, load_monitoring
from ui.operations_answers import Monitoring
from ui.session import forget_answers, load_model, load_models, translator
from ui.times import clock, now
from ui.traffic import compared_mix, mix_frame, period, traffic_frame, wall

PERIOD_HOURS = (1, 24, 168)
REFRESH_SECONDS = 15


def render(t: Translator) -> None:
    """Draw the page."""
    st.title(t("monitoring.title"), anchor=False)
    st.caption(t("monitoring.intro"))
    try:
        models = load_models()
        if not models:
            raise ApiProblem("no_model")
    except ApiProblem as problem:
        show_problem(problem, t, key="page", retry=_forget, whole_page=True)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = _choose(models, t)
        hours = st.segmented_control(
            t("monitoring.period"),
            list(PERIOD_HOURS),
            default=24,
            required=True,
            format_func=lambda hours: t(f"monitoring.period.{hours}"),
            key="period",
            persist_state="session",
        )
    remember_subject(name)
    _live(name, hours, t)


def _forget() -> None:
    forget_answers()
    forget_operations()


def _choose(models: Sequence[ModelSummary], t: Translator) -> str:
    titles = {model.name: model.title for model in models}
    default = load_settings(UiSettings).default_use_case
    names = sorted(titles, key=lambda name: name != default)
    return st.selectbox(
        t("monitoring.model"),
        names,
        format_func=titles.__getitem__,
        key="monitored",
        persist_state="session",
        width=420,
    )


@st.fragment(run_every=REFRESH_SECONDS)
@guarded
def _live(name: str, hours: int, t: Translator) -> None:
    try:
        monitoring = load_monitoring(name, hours)
    except ApiProblem as problem:
        show_problem(problem, t, key="monitoring", retry=forget_operations)
        return
    at, version = clock(monitoring.generated_at or now()), monitoring.version
    key = "monitoring.as_of" if version else "monitoring.as_of_none"
    st.caption(t(key, version=version, at=at, seconds=REFRESH_SECONDS))
    if monitoring.problem:
        st.warning(t("monitoring.problem", problem=escape(monitoring.problem)), icon=":material/warning:")
    st.header(t("monitoring.traffic"), anchor=False)
    _draw_traffic(monitoring, t)
    st.header(t("monitoring.mix"), anchor=False)
    _draw_predictions(monitoring, t)
    st.header(t("monitoring.drift"), anchor=False)
    draw_drift(monitoring.drift, name, t)
    st.header(t("monitoring.live" if monitoring.mix else "monitoring.live_regression"), anchor=False)
    draw_live(monitoring, t)


def _draw_traffic(monitoring: Monitoring, t: Translator) -> None:
    total = sum(bucket.predictions for bucket in monitoring.traffic)
    latency = monitoring.latency
    with st.container(horizontal=True):
        help_text = t("monitoring.predictions_help")
        st.metric(t("monitoring.predictions"), f"{total:,}", width="content", border=True, help=help_text)
        if latency:
            quantiles = {t("monitoring.half"): latency.p50_ms, "95 %": latency.p95_ms, "99 %": latency.p99_ms}
            for quantile, milliseconds in quantiles.items():
                if milliseconds is not None:
                    label = t("monitoring.latency", quantile=quantile)
                    st.metric(label, f"{milliseconds:.3g} ms", width="content", border=True)
    if latency:
        st.caption(t("monitoring.latency_note", requests=f"{latency.requests:,}"))
    if not total:
        st.info(t("monitoring.no_traffic"), icon=":material/hourglass_empty:")
        return
    minutes = t("monitoring.minutes", minutes=f"{monitoring.bucket_minutes:g}")
    st.altair_chart(
        traffic_chart(traffic_frame(monitoring), t("monitoring.predictions"), period(monitoring)),
        alt=t("monitoring.traffic_chart", minutes=minutes, total=f"{total:,}"),
    )


def _draw_predictions(monitoring: Monitoring, t: Translator) -> None:
    if monitoring.mix and monitoring.mix.series:
        _draw_mix(monitoring, t)
    elif monitoring.values and monitoring.values.series:
        _draw_values(monitoring, t)
    else:
        st.markdown(t("monitoring.no_mix"))


def _draw_mix(monitoring: Monitoring, t: Translator) -> None:
    mix, others = monitoring.mix, t("monitoring.other_classes")
    if mix is None:
        return
    names = _class_names(monitoring.model)
    frame = mix_frame(mix, monitoring.bucket_minutes, names, others)
    classes = list(dict.fromkeys(frame["name"]))
    kinds = t("monitoring.training"), t("monitoring.now")
    compared = compared_mix(monitoring, names, kinds, others)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(f"**{t('monitoring.mix_over_time')}**")
        first = max(classes, key=lambda name: frame.loc[frame["name"] == name, "share"].sum())
        chart = mix_chart(frame, classes, t("monitoring.share"), period(monitoring))
        st.altair_chart(chart, alt=t("monitoring.mix_chart", first=first))
    with right:
        st.markdown(f"**{t('monitoring.mix_compared')}**")
        sides = compared.pivot_table(index="label", columns="kind", values="share", aggfunc="sum").fillna(0)
        moved = (sides[kinds[0]] - sides[kinds[1]]).abs().idxmax() if set(kinds) <= set(sides) else ""
        st.altair_chart(
            compared_chart(compared, kinds, t("monitoring.share")),
            alt=t("monitoring.mix_compared_chart", first=moved),
        )


def _class_names(model: str) -> Mapping[str, str]:
    try:
        return load_model(model).labels
    except ApiProblem:
        # The codes of the classes do where their names cannot be had.
        return {}


def _draw_values(monitoring: Monitoring, t: Translator) -> None:
    series = monitoring.values.series if monitoring.values else []
    frame = pd.DataFrame(
        {
            "start": [wall(bucket.at) for bucket in series],
            **{name: [getattr(bucket, name) for bucket in series] for name in ("p10", "median", "p90")},
        }
    )
    title = t("monitoring.values")
    try:
        unit = load_model(monitoring.model).unit
    except ApiProblem:
        unit = None
    title = f"{title} [{unit}]" if unit else title
    st.markdown(f"**{t('monitoring.values_over_time')}**")
    st.altair_chart(
        values_chart(frame, title, period(monitoring)),
        alt=t("monitoring.values_chart", last=shown_metric(series[-1].median)),
    )


render(translator())
