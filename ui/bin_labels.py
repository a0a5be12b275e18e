"""The API's names of the bins of a histogram, in the reader's language."""

import re

from ui.i18n import Translator

_BETWEEN = re.compile(r"(-?[\d.e+,-]+) to (-?[\d.e+,-]+)")


def bin_words(label: str, t: Translator) -> str:
    """``1967 to 2055`` as "1967 – 2055"; what stands for other and for missing values as words."""
    between = _BETWEEN.fullmatch(label)
    return f"{between[1]} – {between[2]}" if between else t.known("bin", label)
