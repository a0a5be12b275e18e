"""Whether the exported model may stand for the one that was judged."""

from typing import NamedTuple

from pipeline.bundle import MAX_LABEL_FLIPS, MAX_PROBABILITY_DIFFERENCE
from pipeline.gate_checks import Check


class Parity(NamedTuple):
    """How far the exported model is from scikit-learn's on the held-out rows.

    Parameters
    ----------
    label_flip_share : share of rows with another answer (of a regression: one off by more than 0.1 %).
    probability_difference : largest difference of a probability among the other rows; 0 for a regression.
    """

    label_flip_share: float
    probability_difference: float


def check_parity(parity: Parity | None) -> list[Check]:
    """Two checks, or one that fails when the export was not compared."""
    if parity is None:
        detail = "the exported model was not compared with scikit-learn"
        return [Check(name="parity", passed=False, detail=detail, limit=MAX_LABEL_FLIPS)]
    share, difference = parity
    return [
        Check(
            name="parity",
            passed=share <= MAX_LABEL_FLIPS,
            detail=f"exported model and scikit-learn disagree on {share:.3%} of held-out rows "
            f"(limit {MAX_LABEL_FLIPS:.1%})",
            value=share,
            limit=MAX_LABEL_FLIPS,
        ),
        Check(
            name="parity_difference",
            passed=difference <= MAX_PROBABILITY_DIFFERENCE,
            detail=f"where they agree, a probability differs by {difference:.2g} at most "
            f"(limit {MAX_PROBABILITY_DIFFERENCE:g})",
            value=difference,
            limit=MAX_PROBABILITY_DIFFERENCE,
        ),
    ]
