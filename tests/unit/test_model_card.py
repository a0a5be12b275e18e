from datetime import UTC, datetime

from pipeline.dataset import Snapshot, model_columns
from pipeline.evaluation import evaluate
from pipeline.export import ParityReport
from pipeline.model_card import write_model_card
from pipeline.plots import draw_plots
from pipeline.use_case import UseCase
from tests.synthetic_rows import house_rows, penguin_rows, split_frames


def test_card_says_data_scores_and_parity(penguins: UseCase) -> None:
    train, holdout = split_frames(penguins, penguin_rows())
    evaluation = evaluate(penguins, train, holdout, holdout["species"].to_numpy())
    snapshot = Snapshot(
        use_case="penguins",
        digest="d" * 64,
        uri="file:///lake/snapshots/penguins/d.parquet",
        rows=240,
        train_rows=len(train),
        holdout_rows=len(holdout),
        batch_ids=["1/0/01", "1/0/02"],
        created_at=datetime(2026, 11, 1, tzinfo=UTC),
        columns=model_columns(penguins),
        target="species",
        holdout_share=0.25,
    )
    parity = ParityReport(rows=len(holdout), label_flips=9, max_difference=0.4)
    card = write_model_card(penguins, snapshot, evaluation, {"sex": 0.1}, parity, {"estimator": "linear"}, "abc123")
    assert "| batches (group/epoch/batch) | 1/0/01, 1/0/02 |" in card
    assert "| accuracy | 1 | 1 to 1 |" in card
    assert "Adelie: Adélie penguin" in card
    assert "FAILED, this version must not be promoted: 9 of" in card
    assert "abc123" in card


def test_each_task_has_its_plots(penguins: UseCase, house_prices: UseCase) -> None:
    train, holdout = split_frames(penguins, penguin_rows())
    truth = holdout["species"].to_numpy()
    drawn = draw_plots(penguins, evaluate(penguins, train, holdout, truth), {"sex": 0.1}, truth, truth)
    assert set(drawn) == {"feature_importances.png", "confusion_matrix.png"}
    train, holdout = split_frames(house_prices, house_rows())
    prices = holdout["price"].to_numpy()
    drawn = draw_plots(house_prices, evaluate(house_prices, train, holdout, prices), {"bed": 0.1}, prices, prices)
    assert set(drawn) == {"feature_importances.png", "residuals.png"}
