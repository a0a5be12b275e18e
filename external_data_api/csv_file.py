"""Rows of a CSV file, as the strings that stand in it."""

import csv
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import ConfigurationError

logger = logging.getLogger(__name__)


def read_rows(path: Path, columns: Sequence[str], variable: str) -> Iterator[list[str]]:
    """Read the wanted columns of a CSV file with a header line; more columns and any order are fine.

    A line that has more or fewer values than the header is delivered as it is: a source passes on what it has, and
    to judge rows is the collector's work.

    Parameters
    ----------
    path : the file, UTF-8 and separated by commas.
    columns : names to take, in the order in which the rows shall hold them.
    variable : the setting that named the file, for messages.

    Raises
    ------
    ConfigurationError
        The file is missing, unreadable, empty, has no rows, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _select(csv.reader(file), columns, f"{variable}={path}")
    except FileNotFoundError:
        raise ConfigurationError(f"{variable}={path}: there is no such file") from None
    except OSError as error:
        raise ConfigurationError(f"{variable}={path}: cannot read it: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{variable}={path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except csv.Error as error:
        raise ConfigurationError(f"{variable}={path}: not a CSV file: {error}") from None


def _select(lines: Iterator[list[str]], columns: Sequence[str], origin: str) -> Iterator[list[str]]:
    header = [name.strip() for name in next(lines, [])]
    if not header:
        raise ConfigurationError(f"{origin}: the file is empty; its first line must name {', '.join(columns)}")
    missing = [name for name in columns if name not in header]
    if missing:
        raise ConfigurationError(
            f"{origin}: the first line does not name the column(s) {', '.join(missing)}; it holds {', '.join(header)}"
        )
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        raise ConfigurationError(f"{origin}: the first line names the column(s) {', '.join(twice)} more than once")
    positions = [header.index(name) for name in columns]
    delivered = ragged = 0
    for line in lines:
        if not line:
            continue
        delivered += 1
        if len(line) == len(header):
            yield [line[position] for position in positions]
        else:
            ragged += 1
            yield line
    if not delivered:
        raise ConfigurationError(f"{origin}: the file has a header and no rows")
    if ragged:
        logger.warning("%s: %d line(s) have more or fewer values than the header; served as they are", origin, ragged)
