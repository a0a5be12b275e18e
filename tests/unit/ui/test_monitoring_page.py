"""The Monitoring page."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from tests.browser.fake_inference_api import FakeInferenceApi
from ui.live import worse_than_held_out
from ui.operations import forget_operations
from ui.operations_answers import Live, LiveScore, Mix, Monitoring, TrafficBucket
from ui.traffic import MOST_CLASSES, grouped, overall_mix, ranked_classes, traffic_frame

OpenApp = Callable[..., AppTest]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_answers_of_the_test_before() -> None:
    forget_operations()


def texts(app: AppTest) -> str:
    """All that the page says."""
    kinds = ("markdown", "caption", "info", "success", "warning", "error", "header")
    return "\n".join(str(getattr(element, "value", "")) for kind in kinds for element in app.get(kind))


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


@pytest.mark.usefixtures("fake_api")
def test_traffic_latency_and_the_version_in_service(open_app: OpenApp) -> None:
    app = open_app("monitoring")
    shown = metrics(app)
    assert shown["Predictions"] == "1,440"
    assert shown["Half of requests within"] == "0.42 ms"
    assert shown["99 % of requests within"] == "7.25 ms"
    assert "Version 2 in service" in texts(app)
    assert "512 requests since the service started" in texts(app)


@pytest.mark.usefixtures("fake_api")
def test_the_period_is_asked_for(open_app: OpenApp) -> None:
    app = open_app("monitoring")
    specification = json.loads(app.get("vega_lite_chart")[0].proto.spec)
    begin, end = (datetime.fromisoformat(text) for text in specification["encoding"]["x"]["scale"]["domain"])
    assert end - begin == timedelta(hours=24)
    app.segmented_control(key="period").set_value(1).run()
    specification = json.loads(app.get("vega_lite_chart")[0].proto.spec)
    begin, end = (datetime.fromisoformat(text) for text in specification["encoding"]["x"]["scale"]["domain"])
    assert end - begin == timedelta(hours=1)


@pytest.mark.usefixtures("fake_api")
def test_drifted_features_come_first_and_are_marked(open_app: OpenApp) -> None:
    app = open_app("monitoring")
    table = app.table[0].value
    assert table["Feature"].tolist()[:3] == ["Aspect", "Elevation", "Slope"]
    assert table["PSI"].tolist()[:3] == ["0.410", "0.310", "0.010"]
    assert table["State"].tolist()[:3] == [":red-badge[drifted]", ":red-badge[drifted]", ":green-badge[stable]"]
    assert "2 of 12 features drifted" in texts(app)
    assert "Drifted, what now?" in texts(app)
    assert app.selectbox(key="drift_feature_covertype_served").value == "Aspect"


@pytest.mark.usefixtures("fake_api")
def test_drift_of_collected_rows(open_app: OpenApp) -> None:
    app = open_app("monitoring")
    app.segmented_control(key="drift_covertype").set_value("collected").run()
    assert "0 of 12 features drifted" in texts(app)
    assert "Drifted, what now?" not in texts(app)


def test_too_few_rows_for_drift_are_said(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.operations.predictions = 3
    app = open_app("monitoring")
    assert "Too few rows to tell drift from chance (36)" in texts(app)
    assert "State" not in app.table[0].value.columns


@pytest.mark.usefixtures("fake_api")
def test_the_live_metric_beside_the_held_out_one(open_app: OpenApp) -> None:
    app = open_app("monitoring")
    shown = metrics(app)
    assert shown["Accuracy · Version 2"] == "0.83"
    assert shown["Held out"] == "0.88"
    table = app.table[1].value
    assert table["Version"].tolist() == ["2", "1"]
    assert table["95 % interval"].tolist() == ["0.76 – 0.89", "0.6 – 0.87"]
    assert table["Outcomes told"].tolist() == ["120", "40"]


def test_how_to_tell_an_outcome_names_the_last_prediction(
    fake_api: FakeInferenceApi, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENCE_API_PUBLIC_URL", "https://api.example.org/")
    fake_api.operations.feedback = 0
    app = open_app("monitoring")
    command = app.code[0].value
    assert "https://api.example.org/models/covertype/feedback" in command
    assert '{"request_id": "REQUEST_ID", "outcome": "1"}' in command
    assert "Appears when the true outcome of a prediction is told." in texts(app)
    app.switch_page("views/predict.py").run()
    app.button(key="predict").click().run()
    app.switch_page("views/monitoring.py").run()
    assert '"request_id": "0f3c8a52d1"' in app.code[0].value


def test_a_regression_shows_quantiles_and_its_own_metric(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    app = open_app("monitoring")
    app.selectbox(key="monitored").set_value("house_prices").run()
    said = texts(app)
    assert "Median of the predicted values" in said
    assert "How far off it is" in said
    assert fake_api.use_cases["house_prices"].training.metric.upper() in [c.upper() for c in app.table[1].value.columns]
    assert '"outcome": 208000}' in app.code[0].value


def test_a_model_that_nobody_asked_says_what_will_appear(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.operations.predictions = fake_api.operations.feedback = fake_api.operations.batches = 0
    app = open_app("monitoring")
    said = texts(app)
    assert "Nobody has asked this model in the period" in said
    assert "Appears with the first predictions of the period" in said
    assert "Appears when requests of the period have been logged" in said
    assert "Appears when the true outcome" in said
    assert not app.exception


def test_what_could_not_be_found_out_is_said_beside_the_rest(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.operations.problem = "MLflow does not answer"
    app = open_app("monitoring")
    assert "MLflow does not answer" in app.warning[0].value
    assert metrics(app)["Predictions"] == "1,440"


def test_a_warehouse_that_is_down_is_one_message(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.operations.fault = (503, "connection refused")
    app = open_app("monitoring")
    assert len(app.warning) == 1
    assert "Predictions go on without it" in app.warning[0].value
    fake_api.operations.fault = None
    app.button(key="retry_monitoring").click().run()
    assert metrics(app)["Predictions"] == "1,440"


def test_an_api_without_a_model_says_when_there_will_be_one(fake_api: FakeInferenceApi, open_app: OpenApp) -> None:
    fake_api.served = []
    app = open_app("monitoring")
    assert "There is no model to answer yet" in app.warning[0].value
    assert not app.exception


@pytest.mark.usefixtures("fake_api")
def test_monitoring_in_spanish(open_app: OpenApp) -> None:
    app = open_app("monitoring", language="es")
    assert app.title[0].value == "Monitoreo"
    assert app.table[0].value["Estado"].tolist()[0] == ":red-badge[con deriva]"


def monitoring(**fields: object) -> Monitoring:
    return Monitoring.model_validate({"model": "x", "hours": 1, "generated_at": NOON, "bucket_minutes": 10, **fields})


def test_buckets_without_a_prediction_are_there_and_zero() -> None:
    traffic = [
        {"at": NOON - timedelta(minutes=40), "predictions": 7},
        {"at": NOON - timedelta(minutes=10), "predictions": 2},
    ]
    frame = traffic_frame(monitoring(traffic=traffic))
    assert frame["predictions"].tolist() == [0, 0, 7, 0, 0, 2]
    assert (frame["end"] - frame["start"]).dt.total_seconds().tolist() == [600] * 6


def test_the_mix_of_a_period_weighs_buckets_by_their_predictions() -> None:
    earlier = NOON - timedelta(minutes=10)
    mix = Mix.model_validate(
        {"series": [{"at": earlier, "shares": {"a": 1.0}}, {"at": NOON, "shares": {"a": 0.5, "b": 0.5}}]}
    )
    traffic = [TrafficBucket(at=earlier, predictions=100), TrafficBucket(at=NOON, predictions=300)]
    assert overall_mix(mix, traffic) == {"a": 0.625, "b": 0.375}
    assert overall_mix(Mix(), []) == {}


def test_classes_beyond_the_colours_become_one() -> None:
    shares = {str(number): 0.05 for number in range(20)}
    shown = ranked_classes(Mix(reference=shares))
    assert len(shown) == MOST_CLASSES
    assert grouped(shares, shown, "others")[-1] == ("others", pytest.approx(0.6))
    assert grouped({"0": 1.0}, ["0"], "others") == [("0", 1.0)]


def test_a_class_the_training_never_saw_is_shown() -> None:
    mix = Mix.model_validate({"reference": {"a": 1.0}, "series": [{"at": NOON, "shares": {"new": 1.0}}]})
    assert ranked_classes(mix) == ["a", "new"]


@pytest.mark.parametrize(
    ("metric", "held_out", "low", "high", "worse"),
    [
        ("accuracy", 0.9, 0.7, 0.8, True),
        ("accuracy", 0.75, 0.7, 0.8, False),
        ("rmse", 100, 120, 150, True),
        ("rmse", 130, 120, 150, False),
        ("accuracy", None, 0.1, 0.2, False),
    ],
)
def test_worse_than_held_out_is_the_whole_interval(
    metric: str, held_out: float | None, low: float, high: float, worse: bool
) -> None:
    score = LiveScore(version=1, rows=50, value=(low + high) / 2, low=low, high=high)
    assert worse_than_held_out(score, Live(metric=metric, held_out=held_out)) is worse
