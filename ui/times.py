"""Moments as the person in front of the page reads them: in the time zone of the browser."""

from datetime import UTC, datetime, timedelta, timezone

import streamlit as st


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


def local(moment: datetime) -> datetime:
    """The moment in the browser's time zone; one without a zone is taken as UTC."""
    # An offset, not a name: names need a database of time zones that slim images lack.
    offset = st.context.timezone_offset or 0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(timezone(timedelta(minutes=-offset)))


def clock(moment: datetime) -> str:
    """Time of a moment of today, else day and time."""
    shown = local(moment)
    return f"{shown:%H:%M:%S}" if shown.date() == local(now()).date() else f"{shown:%Y-%m-%d %H:%M}"


def duration(seconds: float) -> str:
    """Seconds as a clock counts them: 4:05, 1:02:03."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
