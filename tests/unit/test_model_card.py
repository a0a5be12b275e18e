from datetime import UTC, datetime

import numpy as np

from pipeline.bundle import BundleColumn
from pipeline.column_statistics import column_statistics
from pipeline.dataset import Snapshot, model_columns
from pipeline.decision_card import with_decision
from pipeline.evaluation import evaluate
from pipeline.export import ParityReport
from pipeline.gate import Evidence, decide_promotion
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
    columns = [
        BundleColumn(**column.model_dump(), statistics=column_statistics(train[column.name], column.is_numeric))
        for column in penguins.features
    ]
    card = write_model_card(
        penguins, snapshot, evaluation, {"sex": 0.1}, parity, {"estimator": "linear"}, "abc123", columns
    )
    assert "| batches (group/epoch/batch) | 1/0/01, 1/0/02 |" in card
    assert "| accuracy | 1 | 1 to 1 |" in card
    assert "Adelie: Adélie penguin" in card
    assert "FAILED, this version must not be promoted: 9 of" in card
    assert "abc123" in card
    assert "| body_mass_g | number | g | 1500 to 9000 |" in card
    assert "| island | category |  | 3 categories | " in card
    assert "It learned nothing from" not in card
    constant = [column_statistics(train[c.name].iloc[:1], c.is_numeric) for c in columns]
    known = [c.model_copy(update={"statistics": found}) for c, found in zip(columns, constant, strict=True)]
    card = write_model_card(penguins, snapshot, evaluation, {}, parity, {}, "abc123", known)
    assert "It learned nothing from island, bill_length_mm" in card


def test_the_decision_is_the_last_section_and_is_replaced(covertype: UseCase) -> None:
    truth = np.resize(np.array(["1", "2"], dtype=object), 400)
    champion = np.where(np.arange(400) % 5 == 0, "3", truth)
    evidence = Evidence(
        truth=truth, challenger=truth, baseline=champion, champion=champion, champion_version=1, model_megabytes=9.5
    )
    decision = decide_promotion(covertype, evidence)
    card = with_decision("# Cover\n\n## Limits\n\n- none\n", decision, "reject", "it was | not compared")
    assert "Rejected: the champion stayed." in card
    assert "Compared with the champion version 1 on 400 held-out rows: accuracy improves by +0.2 (90% interval" in card
    assert "| **failed** | parity |  | 0.001 | the exported model was not compared with scikit-learn |" in card
    assert "| passed | model_size | 9.5 | 200 | the exported model takes 9.5 MB (limit 200 MB) |" in card
    assert "| 1 | recall | 200 | 1 | 0.8 |" in card
    again = with_decision(card, decision, "promote", "changed")
    assert (again.count("## Decision"), again.count("## Limits")) == (1, 1)
    assert "Promoted: it became the champion." in again


def test_each_task_has_its_plots(penguins: UseCase, house_prices: UseCase) -> None:
    train, holdout = split_frames(penguins, penguin_rows())
    truth = holdout["species"].to_numpy()
    drawn = draw_plots(penguins, evaluate(penguins, train, holdout, truth), {"sex": 0.1}, truth, truth)
    assert set(drawn) == {"feature_importances.png", "confusion_matrix.png"}
    train, holdout = split_frames(house_prices, house_rows())
    prices = holdout["price"].to_numpy()
    drawn = draw_plots(house_prices, evaluate(house_prices, train, holdout, prices), {"bed": 0.1}, prices, prices)
    assert set(drawn) == {"feature_importances.png", "residuals.png"}
