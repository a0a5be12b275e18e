"""Why a model answers as it does: Shapley values of one record against a typical one.

The value of a set of features is the model's answer to a record that has those features from the record to explain and
all others from the typical record. A feature's contribution is what it adds, averaged over all orders in which features
can be added [1]_: exactly over all sets for up to `EXACT_FEATURES` that differ from the typical record, over sampled
orders, each with its reverse [2]_, above. Either way they add up to the difference of the two answers.

References
----------
.. [1] L. S. Shapley, "A value for n-person games", 1953; S. Lundberg and S.-I. Lee, "A unified approach to interpreting
   model predictions", NeurIPS 2017 (the single-reference, interventional form).
.. [2] R. Mitchell et al., "Sampling permutations for Shapley value estimation", JMLR 23, 2022.
"""

from collections.abc import Callable
from datetime import date
from itertools import pairwise
from math import factorial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference_api.errors import Refusal
from inference_api.model_schema import typical_value
from inference_api.predictor import Predictor
from inference_api.request_schema import Values

EXACT_FEATURES = 12
SAMPLED_ROWS = 4096
SEED = 0
REFERENCE = "typical record"

# From sets of features [N, features] to the model's answers [N].
Game = Callable[[NDArray[np.bool_]], NDArray[np.float64]]


class Explanation(msgspec.Struct, frozen=True):
    """Contributions of each feature to one answer; ``base_value + sum(contributions) == value``.

    Attributes
    ----------
    reference : what the record is compared with; its values are the `default` ones of the model's schema.
    output : which number is explained.
    base_value, value : that number for the reference and for the record.
    estimated : whether orders were sampled.
    """

    method: str
    reference: str
    output: str
    base_value: float
    value: float
    contributions: dict[str, float]
    estimated: bool


def explain(predictor: Predictor, values: Values) -> Explanation:
    """Explain the answer of a model to one record of valid values.

    Raises
    ------
    Refusal
        422: the model does not say what a typical record is, or has no finite answer on the way to it.
    """
    reference = typical_record(predictor)
    differing = [i for i, (value, typical) in enumerate(zip(values, reference, strict=True)) if value != typical]
    place = int(np.argmax(_scores(predictor, [values])[0])) if predictor.classes else 0

    def game(sets: NDArray[np.bool_]) -> NDArray[np.float64]:
        chosen = {index: sets[:, column] for column, index in enumerate(differing)}
        columns = {
            name: _mixed(chosen.get(index), len(sets), values[index], reference[index])
            for index, name in enumerate(predictor.validator.columns)
        }
        return _finite(predictor, predictor.scores(columns))[:, place]

    shares, base, value = shapley_values(game, len(differing))
    contributions = dict.fromkeys(predictor.validator.columns, 0.0)
    for index, share in zip(differing, shares.tolist(), strict=True):
        contributions[predictor.validator.columns[index]] = share
    return Explanation(
        method="shapley",
        reference=REFERENCE,
        output=f"probability of {predictor.classes[place]}" if predictor.classes else "prediction",
        base_value=base,
        value=value,
        contributions=contributions,
        estimated=len(differing) > EXACT_FEATURES,
    )


def typical_record(predictor: Predictor) -> Values:
    """The medians and most frequent values of the training rows, in column order.

    Raises
    ------
    Refusal
        422: the model was registered without statistics of its training rows.
    """
    record = {column.name: typical_value(column) for column in predictor.bundle.columns}
    unknown = [
        column.name for column in predictor.bundle.columns if record[column.name] is None and not column.nullable
    ]
    if unknown or all(value is None for value in record.values()):
        message = (
            f"{predictor} cannot be explained: it was registered without statistics of its training rows, "
            "so that nothing says what a typical record is"
        )
        raise Refusal(422, [{"loc": ["query", "explain"], "msg": message, "type": "no_statistics"}])
    return predictor.validator.read_one(msgspec.json.encode(record), named=False)


def shapley_values(game: Game, count: int) -> tuple[NDArray[np.float64], float, float]:
    """Shapley values of a game of `count` players.

    Returns
    -------
    The values [count], and the game's value without players and with all of them: they add up to its difference.
    """
    return _exact(game, count) if count <= EXACT_FEATURES else _sampled(game, count)


def _exact(game: Game, count: int) -> tuple[NDArray[np.float64], float, float]:
    codes = np.arange(2**count)
    sets = (codes[:, None] >> np.arange(count)) & 1 == 1
    answers = game(sets)
    sizes = sets.sum(axis=1)
    weights = np.array([factorial(s) * factorial(count - s - 1) for s in range(count)]) / factorial(count)
    shares = np.empty(count)
    for player in range(count):
        without = codes[~sets[:, player]]
        shares[player] = weights[sizes[without]] @ (answers[without | 1 << player] - answers[without])
    return shares, float(answers[0]), float(answers[-1])


def _sampled(game: Game, count: int) -> tuple[NDArray[np.float64], float, float]:
    random = np.random.default_rng(SEED)
    forward = [random.permutation(count) for _ in range(max(1, SAMPLED_ROWS // (2 * (count + 1))))]
    orders = [order for each in forward for order in (each, each[::-1])]
    # Row k of an order holds its first k players.
    sets = np.concatenate([np.argsort(order)[None, :] < np.arange(count + 1)[:, None] for order in orders])
    answers = game(sets).reshape(len(orders), count + 1)
    # The ends are the same sets in every order; a model may still differ in the last bit from batch to batch.
    answers[:, 0], answers[:, -1] = answers[0, 0], answers[0, -1]
    shares = np.zeros(count)
    for order, row in zip(orders, answers, strict=True):
        shares[order] += np.array([after - before for before, after in pairwise(row)])
    return shares / len(orders), float(answers[0, 0]), float(answers[0, -1])


def _mixed(chosen: NDArray[np.bool_] | None, count: int, value: Any, typical: Any) -> Any:
    """One column: the record's value in the rows chosen, the typical one in the others."""
    if chosen is None:
        return [value] * count
    if isinstance(value, int | float) and isinstance(typical, int | float):
        return np.where(chosen, float(value), float(typical))
    if isinstance(value, date) and isinstance(typical, date):
        return np.where(chosen, np.datetime64(value), np.datetime64(typical))
    return [value if is_chosen else typical for is_chosen in chosen.tolist()]


def _scores(predictor: Predictor, rows: list[Values]) -> NDArray[np.float64]:
    return _finite(predictor, predictor.scores(predictor.columns_of(rows)))


def _finite(predictor: Predictor, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(scores).all():
        raise predictor.refused(())
    return scores
