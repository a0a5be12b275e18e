"""CSV files: columns by name, values as written, and clear words about what is wrong."""

from pathlib import Path

import pytest

from external_data_api.csv_file import read_rows
from pipeline.errors import ConfigurationError


def read(path: Path) -> list[list[str]]:
    return list(read_rows(path, ["a", "b"], "DEMO_CSV"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "demo.csv"


def test_columns_are_taken_by_name_and_others_ignored(path: Path) -> None:
    path.write_text("b,extra,a\n1,x,2\n3,y,4\n")
    assert read(path) == [["2", "1"], ["4", "3"]]


def test_values_stay_the_strings_of_the_file(path: Path) -> None:
    path.write_text('a,b\n007,1.50\nNA," spaced, ""quoted"" ñ"\n,\n', encoding="utf-8")
    assert read(path) == [["007", "1.50"], ["NA", ' spaced, "quoted" ñ'], ["", ""]]


def test_byte_order_mark_windows_lines_and_blank_lines_are_harmless(path: Path) -> None:
    path.write_bytes("\ufeffa,b\r\n1,2\r\n\r\n3,4\r\n".encode())
    assert read(path) == [["1", "2"], ["3", "4"]]


def test_ragged_lines_are_delivered_as_they_are_and_counted(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text("a,b\n1,2\n3\n4,5,6\n")
    assert read(path) == [["1", "2"], ["3"], ["4", "5", "6"]]
    assert "2 line(s) have more or fewer values" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"DEMO_CSV=.*demo\.csv: the file is empty; its first line must name a, b"),
        (b"a,b\n", r"demo\.csv: the file has a header and no rows"),
        (b"a,c\n1,2\n", r"demo\.csv: the first line does not name the column\(s\) b; it holds a, c"),
        (b"a;b\n1;2\n", r"does not name the column\(s\) a, b; it holds a;b"),
        (b"a,b,a\n1,2,3\n", r"names the column\(s\) a more than once"),
        (b"a,b\n\xff\xfe,1\n", r"demo\.csv: not UTF-8 text"),
    ],
)
def test_wrong_file_is_named_with_its_mistake(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        read(path)


def test_missing_file_names_the_setting(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"DEMO_CSV=.*demo\.csv: there is no such file"):
        read(path)


def test_folder_instead_of_a_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"DEMO_CSV=.*cannot read it"):
        read(tmp_path)
