"""Keeps a warning of scikit-learn about itself out of the logs: it came a thousand times in one search."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

# Of `sklearn.utils.parallel._FuncWrapper`.
_START = "`sklearn.utils.parallel.delayed` should be used with"


@contextmanager
def without_parallel_warnings() -> Iterator[None]:
    """Show all warnings but that one, while forests grow in several threads.

    For every tree scikit-learn empties Python's list of warning filters and fills it again. The list belongs to the
    process, so that one thread sees another's while it is empty, takes it for one that was never set, and warns. No
    filter helps where filters are what is missing, hence the hook; the list is put back at the end.
    """
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_others(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> Any:
            if not str(message).startswith(_START):
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = show_others
        yield
