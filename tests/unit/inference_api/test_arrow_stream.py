"""What a small stream may not make of the memory and the time of the service."""

import io
import struct
import tracemalloc
from typing import Any

import pyarrow as pa
import pytest

from inference_api import arrow_stream
from inference_api.arrow_messages import ArrowError, messages
from inference_api.arrow_stream import MOST_TEXT_BYTES, TooManyRows, read_stream

MEGABYTE = 1_000_000


def stream(*batches: pa.RecordBatch) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


def views(rows: int, buffer: bytes, *texts: tuple[int, int]) -> pa.Array:
    """Texts that are views into one buffer: (offset, length) of each, again and again where there are more rows."""
    found = [texts[row % len(texts)] for row in range(rows)]
    packed = b"".join(struct.pack("<i4sii", length, buffer[:4], 0, offset) for offset, length in found)
    return pa.Array.from_buffers(pa.string_view(), rows, [None, pa.py_buffer(packed), pa.py_buffer(buffer)])


def refusal(body: bytes, most: int = 100_000, names: tuple[str, ...] = ("a",)) -> str:
    """What is said of a stream, which takes no more memory than a few times its size to find out."""
    tracemalloc.start()
    with pytest.raises(ArrowError) as caught:
        read_stream(body, most, names)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * len(body) + 4 * MEGABYTE
    return str(caught.value)


def test_views_of_one_long_text_are_refused_before_any_is_made() -> None:
    column = views(1000, b"a" * MEGABYTE, (0, MEGABYTE))
    assert "a text of 1,000,000 bytes" in refusal(stream(pa.record_batch([column], ["a"])))


@pytest.mark.parametrize("form", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.large_string())])
def test_a_long_text_is_refused_in_any_form(form: pa.DataType) -> None:
    column = pa.array(["a", "b" * (MOST_TEXT_BYTES + 1)], pa.string())
    column = column.dictionary_encode().cast(form) if pa.types.is_dictionary(form) else column.cast(form)
    assert "a text of 400,001 bytes" in refusal(stream(pa.record_batch([column], ["a"])))


def test_overlapping_views_hold_no_more_than_a_few_times_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_stream, "_MORE_TEXT_BYTES", 0)
    column = views(2000, b"a" * 20_000, *((offset, 10_000) for offset in range(2000)))
    assert "overlap" in refusal(stream(pa.record_batch([column], ["a"])))


def test_a_view_that_many_rows_share_is_made_once() -> None:
    column = views(1000, b"a" * 10_000, (0, 10_000), (1, 9_000))
    [[*texts]] = read_stream(stream(pa.record_batch([column], ["a"])), 1000, ("a",))["a"]
    assert len({id(text) for text in texts}) == 2
    assert texts == column.to_pylist()


def test_what_a_missing_view_names_is_not_looked_at() -> None:
    packed = struct.pack("<i4sii", -5, b"", 7, -7) + struct.pack("<i4s8s", 4, b"here", b"")
    buffers = [pa.py_buffer(b"\x02"), pa.py_buffer(packed), pa.py_buffer(b"")]
    column = pa.Array.from_buffers(pa.string_view(), 2, buffers)
    assert read_stream(stream(pa.record_batch([column], ["a"])), 10, ("a",)) == {"a": [[None, "here"]]}


def test_buffers_that_overlap_are_refused() -> None:
    body = bytearray(stream(pa.record_batch([pa.array([b"a" * 1000]).cast(pa.string())] * 3, ["a", "b", "c"])))
    _, (_, header, _) = list(messages(body))[:2]
    start = body.index(bytes(header.Bytes)) + header.Vector(header.Offset(8))
    for column in range(3):
        # Each column's third buffer, its texts, becomes the whole of the batch.
        struct.pack_into("<qq", body, start + 16 * (3 * column + 2), 0, 3000)
    assert "larger than its batch" in refusal(bytes(body), names=("a", "b", "c"))


def test_thousands_of_columns_are_refused_unread() -> None:
    wide = pa.record_batch([pa.nulls(1)] * 5000, [f"c{number}" for number in range(5000)])
    assert "it has 5,000 columns" in refusal(stream(wide))
    some = pa.record_batch([pa.array(["x"])] * 100 + [pa.array([1])], [*(f"c{number}" for number in range(100)), "a"])
    found: dict[str, Any] = read_stream(stream(some), 10, ("a",))
    assert [part.tolist() for part in found["a"]] == [[1]]
    assert found["c7"] == []


@pytest.mark.parametrize(
    "column",
    [
        pa.nulls(2), pa.array([1, None]), pa.array([True, None]), pa.array([0, None], pa.date32()),
        pa.array(["a", None]), pa.array(["a"] * 2).cast(pa.large_string()),
        pa.array(["a" * 40, None], pa.string_view()),
        pa.array(["a", "b"]).dictionary_encode(),
    ],
)  # fmt: skip
def test_columns_that_no_model_takes_are_passed_over(column: pa.Array) -> None:
    body = stream(pa.record_batch([column, pa.array([3, 4]), column], ["x", "a", "y"]))
    found: dict[str, Any] = read_stream(body, 10, ("a",))
    assert (found["x"], found["a"][0].tolist(), found["y"]) == ([], [3, 4], [])


def test_a_long_name_of_a_column_is_refused() -> None:
    assert "1,024 bytes" in refusal(stream(pa.record_batch([pa.nulls(1)], ["a" * 2000])))


def test_many_batches_are_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = pa.record_batch([pa.nulls(0)] * 2, ["a", "b"])
    monkeypatch.setattr(arrow_stream, "MOST_PIECES", 20)
    assert read_stream(stream(*[empty] * 10), 10, ("a",))["a"] == [[]] * 10
    assert "too many batches; send fewer of more rows" in refusal(stream(*[empty] * 11))


def test_dictionaries_hold_no_more_values_than_the_columns_may() -> None:
    batches = [
        pa.record_batch([pa.array([f"{number}{i}" for i in range(5)]).dictionary_encode()], ["a"])
        for number in range(3)
    ]
    body = stream(*batches)
    assert read_stream(body, 15, ("a",))["a"] == [batch["a"].to_pylist() for batch in batches]
    with pytest.raises(ArrowError, match="dictionaries have more values"):
        read_stream(body, 14, ("a",))


def test_more_rows_than_allowed_are_refused_unread() -> None:
    with pytest.raises(TooManyRows):
        read_stream(stream(*[pa.record_batch([pa.nulls(5)], ["a"])] * 3), 14, ("a",))
