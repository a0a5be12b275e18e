"""One reply says how a model is doing, and what of it cannot be told now."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from inference_api.latency import prediction_latency, quantile
from inference_api.metrics import ServiceMetrics
from inference_api.traffic_history import ANSWERS_PER_BUCKET, MOST_BUCKETS, Buckets, TrafficHistory
from pipeline.collection import collect
from pipeline.lake import open_lake
from pipeline.settings import PipelineSettings
from pipeline.use_case import UseCase
from pipeline.warehouse import Feedback, Warehouse
from tests.integration.deliveries import MemorySource, reply
from tests.unit.inference_api.conftest import MakeService, Service
from tests.unit.inference_api.recorded import log_predictions, make_warehouse


@pytest.fixture
def warehouse(covertype: UseCase, penguins: UseCase, house_prices: UseCase, tmp_path: Path) -> Iterator[Warehouse]:
    warehouse, _ = make_warehouse(tmp_path, [covertype, penguins, house_prices])
    yield warehouse
    warehouse.close()


@pytest.fixture
def shown(make_service: MakeService, warehouse: Warehouse) -> Service:
    return make_service(warehouse_url=warehouse.database.url.render_as_string())


def monitoring(service: Service, name: str, **params: Any) -> dict[str, Any]:
    answer = service.client.get(f"/models/{name}/monitoring", params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_model_that_nobody_asked_has_empty_monitoring(shown: Service) -> None:
    found = monitoring(shown, "covertype")
    assert (found["model"], found["version"], found["hours"], found["bucket_minutes"]) == ("covertype", 1, 24, 30)
    assert len(found["traffic"]) == 48
    assert {bucket["predictions"] for bucket in found["traffic"]} == {0}
    assert found["latency"] is None
    assert found["mix"]["series"] == []
    assert found["values"] is None
    assert found["live"] is None
    assert found["problem"] is None


def test_traffic_and_mix_of_classes_are_those_of_the_log(shown: Service, warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    log_predictions(warehouse, "covertype", [1, 2, 2, 2], at=now)
    log_predictions(warehouse, "covertype", [3] * (ANSWERS_PER_BUCKET + 5), at=now - timedelta(hours=5))
    log_predictions(warehouse, "covertype", [7], at=now - timedelta(hours=30))
    log_predictions(warehouse, "penguins", ["Adelie"], at=now)

    found = monitoring(shown, "covertype")

    busy = [bucket["predictions"] for bucket in found["traffic"] if bucket["predictions"]]
    assert busy == [ANSWERS_PER_BUCKET + 5, 4]
    assert [bucket["at"] for bucket in found["traffic"]] == sorted(bucket["at"] for bucket in found["traffic"])
    early, late = found["mix"]["series"]
    assert early["shares"]["3"] == 1
    assert (late["shares"]["1"], late["shares"]["2"], late["shares"]["3"]) == (0.25, 0.75, 0)
    assert found["mix"]["sampled_per_bucket"] == ANSWERS_PER_BUCKET
    assert sum(found["mix"]["reference"].values()) == pytest.approx(1, abs=1e-3)


def test_values_of_a_regression_are_quantiles(shown: Service, warehouse: Warehouse) -> None:
    log_predictions(warehouse, "house_prices", [float(value) for value in range(101)], at=datetime.now(UTC))
    found = monitoring(shown, "house_prices", hours=1)
    assert found["mix"] is None
    (bucket,) = found["values"]["series"]
    assert (bucket["p10"], bucket["median"], bucket["p90"]) == (10, 50, 90)


def test_served_records_that_differ_from_the_training_rows_are_drift(shown: Service, warehouse: Warehouse) -> None:
    bundle = shown.store.find("covertype").bundle
    features = {**bundle.input_example, "Elevation": 1}
    log_predictions(warehouse, "covertype", [1] * 200, features=features, at=datetime.now(UTC))
    log_predictions(warehouse, "covertype", [1] * 50, model_version=2, at=datetime.now(UTC))

    report = monitoring(shown, "covertype")["drift"]["served"]

    assert (report["rows"], report["enough_rows"]) == (200, True)
    assert "Elevation" in report["drifted"]
    elevation = next(feature for feature in report["features"] if feature["name"] == "Elevation")
    assert elevation["bins"][0]["current"] == 1
    assert report["prediction"]["drifted"] is True


def test_collected_rows_are_compared_with_the_training_rows(
    shown: Service, warehouse: Warehouse, penguins: UseCase, tmp_path: Path
) -> None:
    lake = open_lake(PipelineSettings(lake_url=f"file://{tmp_path}/lake"))
    lake.create()
    rows = [["Adelie", "Dream", "39.1", "18.7", "181", str(mass), "male", "2007"] for mass in range(3000, 3200)]
    source = MemorySource(reply(1, rows[:50]), reply(2, rows[50:]))
    first = collect(penguins, source, lake, warehouse)
    collect(penguins, source, lake, warehouse)
    assert monitoring(shown, "penguins")["drift"]["collected"] is None
    info = shown.registry.known["penguins"][0]
    trained = info.model_copy(update={"tags": {**info.tags, "last_ledger_id": str(first.id)}, "run_id": "again"})
    shown.registry.bundles["again"] = shown.registry.bundles[info.run_id]
    shown.registry.known["penguins"][0] = trained
    shown.store.refresh()

    report = monitoring(shown, "penguins", hours=2)["drift"]["collected"]

    assert report["rows"] == 150
    assert "species" in {feature["name"] for feature in report["features"]}
    assert "body_mass_g" in report["drifted"]


def test_live_accuracy_stands_beside_the_held_out_one(shown: Service, warehouse: Warehouse) -> None:
    info = shown.registry.known["covertype"][0]
    shown.registry.known["covertype"][0] = info.model_copy(update={"metrics": {"accuracy": 0.88}})
    shown.store.refresh()
    log_predictions(warehouse, "covertype", [1, 2, 3, 4], at=datetime.now(UTC))
    outcomes = ["1", "2", "3", "1"]
    feedback = [Feedback(request_id=f"r{index}", outcome=outcome) for index, outcome in enumerate(outcomes)]
    warehouse.store_feedback("covertype", feedback)

    live = monitoring(shown, "covertype")["live"]

    assert (live["metric"], live["held_out"]) == ("accuracy", 0.88)
    (version,) = live["versions"]
    assert (version["version"], version["rows"], version["value"]) == (1, 4, 0.75)
    assert 0 < version["low"] < 0.75 < version["high"] < 1


def test_live_error_of_a_regression_is_the_metric_of_its_use_case(shown: Service, warehouse: Warehouse) -> None:
    log_predictions(warehouse, "house_prices", [100.0, 200.0], at=datetime.now(UTC))
    feedback = [Feedback(request_id="r0", outcome=110), Feedback(request_id="r1", outcome=230)]
    warehouse.store_feedback("house_prices", feedback)
    live = monitoring(shown, "house_prices")["live"]
    assert (live["metric"], live["versions"][0]["value"]) == ("mae", 20)


def test_warehouse_that_is_down_leaves_what_the_service_knows_itself(make_service: MakeService, tmp_path: Path) -> None:
    service = make_service(warehouse_url=f"sqlite:///{tmp_path}/absent/warehouse.db")
    example = service.store.find("covertype").bundle.input_example
    assert service.client.post("/predict", json=example).status_code == 200
    found = monitoring(service, "covertype")
    assert "the warehouse is unreachable" in found["problem"]
    assert str(tmp_path) not in str(found)
    assert found["traffic"] == []
    assert found["latency"]["requests"] == 1
    assert found["version"] == 1


def test_unknown_model_and_hours_out_of_range_are_refused(shown: Service) -> None:
    assert shown.client.get("/models/nothing/monitoring").status_code == 404
    for hours in (0, 10_000, "many"):
        assert shown.client.get("/models/covertype/monitoring", params={"hours": hours}).status_code == 422


def test_openapi_describes_the_reply(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    answer = document["paths"]["/models/{name}/monitoring"]["get"]["responses"]["200"]
    name = answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    properties = document["components"]["schemas"][name]["properties"]
    assert {"traffic", "latency", "mix", "values", "drift", "live", "problem"} <= set(properties)


def test_models_that_are_looked_at_by_many_are_read_once(
    shown: Service, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_api.monitoring_routes.MONITORING_SECONDS", 600)
    asked, read = [], Warehouse.prediction_counts

    def counted(self: Warehouse, *arguments: Any) -> Any:
        asked.append(arguments)
        return read(self, *arguments)

    monkeypatch.setattr(Warehouse, "prediction_counts", counted)
    threads = [threading.Thread(target=monitoring, args=(shown, "covertype")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log_predictions(warehouse, "covertype", [1], at=datetime.now(UTC))
    monitoring(shown, "covertype")
    assert len(asked) == 1


@pytest.mark.parametrize("hours", [1, 2, 5, 24, 48, 168, 336])
def test_buckets_cover_the_hours_and_end_now(hours: int) -> None:
    now = datetime(2026, 11, 20, 17, 43, 12, tzinfo=UTC)
    buckets = Buckets(hours, now)
    assert len(buckets.starts) <= MOST_BUCKETS
    assert buckets.starts[-1] <= now < buckets.starts[-1] + buckets.span
    assert now - buckets.starts[0] >= timedelta(hours=hours) - buckets.span
    assert {after - before for before, after in zip(buckets.starts, buckets.starts[1:], strict=False)} == {buckets.span}


def test_buckets_that_are_over_are_counted_once(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 20, 17, 43, 12, tzinfo=UTC)
    log_predictions(warehouse, "covertype", [1, 2], at=now - timedelta(hours=3))
    log_predictions(warehouse, "covertype", [3], at=now)
    history, asked, read = TrafficHistory(), [], Warehouse.prediction_counts

    def counted(self: Warehouse, name: str, start: datetime, bucket: timedelta) -> dict[datetime, int]:
        asked.append(start)
        return read(self, name, start, bucket)

    monkeypatch.setattr(Warehouse, "prediction_counts", counted)
    buckets = Buckets(24, now)
    first = history.read(warehouse, "covertype", buckets)
    log_predictions(warehouse, "covertype", [4], at=now)
    second = history.read(warehouse, "covertype", buckets)

    assert asked == [buckets.starts[0], buckets.starts[-1]]
    assert [found.predictions for found in first.values() if found.predictions] == [2, 1]
    assert [found.predictions for found in second.values() if found.predictions] == [2, 2]
    assert sorted(second[buckets.starts[-7]].answers) == [1, 2]
    assert list(second) == buckets.starts
    # What was written later than usual is seen some minutes later.
    monkeypatch.setattr("inference_api.traffic_history.KEPT_SECONDS", -1)
    history = TrafficHistory()
    history.read(warehouse, "covertype", buckets)
    log_predictions(warehouse, "covertype", [4], at=now - timedelta(hours=3))
    assert history.read(warehouse, "covertype", buckets)[buckets.starts[-7]].predictions == 3


def test_latency_is_that_of_predictions_over_all_their_routes() -> None:
    metrics = ServiceMetrics()
    assert prediction_latency(metrics) is None
    for seconds in [0.0008] * 90 + [0.02] * 10:
        metrics.latency.labels("/predict").observe(seconds)
        metrics.latency.labels("/models/{name}/predict").observe(seconds)
    metrics.latency.labels("/models").observe(2)
    found = prediction_latency(metrics)
    assert found is not None
    assert found.requests == 200
    assert 0.5 <= found.p50_ms <= 1
    assert 10 <= found.p95_ms <= 25
    assert 10 <= found.p99_ms <= 25


def test_quantile_beyond_the_last_limit_is_that_limit() -> None:
    assert quantile([(1.0, 0.0), (2.5, 5.0), (float("inf"), 10.0)], 0.99) == 2.5
    assert quantile([(1.0, 10.0), (float("inf"), 10.0)], 0.5) == 0.5
