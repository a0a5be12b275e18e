import numpy as np
import pandas as pd
import pytest
import skops.io

from pipeline.preprocessing import unwrap
from pipeline.search_space import Candidate
from pipeline.training import fit
from pipeline.trusted_types import TRUSTED_TYPES
from pipeline.use_case import EstimatorName, UseCase
from tests.synthetic_rows import house_rows, penguin_rows, split_frames

CANDIDATES: list[tuple[EstimatorName, dict]] = [
    ("random_forest", {"n_estimators": 12}),
    ("extra_trees", {"n_estimators": 12}),
    ("hist_gradient_boosting", {"max_iter": 12}),
    ("lightgbm", {"n_estimators": 12}),
    ("linear", {}),
]


@pytest.mark.parametrize(("name", "parameters"), CANDIDATES)
def test_one_seed_gives_one_classifier_whatever_the_jobs(
    penguins: UseCase, name: EstimatorName, parameters: dict
) -> None:
    train, holdout = split_frames(penguins, penguin_rows())
    models = [fit(penguins, Candidate(name, parameters), train, jobs) for jobs in (1, 2)]
    rows = holdout.drop(columns="species")
    np.testing.assert_array_equal(models[0].predict_proba(rows), models[1].predict_proba(rows))
    assert (models[0].predict(rows) == holdout["species"]).mean() > 0.9


@pytest.mark.parametrize(("name", "parameters"), CANDIDATES)
def test_one_seed_gives_one_regressor_whatever_the_jobs(
    house_prices: UseCase, name: EstimatorName, parameters: dict
) -> None:
    train, holdout = split_frames(house_prices, house_rows())
    models = [fit(house_prices, Candidate(name, parameters), train, jobs) for jobs in (1, 2)]
    rows = holdout.drop(columns="price")
    np.testing.assert_array_equal(models[0].predict(rows), models[1].predict(rows))
    error = np.abs(models[0].predict(rows) - holdout["price"])
    assert error.mean() < np.abs(train["price"].median() - holdout["price"]).mean()


@pytest.mark.parametrize("case", ["penguins", "house_prices"])
@pytest.mark.parametrize(("name", "parameters"), CANDIDATES)
def test_every_family_is_saved_without_pickle(
    case: str, name: EstimatorName, parameters: dict, request: pytest.FixtureRequest
) -> None:
    use_case = request.getfixturevalue(case)
    train, holdout = split_frames(use_case, penguin_rows() if case == "penguins" else house_rows())
    model = fit(use_case, Candidate(name, parameters), train)
    saved = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=saved)) <= set(TRUSTED_TYPES)
    rows = holdout.drop(columns=use_case.target.name)
    np.testing.assert_array_equal(skops.io.loads(saved, trusted=TRUSTED_TYPES).predict(rows), model.predict(rows))


def test_another_seed_gives_another_model(penguins: UseCase) -> None:
    train, holdout = split_frames(penguins, penguin_rows())
    other = penguins.model_copy(update={"training": penguins.training.model_copy(update={"seed": 1})})
    rows, candidate = holdout.drop(columns="species"), Candidate("random_forest", {"n_estimators": 12})
    probabilities = [fit(use_case, candidate, train).predict_proba(rows) for use_case in (penguins, other)]
    assert not np.array_equal(*probabilities)


@pytest.mark.parametrize(("name", "parameters"), CANDIDATES)
def test_constant_and_empty_columns_do_no_harm(house_prices: UseCase, name: EstimatorName, parameters: dict) -> None:
    train, holdout = split_frames(house_prices, house_rows())
    for frame in (train, holdout):
        frame["bed"] = 3.0
        frame["bath"] = np.nan
        frame["zip_code"] = pd.Series([None] * len(frame), dtype=object)
    model = fit(house_prices, Candidate(name, parameters), train)
    assert np.isfinite(model.predict(holdout.drop(columns="price"))).all()


def test_unseen_text_is_the_mean_and_missing_text_is_not(house_prices: UseCase) -> None:
    train, _ = split_frames(house_prices, house_rows())
    train.loc[train["city"].isna(), "price"] *= 3
    features = unwrap(fit(house_prices, Candidate("linear", {}), train))[:-1]
    row = train.drop(columns="price").head(1)
    encoded = {value: features.transform(row.assign(city=pd.Series([value], dtype=object))) for value in ("X", None)}
    [position] = np.flatnonzero(encoded["X"] != encoded[None])
    assert encoded["X"][0, position] == pytest.approx(np.log1p(train["price"]).mean(), rel=1e-6)
    assert encoded[None][0, position] > encoded["X"][0, position]
