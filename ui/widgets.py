"""The form on the screen: one input per field, and a slider below a number whose limits say something."""

from collections.abc import Mapping, Sequence
from datetime import date
from math import floor, log10
from typing import Any, Literal

import streamlit as st

from ui.forms import allowed, plain_number, range_shown
from ui.i18n import Translator, escape
from ui.schema import FormField

FIELDS_PER_ROW = 2
# Where the typical value lies closer to a limit than this share of the range, the limits are far from anything real.
LEAST_SHARE = 0.01


def state_key(model: str, field_name: str) -> str:
    """Where the value of a field lives in the session; also the CSS class ``st-key-…`` of its input."""
    return f"field_{model}_{field_name}"


def entered_values(model: str, fields: Sequence[FormField]) -> dict[str, Any]:
    """What the inputs hold now, by field name."""
    return {field.name: st.session_state.get(state_key(model, field.name)) for field in fields}


def put_values(model: str, values: Mapping[str, Any]) -> None:
    """Make the inputs hold these values at the next run of the page."""
    for name, value in values.items():
        st.session_state[state_key(model, name)] = value


def fits(field: FormField, value: Any) -> bool:
    """Whether the input of a field can hold a value; one entered for another version of the model may not."""
    if value is None:
        return True
    if field.kind == "category":
        return value in field.categories
    kind = float | int if field.is_numeric else date if field.kind == "date" else str
    return isinstance(value, kind)


def has_slider(field: FormField) -> bool:
    """Whether a slider helps: a number between two limits, with a typical value well inside of them."""
    if not field.is_numeric or field.minimum is None or field.maximum is None or not isinstance(field.default, float):
        return False
    share = (field.default - field.minimum) / (field.maximum - field.minimum) if field.maximum > field.minimum else 0
    return LEAST_SHARE <= share <= 1 - LEAST_SHARE


def draw_fields(model: str, fields: Sequence[FormField], explained: Mapping[str, str], t: Translator) -> None:
    """Draw the inputs in rows; under each one its limits, or what is wrong with it.

    A row of columns, not a column of rows: on a phone, and for the Tab key, the order stays that of the schema.
    """
    for start in range(0, len(fields), FIELDS_PER_ROW):
        row = fields[start : start + FIELDS_PER_ROW]
        # Labels may take two lines and explanations more: inputs of a row stay level while nothing is wrong.
        uneven = any(field.name in explained or has_slider(field) for field in row)
        level: Literal["top", "bottom"] = "top" if uneven else "bottom"
        for field, column in zip(row, st.columns(FIELDS_PER_ROW, gap="medium", vertical_alignment=level), strict=False):
            with column, st.container(gap="xsmall"):
                _draw_input(model, field, t)
                _draw_note(field, explained.get(field.name), t)


def _draw_input(model: str, field: FormField, t: Translator) -> None:
    key = state_key(model, field.name)
    common: dict[str, Any] = {
        "label": field.label,
        "key": key,
        "help": _help(field, t),
        # Kept while the person looks at another page or model.
        "persist_state": "session",
        # Sent with the next press: a run after each field would redraw the one that is being typed in.
        "on_change": "ignore",
    }
    if field.required:
        placeholder = t("predict.choose" if field.kind == "category" else "predict.required")
    else:
        placeholder = t("predict.empty")
    # The first value goes through the session, not through `value`: an input that has a default of its own
    # takes that default back when it is emptied, and "required" could never be said.
    if key not in st.session_state or not fits(field, st.session_state[key]):
        st.session_state[key] = field.default
    if field.kind == "category":
        names = field.categories
        st.selectbox(
            options=list(names),
            index=None,
            format_func=lambda value: value if names[value] == value else f"{value} — {names[value]}",
            placeholder=placeholder,
            **common,
        )
    elif has_slider(field):
        _draw_number(field, placeholder, common)
        _draw_slider(field, key)
    elif field.is_numeric:
        _draw_number(field, placeholder, common)
    elif field.kind == "date":
        st.date_input(value=None, min_value=date(1, 1, 1), max_value=date(9999, 12, 31), format="YYYY-MM-DD", **common)
    else:
        st.text_input(value=None, placeholder=placeholder, **common)


def _draw_number(field: FormField, placeholder: str, common: Mapping[str, Any]) -> None:
    # No limits here: Streamlit would undo a value beyond them without a word. `forms.validate` explains instead.
    st.number_input(value=None, step=_step(field), format="%g", placeholder=placeholder, **common)


def _draw_slider(field: FormField, key: str) -> None:
    """Draw the slider; the number above it holds the value, which may also be empty or beyond the limits."""
    kind = int if field.kind == "integer" else float
    low, high = field.minimum or 0.0, field.maximum or 0.0
    held, typical = st.session_state[key], field.default if isinstance(field.default, float) else low
    shown = typical if held is None else float(held)
    slider_key = f"slider_{key}"
    st.session_state[slider_key] = kind(min(max(shown, low), high))
    step = slider_step(field)
    st.slider(
        field.label,
        kind(low),
        kind(high),
        step=kind(step),
        format=f"%.{max(0, -floor(log10(step)))}f" if kind is float else "%d",
        key=slider_key,
        label_visibility="collapsed",
        on_change=_slide,
        args=(slider_key, key),
    )


def slider_step(field: FormField) -> float:
    """What one step of the slider adds: 1 of whole numbers, else a round number of about a hundredth of the range."""
    if field.kind == "integer":
        return 1.0
    return float(10 ** (floor(log10((field.maximum or 0.0) - (field.minimum or 0.0))) - 2))


def _slide(slider_key: str, key: str) -> None:
    # Sums of floating-point steps end in ...0001.
    st.session_state[key] = round(float(st.session_state[slider_key]), 6)


def _draw_note(field: FormField, explained: str | None, t: Translator) -> None:
    if explained:
        st.markdown(f":small[:red[{escape(explained)}]]")
        return
    notes = [range_shown(field), "" if field.required else t("predict.optional")]
    note = " · ".join(filter(None, notes))
    # A note of nothing still takes its line, so that the inputs of a row stay level.
    st.markdown(f":small[:gray[{escape(note)}]]" if note else "&nbsp;")


def _help(field: FormField, t: Translator) -> str:
    parts = [f"{field.description}." if field.description else "", t("predict.help", allowed=allowed(field, t))]
    if field.default is not None:
        shown = plain_number(field.default) if isinstance(field.default, float) else str(field.default)
        parts.append(t("predict.help_default", value=shown))
    if not field.required:
        parts.append(t("predict.help_optional"))
    return escape(" ".join(part for part in parts if part))


def _step(field: FormField) -> float:
    """What the + and − of a number add: 1, or a tenth of the size of a small typical value (0.25 → 0.01)."""
    if field.kind == "integer" or not isinstance(field.default, float) or not 0 < abs(field.default) < 1:
        return 1.0
    return float(10 ** (floor(log10(abs(field.default))) - 1))
