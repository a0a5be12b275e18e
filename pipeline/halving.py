"""Successive halving: many candidates on a little, the better ones on more, the last few on everything.

References
----------
K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", AISTATS 2016;
`sklearn.model_selection.HalvingGridSearchCV`, whose schedule this is. Two things differ: the last rung compares up to
`factor` candidates instead of scoring one more time the only one left, and candidates may belong to several families.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from pipeline.search_space import Candidate
from pipeline.use_case import EstimatorName

# Fewer trees tell too little about many.
SMALLEST_TREES = 5
# The parameter that says how many trees; a linear model has none and is fitted whole in every rung.
TREES: dict[EstimatorName, str] = {
    "random_forest": "n_estimators",
    "extra_trees": "n_estimators",
    "lightgbm": "n_estimators",
    "hist_gradient_boosting": "max_iter",
}


@dataclass(frozen=True)
class Rung:
    """One round of a search.

    Parameters
    ----------
    number : from 1.
    candidates : how many are compared.
    share : of the resource that each of them gets, at most 1.
    """

    number: int
    candidates: int
    share: float


def plan_rungs(candidates: int, largest: int, smallest: int, factor: int) -> list[Rung]:
    """Rungs of a search: each keeps one candidate in `factor` (rounded up) and gives it `factor` times as much.

    Parameters
    ----------
    largest : the whole resource (rows, or trees), which the last rung gets.
    smallest : of which a comparison means something: where halving would start below it, it starts later.
    """
    counts = [candidates]
    while counts[-1] > factor and largest // factor ** len(counts) >= smallest:
        counts.append(ceil(counts[-1] / factor))
    shares = [float(factor) ** -exponent for exponent in reversed(range(len(counts)))]
    pairs = enumerate(zip(counts, shares, strict=True), start=1)
    return [Rung(number, count, share) for number, (count, share) in pairs]


def with_trees(candidate: Candidate, share: float, trees: int) -> Candidate:
    """The candidate with a share of its `trees`, at least one of them; a linear model as it is."""
    name = TREES.get(candidate.estimator)
    if name is None:
        return candidate
    return Candidate(candidate.estimator, candidate.parameters | {name: max(1, ceil(share * trees))})


def first_rows(target: NDArray, share: float, by_class: bool, seed: int) -> NDArray[np.intp]:
    """Rows of a rung, in ascending order. A larger share holds those of a smaller one.

    Parameters
    ----------
    target : shape (n,), of the rows to choose from.
    by_class : whether the target is a class: every class then has its share, and a rare one its first row.
    """
    order = np.random.default_rng(seed).permutation(len(target))
    if by_class:
        _, codes = np.unique(target[order], return_inverse=True)
        place = np.empty(len(order))
        for code in range(codes.max() + 1):
            members = np.flatnonzero(codes == code)
            place[members] = np.arange(len(members)) / len(members)
        order = order[np.argsort(place, kind="stable")]
    return np.sort(order[: ceil(share * len(order))])
