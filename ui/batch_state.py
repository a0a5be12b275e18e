"""The file of the page Batch and its jobs, kept for a visit so that they survive a look at another page."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from ui.batch_job import Check, Predict
from ui.csv_file import CsvFile

_KEY = "batch"
# Whatever changes what a file means: model, version asked, champion, language of the reasons.
Subject = tuple[Any, ...]


@dataclass
class Batch:
    """One file dropped, and how far it got."""

    subject: Subject
    name: str
    data: bytes
    file: CsvFile | None = None
    check: Check | None = None
    predict: Predict | None = None


def kept_batch(subject: Subject) -> Batch | None:
    """The file of this visit; its jobs begin anew when it now means something else."""
    batch: Batch | None = st.session_state.get(_KEY)
    if batch is None or batch.subject == subject:
        return batch
    forget_batch()
    return new_batch(subject, batch.name, batch.data)


def new_batch(subject: Subject, name: str, data: bytes) -> Batch:
    """Keep a file that was dropped."""
    batch = Batch(subject, name, data)
    st.session_state[_KEY] = batch
    return batch


def forget_batch() -> None:
    """End the jobs of the file and drop it."""
    batch: Batch | None = st.session_state.pop(_KEY, None)
    for job in (batch.check, batch.predict) if batch else ():
        if job:
            job.cancel()
