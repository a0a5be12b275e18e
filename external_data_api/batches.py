"""Which rows a batch holds, and which of them one call returns. Pure functions of numbers and a seed."""

import math
import random


def batch_range(row_count: int, batch_count: int, batch_number: int) -> range:
    """Positions of the rows of one batch (counted from 1); the last batch takes the remainder.

    Returns
    -------
    range of ``row_count // batch_count`` positions, or more for the last batch.
    """
    size = row_count // batch_count
    stop = row_count if batch_number == batch_count else batch_number * size
    return range((batch_number - 1) * size, stop)


def sample_size(batch_rows: int, share: float) -> int:
    """How many rows of a batch one call returns: the share rounded up, at least one row."""
    # Rounded first, or 0.1 * 30 = 3.0000000000000004 would give 4 rows.
    return min(batch_rows, max(1, math.ceil(round(share * batch_rows, 6))))


def draw(positions: range, share: float, seed: str) -> list[int]:
    """Draw the sample of one call, without replacement and in random order; the same seed draws the same rows."""
    return random.Random(seed).sample(positions, sample_size(len(positions), share))
