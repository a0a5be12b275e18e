"""Names of archived deliveries, and the epochs that they tell."""

import pytest

from pipeline.archive import epoch_of
from pipeline.errors import LakeError


def key(epoch: int, batch: int) -> str:
    return f"raw/covertype/group=1/epoch={epoch}/batch={batch:02d}/abc.json"


@pytest.mark.parametrize(
    ("known", "batch_number", "epoch"),
    [
        ([], 1, 0),
        ([], 7, 0),
        ([(0, 3)], 3, 0),
        ([(0, 3)], 4, 0),
        ([(0, 3)], 2, 1),
        ([(0, 9), (0, 10)], 1, 1),
        ([(0, 10), (1, 2)], 3, 1),
        ([(0, 10), (1, 2)], 1, 2),
        ([(9, 10), (10, 1)], 2, 10),
        ([(0, 99), (0, 100)], 99, 1),
    ],
)
def test_a_smaller_batch_number_begins_an_epoch(known: list[tuple[int, int]], batch_number: int, epoch: int) -> None:
    assert epoch_of(batch_number, [key(*place) for place in known]) == epoch


def test_a_stray_file_among_the_payloads_is_named() -> None:
    with pytest.raises(LakeError, match=r"readme\.txt in the lake is not the name of a raw payload"):
        epoch_of(1, ["raw/covertype/group=1/notes/x/readme.txt"])
