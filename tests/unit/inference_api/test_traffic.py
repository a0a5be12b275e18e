"""A challenger shadows the champion or takes a share of its requests, and can never make one fail."""

import threading
from pathlib import Path
from typing import Any

import pytest

from inference_api import background_loads
from inference_api.errors import invalid, mistake
from inference_api.metrics import ServiceMetrics
from inference_api.onnx_predictor import OnnxPredictor
from inference_api.predictor import Outcome, Predictor
from inference_api.shadow import Answered, ShadowRunner
from inference_api.traffic import Traffic
from pipeline.errors import ConfigurationError
from pipeline.traffic import TRAFFIC_TAG, TrafficRule, read_rule

from .conftest import API_KEY, MakeService, MemoryRegistry, Service, follow_until

KEY = {"X-API-Key": API_KEY}
URL = "/models/covertype/predict"
TRAFFIC = "/models/covertype/traffic"


@pytest.fixture
def two_versions(registry: MemoryRegistry, bundles: dict[str, Path], make_service: MakeService) -> Service:
    """Version 1 of covertype is the champion, version 2 the challenger."""
    registry.add("covertype", bundles["covertype-2"], champion=False)
    registry.challenge("covertype", 2)
    return make_service()


def example(service: Service) -> dict[str, Any]:
    record: dict[str, Any] = service.client.get("/models/covertype").json()["input_example"]
    return record


def set_traffic(service: Service, **rule: Any) -> dict[str, Any]:
    reply = service.client.put(TRAFFIC, headers=KEY, json=rule)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def answered_by(service: Service, url: str = URL, request_id: str = "one") -> int:
    reply = service.client.post(url, json=example(service), headers={"X-Request-ID": request_id})
    assert reply.status_code == 200, reply.text
    assert reply.json()["request_id"] == request_id
    version: int = reply.json()["model_version"]
    return version


@pytest.mark.parametrize("url", ["/predict", URL])
def test_canary_takes_its_share_and_each_id_stays_with_one_version(two_versions: Service, url: str) -> None:
    set_traffic(two_versions, mode="canary", share=0.3)
    ids = [f"request-{number}" for number in range(100)]
    first = [answered_by(two_versions, url, each) for each in ids]
    assert first == [answered_by(two_versions, url, each) for each in ids]
    assert 0.15 < first.count(2) / len(first) < 0.45
    two_versions.client.put(TRAFFIC, headers=KEY, json={"mode": "canary", "share": 1})
    assert answered_by(two_versions, url) == 2
    two_versions.client.put(TRAFFIC, headers=KEY, json={"mode": "off"})
    assert answered_by(two_versions, url) == 1


def test_larger_share_keeps_the_ids_of_the_smaller_one() -> None:
    ids = [f"{number:x}" for number in range(2000)]
    canary: Any = object()
    shares = [Traffic(TrafficRule(mode="canary", share=share), predictor=canary) for share in (0.0, 0.1, 0.5, 1.0)]
    taken = [{each for each in ids if traffic.canary_for(each)} for traffic in shares]
    assert taken[0] < taken[1] < taken[2] < taken[3]
    assert [len(each) / len(ids) for each in taken] == pytest.approx([0, 0.1, 0.5, 1], abs=0.04)


def test_version_that_is_asked_for_answers_whatever_the_traffic(two_versions: Service) -> None:
    set_traffic(two_versions, mode="canary", share=1)
    assert answered_by(two_versions, URL + "?version=1") == 1
    assert answered_by(two_versions, URL + "?alias=champion") == 1


def test_reply_and_model_show_the_traffic(two_versions: Service) -> None:
    shown = {"mode": "canary", "alias": "challenger", "version": 2, "share": 0.25, "problem": None}
    assert set_traffic(two_versions, mode="canary", share=0.25) == shown
    assert two_versions.client.get("/models/covertype").json()["traffic"] == shown
    assert set_traffic(two_versions, mode="off")["mode"] == "off"
    assert two_versions.client.get("/models/covertype").json()["traffic"]["mode"] == "off"


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"mode": "both"},
        {"mode": "canary", "share": 1.5},
        {"mode": "canary", "share": -0.1},
        {"mode": "canary", "alias": "champion"},
        {"mode": "canary", "alias": "no spaces"},
        {"mode": "canary", "unknown": 1},
    ],
)
def test_rule_that_makes_no_sense_is_refused(two_versions: Service, rule: dict[str, Any]) -> None:
    assert two_versions.client.put(TRAFFIC, headers=KEY, json=rule).status_code == 422
    assert two_versions.client.get("/models/covertype").json()["traffic"] is None


def test_traffic_needs_the_key_a_known_model_and_a_registry(two_versions: Service) -> None:
    rule = {"mode": "shadow"}
    assert two_versions.client.put(TRAFFIC, json=rule).status_code == 401
    assert two_versions.client.put("/models/nobody/traffic", headers=KEY, json=rule).status_code == 404
    two_versions.registry.down = True
    reply = two_versions.client.put(TRAFFIC, headers=KEY, json=rule)
    assert reply.status_code == 503
    assert "does not answer" in reply.json()["detail"]


