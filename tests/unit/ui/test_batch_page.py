"""The Batch page, as a person uses it."""

import csv
import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pipeline.settings import load_settings
from tests.browser.fake_inference_api import EXAMPLES, REFUSED_TEXT, FakeInferenceApi
from ui import batch_job

OpenApp = Callable[..., AppTest]
HEADER = "id,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex"
DEADLINE_SECONDS = 20


def penguins_file(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def open_batch(open_app: OpenApp, model: str, text: str | bytes, language: str = "en") -> AppTest:
    app = open_app("batch", language)
    app.selectbox(key="model").set_value(model).run()
    content = text.encode() if isinstance(text, str) else text
    app.file_uploader(key="batch_file").set_value(("cases.csv", content, "text/csv")).run()
    return finished(app, "check")


def finished(app: AppTest, job: str) -> AppTest:
    """Run the page again, as it does by itself, until a job has ended."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        batch = app.session_state["batch"] if "batch" in app.session_state else None  # noqa: SIM401 - it has no get
        running = getattr(batch, job, None) if batch else None
        if running is None or running.done:
            return app.run()
        app.run()
    raise AssertionError(f"the {job} did not end")


def predict_file(app: AppTest) -> list[dict[str, str]]:
    app.button(key="predict_file").click().run()
    finished(app, "predict")
    text = app.session_state["batch"].predict.result().decode()
    return list(csv.DictReader(io.StringIO(text)))


def said(elements: Any) -> str:
    return "\n".join(element.value.replace("\\", "") for element in elements)


def test_every_row_of_the_file_gets_its_answer_in_order(
    fake_api: FakeInferenceApi, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_job, "ROWS_PER_REQUEST", 2)
    rows = [f"{number},Biscoe,4{number},14,217,5200,male" for number in range(5)]
    app = open_batch(open_app, "penguins", penguins_file(*rows))
    assert "All 5 rows can be predicted" in said(app.success)
    assert "passed through: id" in said(app.caption)
    answers = predict_file(app)
    assert not app.exception
    assert "5 rows predicted by version 2" in said(app.success)
    assert [answer["id"] for answer in answers] == ["0", "1", "2", "3", "4"]
    assert [answer["probability_Gentoo"] for answer in answers] == ["0.5", "0.9", "0.5", "0.9", "0.5"]
    assert {answer["label"] for answer in answers} == {"Gentoo penguin"}
    assert [len(sent["island"]) for sent in fake_api.received_columns] == [2, 2, 1]
    assert fake_api.received_columns[0] == {
        "island": ["Biscoe", "Biscoe"],
        "bill_length_mm": [40.0, 41.0],
        "bill_depth_mm": [14.0, 14.0],
        "flipper_length_mm": [217.0, 217.0],
        "body_mass_g": [5200.0, 5200.0],
        "sex": ["male", "male"],
    }


def test_invalid_rows_are_explained_and_do_not_stop_the_others(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    text = penguins_file("a,Biscoe,46,14,217,5200,male", "b,Mars,99,14,217,5200,", "c,Dream,,,,,", "d,Dream")
    app = open_batch(open_app, "penguins", text, language="es")
    assert "2 de 4 filas se pueden predecir; 2 no" in said(app.warning)
    table = app.dataframe[0].value
    assert table.iloc[:, 0].tolist() == [3, 3, 5]
    assert table.iloc[:, 1].tolist() == ["island", "bill_length_mm", ""]
    assert "Se admite un número entre 20 y 80 mm." in str(table.iloc[1, 2])
    answers = predict_file(app)
    assert [answer["prediction"] for answer in answers] == ["Gentoo", "", "Gentoo", ""]
    assert "Mars no está en la lista" in answers[1]["problem"]
    assert answers[0]["problem"] == ""
    assert fake_api.received_columns[0]["island"] == ["Biscoe", "Dream"]


def test_what_only_the_api_refuses_is_reported_and_the_rest_predicted(
    fake_api: FakeInferenceApi, open_app: OpenApp
) -> None:
    app = open_batch(open_app, "house_prices", f"status,city\nsold,Ponce\nsold,{REFUSED_TEXT}\nsold,Adjuntas\n")
    answers = predict_file(app)
    assert [answer["prediction"] for answer in answers] == ["152300.5", "", "152301.5"]
    assert answers[1]["problem"] == "city must be another text"
    assert fake_api.received_columns[0]["city"] == ["Ponce", "Adjuntas"]
    assert "city must be another text" in app.dataframe[-1].value.iloc[0].tolist()
    assert [metric.value for metric in app.metric] == ["152,300.50 USD", "152,301.00 USD", "152,301.50 USD"]


@pytest.mark.usefixtures("fake_api")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The file is empty"),
        ("1,2,3\n", "The first row names no column of this model"),
        ("island;Bill length\nñ;1\n".encode("latin-1"), "The file is not text in UTF-8"),
        (HEADER, "has a header and no rows"),
        ("Island,sex\nDream,male\n", "rename `Island` to `island`"),
        (f'{HEADER}\n1,"Dream{"x" * 200_000}', "Row 2 cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_clear_message(open_app: OpenApp, text: str | bytes, message: str) -> None:
    app = open_batch(open_app, "penguins", text)
    assert len(app.error) == 1
    assert message in said(app.error)
    assert not app.exception


def test_an_api_that_fails_half_way_says_so_and_keeps_what_was_predicted(
    fake_api: FakeInferenceApi, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_job, "ROWS_PER_REQUEST", 1)
    answer = fake_api.answer

    def failing(method: str, path: str, *sent: Any) -> tuple[int, Any]:
        if fake_api.received_columns and method == "POST":
            return 500, {"detail": "the disk is full"}
        return answer(method, path, *sent)

    app = open_batch(open_app, "penguins", penguins_file(*["a,Biscoe,46,14,217,5200,male"] * 3))
    monkeypatch.setattr(fake_api, "answer", failing)
    answers = predict_file(app)
    assert "the disk is full" in said(app.error)
    assert "stopped after 1 rows" in said(app.warning)
    assert [answer["prediction"] for answer in answers] == ["Gentoo"]
    monkeypatch.setattr(fake_api, "answer", answer)
    app.button(key="predict_again").click().run()
    finished(app, "predict")
    assert "3 rows predicted" in said(app.success)


def test_a_busy_api_is_asked_again(
    fake_api: FakeInferenceApi, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_job, "PAUSE_SECONDS", 0.01)
    answer, refusals = fake_api.answer, [429, 429]

    def busy(method: str, path: str, *sent: Any) -> tuple[int, Any]:
        if method == "POST" and refusals:
            return refusals.pop(), {"detail": "the service is saturated"}
        return answer(method, path, *sent)

    monkeypatch.setattr(fake_api, "answer", busy)
    app = open_batch(open_app, "penguins", penguins_file("a,Biscoe,46,14,217,5200,male"))
    assert predict_file(app)[0]["prediction"] == "Gentoo"


def test_a_long_job_can_be_cancelled(
    fake_api: FakeInferenceApi, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_job, "ROWS_PER_REQUEST", 1)
    app = open_batch(open_app, "penguins", penguins_file(*["a,Biscoe,46,14,217,5200,male"] * 200))
    fake_api.delay_seconds = 0.1
    app.button(key="predict_file").click().run()
    app.button(key="cancel").click().run()
    finished(app, "predict")
    assert "Cancelled after" in said(app.warning)
    assert len(fake_api.received_columns) < 200


@pytest.mark.usefixtures("fake_api")
def test_another_model_reads_the_file_anew(open_app: OpenApp) -> None:
    record = EXAMPLES["covertype"]
    text = ",".join(record) + "\n" + ",".join(str(value) for value in record.values()) + "\n"
    app = open_batch(open_app, "covertype", text)
    assert "The row can be predicted" in said(app.success)
    app.selectbox(key="model").set_value("penguins").run()
    assert "names no column of this model" in said(app.error)
    app.selectbox(key="model").set_value("covertype").run()
    app.selectbox(key="version_covertype").set_value(3).run()
    finished(app, "check")
    predict_file(app)
    assert "predicted by version 3" in said(app.success)


@pytest.mark.usefixtures("fake_api")
def test_the_predictions_survive_a_look_at_another_page(open_app: OpenApp) -> None:
    app = open_batch(open_app, "penguins", penguins_file("a,Biscoe,46,14,217,5200,male"))
    predict_file(app)
    app.switch_page("views/models.py").run()
    app.switch_page("views/batch.py").run()
    assert "1 row predicted" in said(app.success)


@pytest.mark.usefixtures("fake_api")
def test_an_api_that_is_down_is_one_message(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_API_URL", "http://127.0.0.1:9")
    load_settings.cache_clear()
    app = open_app("batch")
    assert len(app.error) == 1
    assert "does not answer" in said(app.error)


def test_decimal_commas_are_read_said_and_left_in_the_file(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    text = penguins_file("a,Biscoe,46.5,14,217,5200,male").replace(",", ";").replace("46.5", "46,5")
    app = open_batch(open_app, "penguins", text, language="es")
    assert "La fila se puede predecir." in said(app.success)
    assert "comas decimales: bill_length_mm" in said(app.caption)
    assert app.button(key="predict_file").label == "Predecir 1 fila"
    app.button(key="predict_file").click().run()
    finished(app, "predict")
    assert "1 fila predicha por la versión 2." in said(app.success)
    assert fake_api.received_columns[0]["bill_length_mm"] == [46.5]
    assert fake_api.unrecorded == []
    assert ";46,5;" in app.session_state["batch"].predict.result().decode()
