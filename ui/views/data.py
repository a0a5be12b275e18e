"""Data: batches as they arrive, what was refused and why, and how the stored values are spread."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from ui.api_client import ApiProblem
from ui.batches import latest_epoch, strip_html, tiles
from ui.distributions import draw_distributions
from ui.guard import guarded
from ui.i18n import Translator, escape
from ui.links import remember_subject
from ui.messages import show_problem
from ui.operations import forget_operations, load_collection, load_distributions, load_quarantine, load_use_cases
from ui.operations_answers import Batch, CollectedUseCase, Collection
from ui.quarantine import draw_quarantine
from ui.session import load_model, translator
from ui.times import clock, duration, now

BATCHES_EVERY_SECONDS = 3.0
COUNT_EVERY_SECONDS = 1.0


def render(t: Translator) -> None:
    """Draw the page."""
    st.title(t("data.title"), anchor=False)
    st.caption(t("data.intro"))
    try:
        use_cases = load_use_cases()
        if not use_cases:
            st.info(t("data.no_use_cases"))
            return
        name = _choose(use_cases, t)
        remember_subject(name)
        collection = load_collection(name)
    except ApiProblem as problem:
        show_problem(problem, t, key="page", retry=forget_operations, whole_page=True)
        return
    st.header(t("data.batches"), anchor=False)
    _live_poll(name, t)
    _live_batches(name, collection, t)
    st.header(t("data.quarantine"), anchor=False)
    try:
        draw_quarantine(load_quarantine(collection), name, t)
    except ApiProblem as problem:
        show_problem(problem, t, key="quarantine", retry=forget_operations)
    st.header(t("data.distributions"), anchor=False)
    try:
        draw_distributions(load_distributions(collection), name, t, _class_names(name))
    except ApiProblem as problem:
        show_problem(problem, t, key="distributions", retry=forget_operations)


def _choose(use_cases: Sequence[CollectedUseCase], t: Translator) -> str:
    titles = {use_case.name: use_case.title for use_case in use_cases}
    return st.selectbox(
        t("data.use_case"),
        list(titles),
        format_func=titles.__getitem__,
        key="use_case",
        persist_state="session",
        width=420,
    )


def _class_names(use_case: str) -> Mapping[str, str]:
    try:
        return load_model(use_case).labels
    except ApiProblem:
        # There is data before there is a model; the codes of the classes do.
        return {}


@st.fragment(run_every=BATCHES_EVERY_SECONDS)
@guarded
def _live_batches(name: str, drawn: Collection, t: Translator) -> None:
    try:
        collection = load_collection(name)
    except ApiProblem as problem:
        show_problem(problem, t, key="batches", retry=forget_operations)
        return
    if (collection.rows, collection.quarantined) != (drawn.rows, drawn.quarantined):
        # The rest of the page tells of these rows too.
        st.rerun(scope="app")
    strip = tiles(collection)
    arrived = [tile for tile in strip if tile.batch]
    with st.container(horizontal=True):
        # With the batches to come there is a "of ten"; an exhausted source has no more.
        st.metric(t("data.batches_seen"), f"{len(arrived)} / {len(strip)}", width="content", border=True)
        st.metric(t("data.rows"), f"{collection.rows:,}", width="content", border=True)
        st.metric(t("data.quarantined"), f"{collection.quarantined:,}", width="content", border=True)
    restarts = latest_epoch(collection.batches)
    if restarts > 0:
        st.caption(t("data.epoch_once") if restarts == 1 else t("data.epoch", times=restarts))
    if not arrived:
        st.info(t("data.none_yet"), icon=":material/hourglass_empty:")
    st.html(strip_html(strip, t))
    if collection.batches:
        with st.expander(t("data.numbers")):
            st.caption(t("data.numbers_help"))
            st.table(batches_table(collection.batches, t), border="horizontal", hide_index=True)


@st.fragment(run_every=COUNT_EVERY_SECONDS)
@guarded
def _live_poll(name: str, t: Translator) -> None:
    try:
        collection = load_collection(name)
    except ApiProblem:
        # The strip below says it, once.
        return
    _draw_poll(collection, t)


def _draw_poll(collection: Collection, t: Translator) -> None:
    poll, name = collection.last_poll, collection.use_case
    if collection.exhausted:
        st.success(t("data.exhausted"), icon=":material/task_alt:")
    if poll is None:
        said = t("data.never_polled")
    elif poll.outcome == "failed":
        st.warning(
            t("data.failed", at=clock(poll.at), detail=escape(poll.detail or "?"), name=name),
            icon=":material/warning:",
        )
        said = ""
    else:
        said = t("data.last_poll", at=clock(poll.at), outcome=escape(t.known("data.outcome", poll.outcome)))
    st.markdown(f"{said} {_next_poll(collection, t)}".strip())


def _next_poll(collection: Collection, t: Translator) -> str:
    if collection.next_poll is None:
        return ""
    left = (collection.next_poll - now()).total_seconds()
    if left > 0:
        return t("data.next_in", left=duration(left))
    if collection.exhausted:
        # Nothing is missed, whether or not somebody goes on asking.
        return ""
    # A poll takes some seconds to start and to end; after a whole interval something is wrong.
    if -left < max(collection.interval_seconds, 30):
        return t("data.next_now")
    return t("data.overdue", at=clock(collection.next_poll), name=collection.use_case)


def batches_table(batches: Sequence[Batch], t: Translator) -> pd.DataFrame:
    """Numbers of every batch, the newest first; with the start of the source where there was more than one."""
    ordered = sorted(batches, key=lambda batch: (-batch.epoch, -batch.batch_number))
    columns = {
        t("data.table.batch"): [str(batch.batch_number) for batch in ordered],
        t("data.table.deliveries"): [str(batch.deliveries) for batch in ordered],
        t("data.table.delivered"): [f"{batch.delivered:,}" for batch in ordered],
        t("data.table.accepted"): [f"{batch.accepted:,}" for batch in ordered],
        t("data.table.duplicate"): [f"{batch.duplicate:,}" for batch in ordered],
        t("data.table.quarantined"): [f"{batch.quarantined:,}" for batch in ordered],
        t("data.table.last_at"): [clock(batch.last_at) if batch.last_at else "" for batch in ordered],
    }
    if latest_epoch(batches):
        columns = {t("data.table.epoch"): [str(batch.epoch + 1) for batch in ordered], **columns}
    return pd.DataFrame(columns)


render(translator())
