"""The state file: it survives a restart, refuses what is damaged, and loses no batch when it cannot be written."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from external_data_api.state import Cursor, State
from pipeline.errors import ConfigurationError, SourceExhausted


def test_first_call_hands_out_batch_one_at_once() -> None:
    assert Cursor().advance(now=0.0, interval=300, batch_count=10).batch_number == 1


def test_batch_advances_only_after_the_interval() -> None:
    first = Cursor().advance(now=1000.0, interval=300, batch_count=10)
    again = first.advance(now=1299.9, interval=300, batch_count=10)
    later = again.advance(now=1300.0, interval=300, batch_count=10)
    assert [first.batch_number, again.batch_number, later.batch_number] == [1, 1, 2]
    assert [first.calls, again.calls, later.calls] == [1, 2, 3]


def test_window_starts_at_the_advance_not_at_the_last_call() -> None:
    cursor = Cursor().advance(now=0.0, interval=300, batch_count=10)
    for now in (100.0, 200.0, 299.0):
        cursor = cursor.advance(now=now, interval=300, batch_count=10)
    assert cursor.advance(now=301.0, interval=300, batch_count=10).batch_number == 2


def test_long_silence_advances_by_one_batch_only() -> None:
    cursor = Cursor().advance(now=0.0, interval=300, batch_count=10)
    assert cursor.advance(now=86_400.0, interval=300, batch_count=10).batch_number == 2


def test_last_batch_is_handed_out_once_even_inside_its_window() -> None:
    cursor = Cursor(batch_number=10, advanced_at=0.0, calls=10)
    with pytest.raises(SourceExhausted):
        cursor.advance(now=1.0, interval=300, batch_count=10)


def test_state_survives_a_restart_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    State(path).advance("covertype", 6, 1000.0, 300, 10)
    again = State(path)
    assert again.cursors("covertype") == {6: Cursor(batch_number=1, advanced_at=1000.0, calls=1)}
    assert again.advance("covertype", 6, 1100.0, 300, 10).batch_number == 1
    assert again.advance("covertype", 6, 1400.0, 300, 10).batch_number == 2


def test_restart_begins_anew_but_goes_on_counting_calls(tmp_path: Path) -> None:
    state = State(tmp_path / "state.json")
    state.advance("covertype", 1, 0.0, 300, 10)
    state.restart("covertype", 1)
    assert state.advance("covertype", 1, 1.0, 300, 10) == Cursor(batch_number=1, advanced_at=1.0, calls=2)


def test_concurrent_calls_hand_out_each_batch_once(tmp_path: Path) -> None:
    state = State(tmp_path / "state.json")

    def call(_: int) -> int:
        return state.advance("covertype", 1, 0.0, 0, 40).batch_number

    with ThreadPoolExecutor(16) as pool:
        numbers = list(pool.map(call, range(40)))
    assert sorted(numbers) == list(range(1, 41))
    assert State(tmp_path / "state.json").cursors("covertype")[1].batch_number == 40


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"format": 1, "cursors": {"covertype": {"1": {"batch',
        "[]",
        '{"format": 2, "cursors": {}}',
        json.dumps({"format": 1, "cursors": {"covertype": {"1": {"batch_number": -3}}}}),
        json.dumps({"format": 1, "cursors": {"covertype": {"1": {"batch_number": "three"}}}}),
        json.dumps({"format": 1, "cursors": {"covertype": {"one": {"batch_number": 3}}}}),
    ],
)
def test_damaged_state_file_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"state\.json is damaged .* delete it to start every group again"):
        State(path)
    assert path.read_text() == content


def test_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match=r"state file .*file"):
        State(tmp_path / "file" / "state.json")


def test_failed_write_does_not_use_up_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(tmp_path / "state.json")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            state.advance("covertype", 1, 0.0, 300, 10)
    assert state.advance("covertype", 1, 0.0, 300, 10) == Cursor(batch_number=1, advanced_at=0.0, calls=1)