def test_other_replicas_follow_the_rule_and_the_alias(
    two_versions: Service, make_service: MakeService, bundles: dict[str, Path]
) -> None:
    replica = make_service()
    set_traffic(two_versions, mode="canary", share=1)
    replica.store.refresh()
    assert answered_by(replica) == 2
    replica.registry.add("covertype", bundles["covertype"], champion=False)
    replica.registry.challenge("covertype", 3)
    replica.store.refresh()
    assert answered_by(replica) == 3


def test_canary_ends_when_the_challenger_is_promoted(two_versions: Service) -> None:
    set_traffic(two_versions, mode="canary", share=1)
    downloads = two_versions.registry.downloads
    two_versions.registry.promote("covertype", 2)
    two_versions.store.refresh()
    assert answered_by(two_versions) == 2
    traffic = two_versions.client.get("/models/covertype").json()["traffic"]
    assert (traffic["version"], traffic["problem"]) == (
        None,
        "no version has the alias challenger: the champion answers alone",
    )
    assert two_versions.registry.downloads == downloads  # the canary, loaded already, became the champion


def test_challenger_alias_on_the_champion_means_the_champion(two_versions: Service) -> None:
    set_traffic(two_versions, mode="canary", share=1)
    two_versions.registry.challenge("covertype", 1)
    two_versions.store.refresh()
    assert answered_by(two_versions) == 1
    assert "is the champion" in two_versions.client.get("/models/covertype").json()["traffic"]["problem"]


def test_canary_that_takes_long_to_load_keeps_no_promotion_waiting(
    two_versions: Service, registry: MemoryRegistry, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_loads, "LONG_LOAD_SECONDS", 0.05)
    store, arrives = two_versions.store, registry.hold_download("covertype-2")
    assert "takes long; the champion answers alone" in set_traffic(two_versions, mode="canary", share=1)["problem"]
    registry.add("covertype", bundles["covertype"])
    registry.challenge("covertype", 2)
    follow_until(store, lambda: answered_by(two_versions) == 3)
    arrives.set()
    follow_until(store, lambda: answered_by(two_versions) == 2)


def test_canary_that_cannot_be_loaded_leaves_the_champion(two_versions: Service, bundles: dict[str, Path]) -> None:
    two_versions.registry.add("covertype", None, champion=False)
    two_versions.registry.challenge("covertype", 3)
    reply = set_traffic(two_versions, mode="canary", share=1)
    assert reply["version"] == 3
    assert "has no serving bundle" in reply["problem"]
    assert answered_by(two_versions) == 1
    assert two_versions.client.get("/models/covertype").json()["status"] == "serving"
    downloads = two_versions.registry.downloads
    two_versions.store.refresh()
    assert two_versions.registry.downloads == downloads  # not at every poll
    two_versions.registry.bundles["covertype-3"] = bundles["covertype"]
    two_versions.store.refresh("covertype")
    assert answered_by(two_versions) == 3
    assert two_versions.client.get("/models/covertype").json()["traffic"]["problem"] is None


