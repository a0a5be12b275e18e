"""The Models page, as a person uses it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pipeline.gate import Evidence, decide_promotion
from pipeline.gate_parity import Parity
from pipeline.settings import load_settings
from pipeline.use_case import UseCase, load_use_cases
from tests.browser import fake_inference_api
from tests.browser.fake_inference_api import API_KEY, USE_CASES, FakeInferenceApi
from ui.i18n import Translator

OpenApp = Callable[..., AppTest]


def said(elements: Any) -> str:
    return "\n".join(element.value.replace("\\", "") for element in elements)


def open_tab(app: AppTest, title: str) -> AppTest:
    app.session_state["models_tab"] = title
    return app.run()


def ask_to_roll_back(app: AppTest, version: int) -> AppTest:
    open_tab(app, "Roll back")
    app.selectbox(key="rollback_to_covertype_2").set_value(version).run()
    return app.button(key="rollback_start").click().run()


@pytest.mark.usefixtures("fake_api")
def test_the_champion_is_shown_with_its_metrics_and_their_intervals(open_app: OpenApp) -> None:
    app = open_app("models")
    assert app.header[0].value == "Forest cover type"
    assert "**version 2**" in said(app.markdown)
    assert [(metric.label, metric.value) for metric in app.metric[:2]] == [
        ("Accuracy", "0.8712"),
        ("F1 (macro)", "0.8021"),
    ]
    assert "0.8451 to 0.8973" in said(app.markdown)


@pytest.mark.usefixtures("fake_api")
def test_why_a_version_was_not_promoted_is_on_the_first_view(open_app: OpenApp) -> None:
    app = open_app("models")
    text = said(app.markdown)
    first = text.index("Version 3")
    assert first < text.index("Version 2** ") < text.index("Version 1** ")
    assert "not promoted" in text
    assert "Why it was not promoted" in text
    assert "Not surely better than the champion**: " in text
    assert "lower than the champion's by 0.017 (95 % interval -0.031 to -0.004)" in text
    assert app.expander[0].label == "All 3 checks, 1 failed"
    assert "Better than the champion** (failed)" in text
    assert "Enough held-out rows** (passed)" in text


@pytest.mark.usefixtures("fake_api")
def test_champion_and_challenger_stand_side_by_side(open_app: OpenApp) -> None:
    app = open_tab(open_app("models"), "Compare")
    table = app.table[0].value
    assert [cell.replace("\\", "") for cell in table.iloc[0]] == [
        "Accuracy",
        "0.8712 (0.8451 to 0.8973)",
        "0.8538 (0.8282 to 0.8794)",
        ":red[0.01742 worse]",
    ]
    app.selectbox(key="model").set_value("house_prices").run()
    open_tab(app, "Compare")
    table = app.table[0].value
    assert [cell.replace("\\", "") for cell in table.iloc[:, 0]] == ["RMSE", "MAE", "R²"]
    assert all("worse" in cell for cell in table.iloc[:, 3])


@pytest.fixture
def digests(fake_api: FakeInferenceApi, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Every version was trained on a snapshot of its own, the newest on the easiest rows."""
    before = fake_inference_api.version_details

    def details(use_case: UseCase, version: int, champion: int) -> dict[str, Any]:
        found = before(use_case, version, champion)
        easy = {name: 0.5 if version == 3 and name in ("rmse", "mae") else v for name, v in found["metrics"].items()}
        return {**found, "dataset_digest": f"digest-{version}", "metrics": easy}

    monkeypatch.setattr(fake_inference_api, "version_details", details)


@pytest.mark.usefixtures("digests")
@pytest.mark.parametrize(("language", "words"), [("en", "do not say which"), ("es", "no dicen cuál es mejor")])
def test_numbers_of_other_rows_are_not_called_better(open_app: OpenApp, language: str, words: str) -> None:
    app = open_app("models", language=language)
    app.selectbox(key="model").set_value("house_prices").run()
    open_tab(app, "Compare" if language == "en" else "Comparar")
    lines = [[str(cell).replace("\\", "") for cell in line] for line in app.table[0].value.to_numpy()]
    # First what the gate measured of both on the same rows, which says the contrary of the metrics below it.
    assert "MAE, " in lines[0][0]
    assert "512" in lines[0][0]
    assert lines[0][3].startswith(":red[")
    assert [(line[0], line[2][:3]) for line in lines[1:3]] == [("RMSE", "0.5"), ("MAE", "0.5")]
    assert not any(":green[" in line[3] or ":red[" in line[3] for line in lines[1:])
    assert words in said(app.caption)


