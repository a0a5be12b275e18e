"""The Data page."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.browser.fake_inference_api import FakeInferenceApi
from ui.batches import tiles
from ui.bin_labels import bin_words
from ui.distributions import summary
from ui.i18n import Translator
from ui.operations import forget_operations
from ui.operations_answers import Collection, Distribution, Quarantine
from ui.quarantine import reasons_table

OpenApp = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def _no_answers_of_the_test_before() -> None:
    forget_operations()


def texts(app: AppTest) -> str:
    """All that the page says."""
    kinds = ("markdown", "caption", "info", "success", "warning", "error", "html")
    return "\n".join(str(getattr(element, "value", element)) for kind in kinds for element in app.get(kind))


def strip(app: AppTest) -> str:
    """The strip of batches, as HTML."""
    return str(app.get("html")[0].proto.body)


def test_batches_that_arrived_the_next_one_and_those_to_come(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.operations.batches = 4
    app = open_app("data")
    assert [metric.value for metric in app.metric[:3]] == ["4 / 10", "2,314", "2"]
    html = strip(app)
    assert html.count('class="arrived"') == 3
    assert html.count('class="newest"') == 1
    assert html.count('class="next"') == 1
    assert html.count('class="later"') == 5
    assert "8 duplicate" in html
    assert "2 in quarantine" in html
    table = app.table[0].value
    assert table["Batch"].tolist() == ["4", "3", "2", "1"]
    assert table["Delivered"].tolist() == ["581"] * 4
    assert table["Accepted"].tolist() == ["581", "571", "581", "581"]


def test_the_countdown_to_the_next_poll(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.operations.polled_seconds_ago = 45
    said = texts(open_app("data"))
    assert "a delivery came" in said
    assert "Next poll in **4:1" in said


def test_a_poll_that_is_due_says_so_and_one_that_does_not_come_names_the_dag(
    fake_api: FakeInferenceApi, open_app: OpenApp
) -> None:
    fake_api.operations.polled_seconds_ago = 310
    assert "The next poll is due now" in texts(open_app("data"))
    fake_api.operations.polled_seconds_ago = 5000
    forget_operations()
    said = texts(open_app("data"))
    assert "has been due since" in said
    assert "collect_covertype" in said


def test_an_exhausted_source_is_said_and_nothing_more_is_expected(
    fake_api: FakeInferenceApi, open_app: OpenApp
) -> None:
    fake_api.operations.batches, fake_api.operations.exhausted = 3, True
    app = open_app("data")
    assert "The source is exhausted" in app.success[0].value
    assert app.metric[0].value == "3 / 3"
    assert 'class="next"' not in strip(app)


def test_nobody_is_told_to_look_for_a_poll_of_an_exhausted_source(
    fake_api: FakeInferenceApi, open_app: OpenApp
) -> None:
    fake_api.operations.exhausted, fake_api.operations.polled_seconds_ago = True, 5000
    assert "has been due since" not in texts(open_app("data"))


def test_before_the_first_batch_the_page_says_what_will_appear(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.operations.batches, fake_api.operations.polled_seconds_ago = 0, None
    app = open_app("data")
    said = texts(app)
    assert "No batch has arrived yet" in said
    assert "The source has not been asked yet" in said
    assert "Empty: every delivered row followed the rules" in said
    assert "Appears with the first stored rows" in said
    assert not app.table


def test_a_poll_that_failed_says_why_and_where_to_look(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.operations.failed = "HTTP 500 from the source"
    warning = open_app("data").warning[0].value
    assert "HTTP 500 from the source" in warning
    assert "collect_covertype" in warning


def test_refused_rows_with_field_value_and_reason(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.operations.batches = 3
    app = open_app("data")
    table = app.dataframe[0].value
    # The row of the delivery counts from 0, people from 1.
    assert table["Row"].tolist() == [18, 18, 41]
    assert table["Field"].tolist() == ["Elevation", "Aspect", "Elevation"]
    assert table["Value"].tolist() == ["-3", "north", "-3"]
    assert table["Reason"].tolist()[1] == "'north' is not an integer"
    assert app.table[1].value["Rows"].tolist() == [2, 1]
    assert "use_cases/covertype.yaml" in texts(app)


def test_a_row_that_is_no_list_of_values_is_shown_whole() -> None:
    quarantine = Quarantine.model_validate(
        {
            "rows": [{"batch_number": 1, "row_index": 0, "row": "x", "reasons": [{"field": "(row)", "reason": "no"}]}],
            "total": 1,
            "columns": ["Elevation"],
        }
    )
    line = reasons_table(quarantine, Translator("es")).iloc[0]
    assert line["Campo"] == "toda la fila"
    assert line["Valor"] == "x"


def test_the_target_and_some_features_first_and_others_on_request(
    fake_api: FakeInferenceApi, open_app: OpenApp
) -> None:
    fake_api.operations.batches = 2
    app = open_app("data")
    chosen = app.multiselect(key="columns_covertype")
    assert chosen.value == ["Cover_Type", "Elevation", "Aspect", "Slope"]
    assert len(app.get("vega_lite_chart")) == 4
    chosen.set_value(["Soil_Type"]).run()
    assert len(app.get("vega_lite_chart")) == 1
    assert "**Soil Type**" in texts(app)
    app.multiselect(key="columns_covertype").set_value([]).run()
    assert "Choose a column" in texts(app)


def test_a_summary_names_limits_median_and_missing_values() -> None:
    column = Distribution(name="price", minimum=1.5, maximum=1_250_000, median=325_000, missing_share=0.025)
    assert summary(column, Translator("en")) == "from 1.5 to 1,250,000, median 325,000 · 2.5 % missing"


def test_another_use_case_shows_its_own_data(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.operations.batches = 2
    app = open_app("data")
    app.selectbox(key="use_case").set_value("penguins").run()
    assert app.multiselect(key="columns_penguins").value[0] == "species"


def test_the_strip_shows_the_batches_since_the_source_last_started(
    fake_api: FakeInferenceApi, open_app: OpenApp
) -> None:
    fake_api.operations.epochs = 2
    app = open_app("data")
    assert "started again once" in texts(app)
    assert strip(app).count("accepted</span>") == 4
    assert app.table[0].value["Start of the source"].tolist() == ["2"] * 4 + ["1"] * 4


def test_a_batch_that_was_passed_over_is_not_to_come() -> None:
    line = {"epoch": 0, "delivered": 5, "accepted": 5}
    collection = Collection.model_validate(
        {"use_case": "x", "title": "X", "batches": [{**line, "batch_number": 1}, {**line, "batch_number": 3}]}
    )
    assert [tile.state for tile in tiles(collection)][:5] == ["arrived", "missed", "newest", "next", "later"]


def test_a_warehouse_that_is_down_is_one_message_with_what_to_do(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.operations.fault = (503, "the warehouse does not answer: connection refused")
    app = open_app("data")
    assert len(app.warning) == 1
    assert "Predictions go on without it" in app.warning[0].value
    assert "connection refused" in app.warning[0].value
    assert not app.exception
    fake_api.operations.fault = None
    app.button(key="retry_page").click().run()
    assert app.metric[0].value == "4 / 10"


def test_a_part_that_fails_leaves_the_others(
    fake_api: FakeInferenceApi, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = fake_api.operations.answer
    monkeypatch.setattr(
        fake_api.operations,
        "answer",
        lambda path: (500, {"detail": "boom"}) if path.endswith("distributions") else answer(path),
    )
    app = open_app("data")
    assert app.error[0].value.startswith("The inference API failed")
    assert len(app.dataframe) == 1
    assert app.button(key="retry_distributions")


def test_an_api_that_is_down_is_one_message(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = open_app("data")
    fake_api.fault = (500, "boom")
    forget_operations()
    app.run()
    assert len(app.error) == 1
    assert not app.exception


def test_data_in_spanish(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.operations.batches = 3
    app = open_app("data", language="es")
    assert app.title[0].value == "Datos"
    assert "2 en cuarentena" in strip(app)
    assert "el próximo" in strip(app)
    assert app.table[1].value["Filas"].tolist() == [2, 1]


@pytest.mark.usefixtures("fake_api")
def test_a_part_that_fails_is_a_message_and_leaves_the_rest(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ui.batches.strip_html", fail)
    app = open_app("data", "es")
    assert not app.exception
    assert "Esta página encontró un error propio" in "".join(error.value for error in app.error)
    assert "Cuarentena" in [header.value for header in app.header]
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("label", "english", "spanish"),
    [
        ("1967 to 2055", "1967 – 2055", "1967 – 2055"),
        ("-1.5e+03 to 0", "-1.5e+03 – 0", "-1.5e+03 – 0"),
        ("other", "other", "otros"),
        ("road to nowhere", "road to nowhere", "road to nowhere"),
    ],
)
def test_bins_are_named_in_the_language_of_the_reader(label: str, english: str, spanish: str) -> None:
    assert bin_words(label, Translator("en")) == english
    assert bin_words(label, Translator("es")) == spanish