@pytest.mark.parametrize("url", ["/predict", URL])
def test_canary_that_fails_is_answered_for_by_the_champion(
    two_versions: Service, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    set_traffic(two_versions, mode="canary", share=1)
    traffic = two_versions.store.states["covertype"].traffic
    assert traffic is not None

    def fail(*_: Any) -> Outcome:
        raise RuntimeError("out of order")

    monkeypatch.setattr(traffic.predictor, "predict_one", fail)
    assert answered_by(two_versions, url) == 1
    problem = two_versions.client.get("/models/covertype").json()["traffic"]["problem"]
    assert "out of order" in problem
    assert 'canary_fallbacks_total{model="covertype",version="2"} 1.0' in two_versions.client.get("/metrics").text


def test_mistake_of_the_client_is_not_held_against_the_canary(two_versions: Service) -> None:
    set_traffic(two_versions, mode="canary", share=1)
    reply = two_versions.client.post(URL, json=example(two_versions) | {"Elevation": "high"})
    assert reply.status_code == 422
    assert two_versions.client.get("/models/covertype").json()["traffic"]["problem"] is None


@pytest.mark.parametrize("tag", ["{", "[]", '{"mode": "sideways"}', '"canary"'])
def test_rule_that_somebody_garbled_is_reported_and_leaves_the_champion(two_versions: Service, tag: str) -> None:
    two_versions.registry.tags["covertype"] = {TRAFFIC_TAG: tag}
    two_versions.store.refresh()
    assert answered_by(two_versions) == 1
    model = two_versions.client.get("/models/covertype").json()
    assert model["status"] == "serving"
    assert model["traffic"]["mode"] == "off"
    assert "is no traffic rule" in model["traffic"]["problem"]
    with pytest.raises(ConfigurationError):
        read_rule({TRAFFIC_TAG: tag})


def test_what_a_canary_refused_is_shown_without_what_the_client_sent(
    two_versions: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`GET /models/{name}` is for anybody, the values of a request are not."""
    set_traffic(two_versions, mode="canary", share=1)
    traffic = two_versions.store.states["covertype"].traffic
    assert traffic is not None
    assert traffic.predictor is not None

    def refuse(*_: Any) -> Any:
        raise invalid([mistake(("Elevation",), "Elevation must be at most 9, got 4711", "number_range")])

    monkeypatch.setattr(traffic.predictor, "predict_one", refuse)
    assert answered_by(two_versions) == 1
    problem = two_versions.client.get("/models/covertype").json()["traffic"]["problem"]
    assert problem.endswith("the first: Elevation (number_range)")


def wait_for(service: Service, line: str) -> None:
    waiting = threading.Event()
    for _ in range(500):
        if line in service.client.get("/metrics").text:
            return
        waiting.wait(0.02)
    raise AssertionError(f"not within 10 s: {line}")


def test_shadow_predicts_too_and_the_champion_answers(two_versions: Service) -> None:
    set_traffic(two_versions, mode="shadow", share=1)
    records = [example(two_versions)] * 3
    assert answered_by(two_versions, "/predict") == 1
    many = two_versions.client.post(URL, json={"records": records}).json()
    assert many["model_version"] == 1
    wait_for(two_versions, 'inference_shadow_seconds_count{model="covertype",version="2"} 2.0')
    text = two_versions.client.get("/metrics").text
    assert 'inference_shadow_difference_count{model="covertype",version="2"} 4.0' in text
    assert 'inference_predictions_total{model="covertype",version="2"}' not in text


def test_shadow_that_fails_is_counted(two_versions: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    set_traffic(two_versions, mode="shadow", share=1)
    traffic = two_versions.store.states["covertype"].traffic
    assert traffic is not None
    monkeypatch.setattr(traffic.predictor, "predict_one", lambda *_: 1 / 0)
    assert answered_by(two_versions) == 1
    wait_for(two_versions, 'inference_shadow_records_total{model="covertype",outcome="failed",version="2"} 1.0')


def test_full_queue_drops_and_counts(bundles: dict[str, Path]) -> None:
    metrics = ServiceMetrics()
    runner = ShadowRunner(metrics, capacity=2)  # not started: nothing leaves the queue
    predictor = OnnxPredictor("covertype", 1, bundles["covertype"])
    for _ in range(5):
        runner.offer(predictor, predictor, [()], [])
    assert 'inference_shadow_dropped_total{model="covertype"} 3.0' in metrics.render().decode()


@pytest.mark.parametrize(
    ("name", "other", "outcome"),
    [("covertype", "covertype", "agree"), ("house_prices", "house_prices", "agree")],
)
def test_equal_answers_agree(bundles: dict[str, Path], name: str, other: str, outcome: str) -> None:
    metrics = ServiceMetrics()
    shadow, champion = OnnxPredictor(name, 2, bundles[other]), OnnxPredictor(name, 1, bundles[name])
    rows = [champion.validator.read_one(_body(champion), named=False)]
    ShadowRunner(metrics).compare(Answered(shadow, champion, rows, champion.predict_many(rows)))
    text = metrics.render().decode()
    assert f'inference_shadow_records_total{{model="{name}",outcome="{outcome}",version="2"}} 1.0' in text
    assert f'inference_shadow_difference_bucket{{le="0.0",model="{name}",version="2"}} 1.0' in text


def test_numbers_agree_within_five_percent(bundles: dict[str, Path]) -> None:
    metrics = ServiceMetrics()
    shadow, champion = (OnnxPredictor("house_prices", v, bundles["house_prices"]) for v in (2, 1))
    row = champion.validator.read_one(_body(champion), named=False)
    value = champion.predict_one(row).prediction
    assert isinstance(value, float)
    for factor in (1.04, 0.9):
        outcome = Outcome(value * factor, None, None)
        ShadowRunner(metrics).compare(Answered(shadow, champion, [row], [outcome]))
    text = metrics.render().decode()
    for expected in ("agree", "differ"):
        assert f'{{model="house_prices",outcome="{expected}",version="2"}} 1.0' in text


def test_shadow_with_other_limits_checks_the_values_itself(bundles: dict[str, Path]) -> None:
    metrics = ServiceMetrics()
    shadow, champion = (OnnxPredictor("covertype", v, bundles["covertype"]) for v in (2, 1))
    shadow.form = ()
    row = champion.validator.read_one(_body(champion), named=False)
    ShadowRunner(metrics).compare(Answered(shadow, champion, [row], champion.predict_many([row])))
    assert 'outcome="agree"' in metrics.render().decode()


def _body(predictor: Predictor) -> bytes:
    import msgspec

    return msgspec.json.encode(predictor.bundle.input_example)