@pytest.mark.usefixtures("digests")
def test_a_gain_over_an_earlier_champion_is_its_loss(open_app: OpenApp) -> None:
    app = open_tab(open_app("models"), "Compare")
    app.selectbox(key="compare_covertype").set_value(1).run()
    line = [cell.replace("\\", "") for cell in app.table[0].value.iloc[0]]
    # Version 2 was judged against version 1, and is better by 0.08712.
    assert line == [
        "**Accuracy, both on the same 512 rows**",
        "0.8712",
        "0.7841",
        ":red[0.08712 worse] (-0.1307 to -0.04356)",
    ]


@pytest.mark.usefixtures("fake_api")
def test_the_report_shows_confusion_segments_and_card(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_PUBLIC_URL", "http://mlflow.example")
    load_settings.cache_clear()
    app = open_tab(open_app("models"), "Report")
    assert not app.exception
    assert "Right and wrong, class by class" in said(app.subheader)
    assert len(app.table[0].value) == 7
    assert "Predicts `Cover_Type`" in said(app.markdown)
    links = [element.proto.url for element in app.get("link_button")]
    assert "http://mlflow.example/#/models/covertype/versions/2" in links


@pytest.mark.usefixtures("fake_api")
def test_the_report_of_a_regression_shows_residuals(open_app: OpenApp) -> None:
    app = open_app("models")
    app.selectbox(key="model").set_value("house_prices").run()
    open_tab(app, "Report")
    assert not app.exception
    assert "80 held-out rows; half of the predictions are within" in said(app.markdown)
    assert "USD of the truth" in said(app.markdown)


@pytest.mark.usefixtures("fake_api")
def test_the_history_tells_promotions_and_trainings(open_app: OpenApp) -> None:
    app = open_tab(open_app("models"), "History")
    promotions, trainings = (table.value for table in app.table)
    assert promotions["What"].tolist() == ["Version 3 not promoted", "Version 2 promoted", "Version 1 promoted"]
    assert trainings["What"].tolist() == ["trained", "left out"]
    assert "1,214 new rows" in trainings["Reason"].tolist()[1]


def test_a_roll_back_asks_first_and_the_page_follows(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = open_tab(open_app("models"), "Roll back")
    assert app.selectbox(key="rollback_to_covertype_2").value == 1
    app.button(key="rollback_start").click().run()
    assert "Version 2 of Forest cover type answers now. From now on version 1 will" in said(app.warning)
    assert fake_api.champions["covertype"] == 2
    app.text_input(key="rollback_key").set_value(API_KEY)
    app.button(key="rollback_yes").click().run()
    assert fake_api.champions["covertype"] == 1
    assert "Version 1 of Forest cover type is the champion now" in said(app.success)
    assert "**version 1**" in said(app.markdown)
    assert "rollback_key" not in app.session_state


def test_a_wrong_key_is_a_clear_message_and_changes_nothing(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = ask_to_roll_back(open_app("models"), 1)
    app.button(key="rollback_yes").click().run()
    assert said(app.error) == "Enter the API key."
    app.text_input(key="rollback_key").set_value("clave de otro 🔑")
    app.button(key="rollback_yes").click().run()
    assert "The API key is wrong" in said(app.error)
    assert fake_api.champions["covertype"] == 2
    app.text_input(key="rollback_key").set_value(API_KEY)
    app.button(key="rollback_yes").click().run()
    assert fake_api.champions["covertype"] == 1


def test_a_roll_back_can_be_called_off(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = ask_to_roll_back(open_app("models"), 1)
    app.button(key="rollback_no").click().run()
    assert app.button(key="rollback_start")
    assert fake_api.champions["covertype"] == 2


def test_a_version_that_cannot_be_served_is_told_in_the_apis_words(
    fake_api: FakeInferenceApi, open_app: OpenApp
) -> None:
    app = ask_to_roll_back(open_app("models"), 3)
    app.text_input(key="rollback_key").set_value(API_KEY)
    app.button(key="rollback_yes").click().run()
    assert "nothing was changed" in said(app.error)
    assert "version 3 of covertype cannot be served" in said(app.error)
    assert fake_api.champions["covertype"] == 2


def test_mlflow_down_leaves_what_is_known_and_says_why(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.no_artifacts = "MLflow does not answer"
    app = open_tab(open_app("models"), "Report")
    assert "Part of this is missing: MLflow does not answer" in said(app.warning)
    assert not app.error
    open_tab(app, "Versions and why")
    assert "Why it was not promoted" in said(app.markdown)


def test_a_history_that_cannot_be_read_leaves_the_rest(
    fake_api: FakeInferenceApi, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = fake_api.answer
    monkeypatch.setattr(
        fake_api,
        "answer",
        lambda method, path, *sent: (
            (503, {"detail": "the warehouse is down"}) if path.endswith("history") else answer(method, path, *sent)
        ),
    )
    app = open_app("models")
    assert "the warehouse is down" in said([*app.warning, *app.error])
    assert "Version 3" in said(app.markdown)
    assert "version 2" in said(app.markdown)


def test_an_older_api_shows_its_versions(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.old = True
    app = open_app("models")
    assert "of an older release" in said(app.info)
    assert "Version 3" in said(app.markdown)
    assert not app.error


def test_refresh_shows_what_changed(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.without_champion = set(fake_api.served)
    app = open_app("models", language="es")
    assert "aún sin modelo" in said(app.markdown)
    assert "Aún no se ha registrado ninguna versión." in said(app.caption)
    fake_api.without_champion = set()
    app.button(key="refresh").click().run()
    assert "versión 2" in said(app.markdown)


def test_an_api_that_fails_is_one_message(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.fault = (500, "boom")
    app = open_app("models")
    assert len(app.error) == 1
    assert not app.exception


@pytest.mark.parametrize("champion", [None, np.array(["Adelie"] * 20 + ["Gentoo"] * 20)])
@pytest.mark.parametrize("language", ["en", "es"])
def test_every_check_has_words_for_passing_and_for_failing(champion: Any, language: str) -> None:
    truth = np.array(["Adelie"] * 20 + ["Gentoo"] * 20)
    evidence = Evidence(
        truth=truth,
        challenger=truth,
        baseline=truth,
        champion=champion,
        parity=Parity(label_flip_share=0.0, probability_difference=0.0),
        segments={"island": truth},
        model_megabytes=1,
        single_row_milliseconds=1,
    )
    decision = decide_promotion(load_use_cases(USE_CASES)["penguins"], evidence)
    t = Translator(language)
    assert len(decision.checks) > 4
    for check in decision.checks:
        assert t.known("check", check.name) != check.name
        assert t.known("failed", check.name) != check.name


@pytest.mark.usefixtures("fake_api")
def test_the_open_tab_stays_open_in_another_language(open_app: OpenApp) -> None:
    app = open_tab(open_app("models"), "Report")
    assert "Right and wrong, class by class" in said(app.subheader)
    app.session_state["lang"] = "es"
    app.run()
    assert "Aciertos y errores por clase" in said(app.subheader)


def test_a_roll_back_hides_nothing_of_how_the_version_was_judged(
    open_app: OpenApp, fake_api: FakeInferenceApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fake_inference_api.history_of

    def with_roll_back(use_case: UseCase) -> dict[str, Any]:
        history = before(use_case)
        entry = {
            "at": "2026-09-01T10:00:00Z",
            "action": "rollback",
            "from_version": 2,
            "to_version": 3,
            "actor": "ana",
            "reason": "to look at it",
            "decision": None,
        }
        return {**history, "promotions": [entry, *history["promotions"]]}

    monkeypatch.setattr(fake_inference_api, "history_of", with_roll_back)
    fake_api.champions["covertype"] = 3
    text = said(open_app("models").markdown)
    assert text.index("to look at it") < text.index("Why it was not promoted")
