"""What is asked with ``?log=false`` is answered and counted, and leaves no other trace."""

from pathlib import Path
from typing import Any

import pytest

from .conftest import API_KEY, MakeService, MemoryRegistry, Service

URL = "/models/covertype/predict"


@pytest.fixture
def shadowed(registry: MemoryRegistry, bundles: dict[str, Path], make_service: MakeService) -> Service:
    """Every request to covertype is shown to a shadow."""
    registry.add("covertype", bundles["covertype-2"], champion=False)
    registry.challenge("covertype", 2)
    service = make_service()
    rule = {"mode": "shadow", "share": 1}
    service.client.put("/models/covertype/traffic", headers={"X-API-Key": API_KEY}, json=rule)
    return service


def bodies(record: dict[str, Any]) -> list[tuple[str, Any]]:
    tensors = [{"name": name, "datatype": "FP64", "shape": [1], "data": [value]} for name, value in record.items()]
    tensors = [each if isinstance(each["data"][0], int | float) else each | {"datatype": "BYTES"} for each in tensors]
    return [
        ("/predict?log=false", record),
        ("/predict?explain=true&log=false", record),
        (f"{URL}?log=false", record),
        (f"{URL}?log=false&version=1", {"records": [record]}),
        (f"{URL}?log=false", {"columns": {name: [value] for name, value in record.items()}}),
        ("/v2/models/covertype/infer?log=false", {"inputs": tensors}),
        ("/v2/models/covertype/versions/1/infer?log=false", {"inputs": tensors}),
        ("/models/covertype/invocations?log=false", {"dataframe_records": [record]}),
    ]


def test_what_is_not_to_be_logged_is_counted_and_not_stored(shadowed: Service) -> None:
    record = shadowed.client.get("/models/covertype").json()["input_example"]
    requests = bodies(record)
    for url, body in requests:
        assert shadowed.client.post(url, json=body).status_code == 200, url
    shadowed.client.post(URL + "?log=true", json=record, headers={"X-Request-ID": "one"})
    shadowed.client.post(URL, json=record, headers={"X-Request-ID": "two"})
    text = shadowed.client.get("/metrics").text
    assert f'inference_predictions_total{{model="covertype",version="1"}} {len(requests) + 2:.1f}' in text
    shadowed.client.__exit__(None, None, None)
    assert [row["request_id"] for row in shadowed.logged] == ["one", "two"]


def test_shadow_does_not_see_what_is_not_logged(shadowed: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[Any] = []
    monkeypatch.setattr("inference_api.shadow.ShadowRunner.offer", lambda *args: offered.append(args))
    record = shadowed.client.get("/models/covertype").json()["input_example"]
    for url, body in bodies(record):
        shadowed.client.post(url, json=body)
    assert offered == []
    shadowed.client.post(URL, json=record)
    assert len(offered) == 1


@pytest.mark.parametrize("query", ["log=no", "log=", "log=false&log=false"])
def test_log_is_true_or_false_and_given_once(service: Service, query: str) -> None:
    reply = service.client.post(f"{URL}?{query}", json={})
    assert (reply.status_code, reply.json()["detail"][0]["loc"]) == (422, ["query", "log"])
