"""Which of a version's many numbers to show, and how."""

from collections.abc import Mapping, Sequence

# In the order in which people ask for them; a run logs many more.
MAIN_METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "precision_macro", "recall_macro", "rmse", "mae", "r2")


def main_metrics(versions: Sequence[Mapping[str, float | None]]) -> list[str]:
    """Names of the main metrics that at least one version has; else its first few, so that something shows.

    A name may carry the part of the data it was measured on, as in ``holdout_accuracy``.
    """
    names = list(dict.fromkeys(name for metrics in versions for name in metrics))
    main = [name for wanted in MAIN_METRICS for name in names if name in (wanted, f"holdout_{wanted}")]
    return main or names[:4]


def shown_metric(value: float | None) -> str:
    """A metric in few digits: 0.8639, 152,301."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def rounded(value: float | None) -> float | None:
    """The same as a number, for a column that sorts: four decimals, or none from a thousand up."""
    return None if value is None else round(value, 0 if abs(value) >= 1000 else 4)
