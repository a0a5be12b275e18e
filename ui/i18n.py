"""The UI in the reader's language: texts by key, English and Spanish."""

import string
from collections.abc import Mapping
from typing import Any

from ui.texts import TEXTS

LANGUAGES: Mapping[str, str] = {"en": "English", "es": "Español"}
DEFAULT_LANGUAGE = "en"

_PUNCTUATION = str.maketrans({mark: f"\\{mark}" for mark in string.punctuation if mark not in "'\",.;%&@?/!"})


class Translator:
    """Gives the text of a key in one language: ``t("predict.title")``."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else DEFAULT_LANGUAGE
        self._column = list(LANGUAGES).index(self.language)

    def __call__(self, key: str, **values: Any) -> str:
        """Fill the values into the text of `key`.

        Raises
        ------
        KeyError
            There is no such text, or it needs a value that was not given.
        """
        return TEXTS[key][self._column].format(**values)

    def counted(self, key: str, number: int, /, **values: Any) -> str:
        """The text of ``key_one`` for a single thing, else that of `key`."""
        return self(f"{key}_one" if number == 1 else key, **values)

    def known(self, prefix: str, word: str) -> str:
        """The text of ``prefix.word``, or `word` itself where the API says one that this UI has no text for."""
        key = f"{prefix}.{word}"
        return self(key) if key in TEXTS else word


def language_of_locale(locale: str | None) -> str:
    """The language to start with for a browser's locale (``es-CO`` → ``es``)."""
    language = (locale or "").split("-")[0].lower()
    return language if language in LANGUAGES else DEFAULT_LANGUAGE


def escape(text: str) -> str:
    """Make text from elsewhere literal in Streamlit's Markdown, where ``$``, ``:x:`` and ``[…]`` mean something."""
    return text.translate(_PUNCTUATION)
