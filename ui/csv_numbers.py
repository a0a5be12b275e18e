"""Numbers written as in Spanish, 46,5: columns of a file in which a comma can only be that of the decimals."""

import re
from collections.abc import Sequence

from pipeline.cells import MISSING_TEXTS
from ui.csv_file import CsvFile
from ui.schema import FormField

_DECIMAL_COMMA = re.compile(r"-?\d{1,40}(,\d{1,40})?", re.ASCII)
_THREE_DECIMALS = re.compile(r"-?\d{1,3},\d{3}", re.ASCII)
# Looked for in the whole file, for most have none and need not be read once more.
_ANY = re.compile(rb"\d,\d")
_ANY_QUOTED = re.compile(rb'"\s*-?\d+,\d+\s*"')


def decimal_comma_columns(file: CsvFile, fields: Sequence[FormField]) -> frozenset[str]:
    """Names of the numeric columns whose commas are those of decimals.

    Every number of such a column has at most one comma and no point. Where three digits follow every comma, it may as
    well be that of the thousands, so the column is left alone.

    Raises
    ------
    CsvProblem
        A row cannot be read.
    """
    if not (_ANY_QUOTED if file.delimiter == "," else _ANY).search(file.data):
        return frozenset()
    places = {field.name: file.places[field.name] for field in fields if field.is_numeric and field.name in file.places}
    clear: set[str] = set()
    for _, cells, _ in file.rows():
        for name, place in list(places.items()):
            text = cells[place].strip() if place < len(cells) else ""
            if text in MISSING_TEXTS:
                continue
            if not _DECIMAL_COMMA.fullmatch(text):
                del places[name]
            elif "," in text and not _THREE_DECIMALS.fullmatch(text):
                clear.add(name)
        if not places:
            break
    return frozenset(clear & set(places))
