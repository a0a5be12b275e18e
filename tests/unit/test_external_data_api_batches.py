"""Batches cover every row once; samples have the size asked for and can be repeated."""

import pytest

from external_data_api.batches import batch_range, draw, sample_size


@pytest.mark.parametrize(("rows", "batches"), [(58_100, 10), (344, 10), (10, 10), (19, 10), (7, 1), (581_012, 10)])
def test_batches_hold_every_row_exactly_once(rows: int, batches: int) -> None:
    positions = [position for number in range(1, batches + 1) for position in batch_range(rows, batches, number)]
    assert positions == list(range(rows))


def test_last_batch_takes_the_remainder() -> None:
    assert [len(batch_range(344, 10, number)) for number in range(1, 11)] == [34] * 9 + [38]


@pytest.mark.parametrize(
    ("rows", "share", "expected"),
    [(5810, 0.1, 581), (58_101, 0.1, 5811), (30, 0.1, 3), (34, 0.1, 4), (3, 0.1, 1), (1, 0.001, 1), (34, 1.0, 34)],
)
def test_sample_is_the_share_rounded_up(rows: int, share: float, expected: int) -> None:
    assert sample_size(rows, share) == expected


def test_draw_stays_in_the_batch_and_repeats_no_row() -> None:
    drawn = draw(range(100, 200), 0.3, "seed")
    assert len(drawn) == len(set(drawn)) == 30
    assert set(drawn) <= set(range(100, 200))


def test_draw_repeats_for_a_seed_and_differs_between_seeds() -> None:
    assert draw(range(1000), 0.1, "a") == draw(range(1000), 0.1, "a")
    assert draw(range(1000), 0.1, "a") != draw(range(1000), 0.1, "b")
