"""What the values of a column look like: the part of a bundle that says which rows a model was made for."""

import numpy as np
import pandas as pd

from pipeline.bundle import Histogram, Statistics

BINS = 10
# The form offers the most frequent values of an open list; all of a big one would bloat every answer.
MOST_VALUES = 200


def column_statistics(values: pd.Series, numeric: bool) -> Statistics:
    """Describe one column.

    Parameters
    ----------
    values : numbers with NaN, or strings with None, where missing. An infinite number counts as missing.
    numeric : whether they are numbers.
    """
    present = (values.replace([np.inf, -np.inf], np.nan) if numeric else values).dropna()
    missing = round(1 - len(present) / len(values), 6) if len(values) else 0.0
    if present.empty:
        return Statistics(rows=len(values), missing_share=missing)
    if not numeric:
        shares = present.value_counts(normalize=True).head(MOST_VALUES)
        frequencies = {str(value): round(float(share), 6) for value, share in shares.items()}
        return Statistics(rows=len(values), frequencies=frequencies, missing_share=missing)
    return Statistics(
        rows=len(values),
        minimum=float(present.min()),
        maximum=float(present.max()),
        median=float(present.median()),
        histogram=histogram(present.to_numpy(dtype=np.float64)),
        missing_share=missing,
    )


def histogram(values: np.ndarray) -> Histogram:
    """Shares in at most ten bins of about equally many values, cut at values that occur.

    Parameters
    ----------
    values : shape (n,), finite, n > 0.
    """
    cuts = np.unique(np.quantile(values, np.arange(1, BINS) / BINS, method="higher"))
    # Nothing lies below the minimum, so a cut there would only make an empty bin.
    cuts = cuts[cuts > values.min()]
    if not cuts.size:
        # One value (nearly) everywhere: a bin of its own, so that anything above it and below it can be told apart.
        cuts = np.array([values.min(), np.nextafter(values.min(), np.inf)])
    counts = np.bincount(np.searchsorted(cuts, values, side="right"), minlength=len(cuts) + 1)
    return Histogram(edges=cuts.tolist(), shares=[round(float(share), 6) for share in counts / len(values)])
