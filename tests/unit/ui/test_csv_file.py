"""How a CSV that a person dropped is understood."""

import codecs

import pytest

from pipeline.use_case import UseCase
from tests.browser.fake_inference_api import record_schema
from ui.csv_file import CsvFile, CsvProblem, open_csv, template
from ui.csv_numbers import decimal_comma_columns
from ui.csv_rows import RowReader, read_cell
from ui.forms import FieldProblem
from ui.i18n import Translator
from ui.schema import FormField, fields_from_schema

HEADER = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex"
ROW = "Biscoe,46.5,14,217,5200,"


@pytest.fixture
def fields(penguins: UseCase) -> list[FormField]:
    return fields_from_schema(record_schema(penguins))


def problem_of(text: str | bytes, fields: list[FormField]) -> CsvProblem:
    with pytest.raises(CsvProblem) as caught:
        open_csv("penguins.csv", text.encode() if isinstance(text, str) else text, fields)
    return caught.value


def opened(text: str, fields: list[FormField]) -> CsvFile:
    return open_csv("penguins.csv", text.encode(), fields)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_separator_is_found(fields: list[FormField], delimiter: str) -> None:
    file = opened(f"{HEADER}\n{ROW}\n".replace(",", delimiter), fields)
    assert file.delimiter == delimiter
    assert [cells for _, cells, _ in file.rows()] == [ROW.split(",")]


def test_a_mark_of_utf_8_at_the_beginning_is_no_part_of_a_name(fields: list[FormField]) -> None:
    file = open_csv("a.csv", codecs.BOM_UTF8 + f"{HEADER}\n{ROW}".encode(), fields)
    assert file.has_bom
    assert file.places["island"] == 0


def test_other_columns_pass_and_optional_ones_may_be_left_out(fields: list[FormField]) -> None:
    file = opened("id,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g\n7,Dream,1,1,1,1", fields)
    assert file.extra == ("id",)
    assert file.left_out == ("sex",)


def test_wrong_names_are_answered_with_the_right_ones(fields: list[FormField]) -> None:
    problem = problem_of("Island,Bill length (mm),bill_dept_mm,sex\nDream,1,1,\n", fields)
    assert problem.code == "columns"
    assert problem.values["missing"] == ["island"]
    assert problem.values["hints"] == {
        "island": "Island",
        "bill_length_mm": "Bill length (mm)",
        "bill_depth_mm": "bill_dept_mm",
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        (f"{HEADER}\nTorgersen,ñandú".encode("latin-1"), "encoding"),
        (f"{HEADER}\n{ROW}".encode("utf-16"), "encoding"),
        (b"\x00\x01", "encoding"),
        ("Biscoe,46.5,14,217,5200,male\nDream,1,1,1,1,\n", "no_header"),
        (f"{HEADER}\n", "no_rows"),
        (f"{HEADER}\n\n,,,,,\n", "no_rows"),
        (f"{HEADER},island\n{ROW},Dream\n", "duplicate"),
        ("bill_length_mm,sex\n1,\n", "columns"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_problem(fields: list[FormField], text: str | bytes, code: str) -> None:
    assert problem_of(text, fields).code == code


def test_a_file_too_large_is_refused_by_its_size(fields: list[FormField], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.csv_file.MOST_MEGABYTES", 0)
    assert problem_of(f"{HEADER}\n{ROW}", fields).code == "too_large"


def test_a_quotation_mark_never_closed_names_its_row(fields: list[FormField]) -> None:
    file = opened(f'{HEADER}\n{ROW}\n"Dream{"x" * 200_000}', fields)
    with pytest.raises(CsvProblem) as caught:
        list(file.rows())
    assert caught.value.code == "broken"
    assert caught.value.values == {"row": 3}


def test_the_template_can_be_read_back(fields: list[FormField]) -> None:
    file = open_csv("t.csv", template(fields, {"island": "Dream", "bill_length_mm": 40.1, "sex": None}), fields)
    assert file.left_out == ()
    (row,) = RowReader(file, fields, Translator("en"))
    assert row.values[:2] == ("Dream", 40.1)
    assert row.problems == ()


def test_every_bad_cell_is_reported_with_row_column_and_what_is_allowed(fields: list[FormField]) -> None:
    file = opened(f"{HEADER}\n{ROW}\n\nMars,abc,99,,1e9,male\nDream,1\n", fields)
    good, bad, short = RowReader(file, fields, Translator("en"))
    assert good.number == 2
    assert [(p.row, p.column) for p in bad.problems] == [
        (4, "island"),
        (4, "bill_length_mm"),
        (4, "bill_depth_mm"),
        (4, "body_mass_g"),
    ]
    assert bad.problems[1].reason == "Bill length: abc is not a number. Allowed: a number from 20 to 80 mm."
    assert short.problems[0].reason == "The row has 2 cells, the header has 6."


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (FormField("n", "integer"), " 7.0 ", 7),
        (FormField("n", "number"), "1e2", 100.0),
        (FormField("n", "number", required=False), "NA", None),
        (FormField("c", "category", categories={"NA": "North America"}), "NA", "NA"),
        (FormField("d", "date"), "2020-02-29", "2020-02-29"),
        (FormField("t", "text"), " Ponce ", "Ponce"),
    ],
)
def test_a_cell_becomes_the_value_that_the_api_takes(field: FormField, text: str, value: object) -> None:
    assert read_cell(field, text) == value


@pytest.mark.parametrize(
    ("field", "text", "code"),
    [
        (FormField("n", "integer"), "7.5", "whole"),
        (FormField("n", "number"), "46,5", "number"),
        (FormField("n", "number"), "1_000", "number"),
        (FormField("n", "number"), "inf", "number"),
        (FormField("n", "number"), "", "required"),
        (FormField("d", "date"), "29.02.2020", "date"),
        (FormField("d", "date"), "2021-02-29", "date"),
        (FormField("t", "text"), "x" * 300, "long"),
    ],
)
def test_a_cell_that_breaks_its_rule_says_which(field: FormField, text: str, code: str) -> None:
    problem = read_cell(field, text)
    assert isinstance(problem, FieldProblem)
    assert problem.code == code


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (["Biscoe;46,5;14;217;5200;male", "Biscoe;46;-1,25;NA;5200;male"], {"bill_length_mm", "bill_depth_mm"}),
        # One point, or one that is no number, and it is not sure what a comma is.
        (["Biscoe;46,5;14;217;5200;male", "Biscoe;46.5;14;217;5200;male"], set()),
        (["Biscoe;46,5;14;217;5200;male", "Biscoe;1,000,5;14;217;5200;male"], set()),
        # 5200 or 5.2?
        (["Biscoe;46;14;217;5,200;male"], set()),
        (["Biscoe;46;14;217;5,200;male", "Biscoe;46;14;217;5,25;male"], {"body_mass_g"}),
        (["Bis,1,1;46;14;217;5200;male"], set()),
    ],
)
def test_a_comma_before_decimals_is_told_from_any_other(
    fields: list[FormField], rows: list[str], found: set[str]
) -> None:
    file = opened("\n".join([HEADER.replace(",", ";"), *rows]), fields)
    assert decimal_comma_columns(file, fields) == found


def test_a_comma_before_decimals_is_found_between_quotation_marks(fields: list[FormField]) -> None:
    assert decimal_comma_columns(opened(f'{HEADER}\nBiscoe,"46,5",14,217,5200,', fields), fields) == {"bill_length_mm"}
    assert decimal_comma_columns(opened(f"{HEADER}\n{ROW}", fields), fields) == set()
