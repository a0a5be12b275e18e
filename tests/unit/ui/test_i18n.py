"""Texts in both languages."""

import string
from typing import get_args

import pytest

from ui.api_client import ProblemKind
from ui.forms import ProblemCode
from ui.i18n import LANGUAGES, Translator, escape, language_of_locale
from ui.texts import TEXTS


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_have_the_text_and_take_the_same_values(key: str) -> None:
    texts = TEXTS[key]
    assert len(texts) == len(LANGUAGES)
    assert all(texts)
    english, spanish = ({name for _, name, _, _ in string.Formatter().parse(text) if name} for text in texts)
    assert english == spanish


def test_every_problem_of_the_api_has_a_text() -> None:
    assert {f"problem.{kind}" for kind in get_args(ProblemKind)} <= TEXTS.keys()
    assert {f"invalid.{code}" for code in get_args(ProblemCode) if code != "api"} <= TEXTS.keys()


def test_a_word_of_the_api_without_a_text_is_shown_as_it_is() -> None:
    assert Translator("es").known("status", "serving") == "en servicio"
    assert Translator("es").known("status", "warming up") == "warming up"


@pytest.mark.parametrize(
    ("locale", "language"), [("es-CO", "es"), ("es", "es"), ("en-US", "en"), ("fr-FR", "en"), (None, "en")]
)
def test_the_first_language_is_the_browsers_when_the_ui_speaks_it(locale: str | None, language: str) -> None:
    assert language_of_locale(locale) == language


def test_escaped_text_keeps_no_markdown() -> None:
    assert escape("$1 :red[x] **b** `c` <i>") == r"\$1 \:red\[x\] \*\*b\*\* \`c\` \<i\>"
    assert escape("a wide, 0.5 % field's name?") == "a wide, 0.5 % field's name?"
