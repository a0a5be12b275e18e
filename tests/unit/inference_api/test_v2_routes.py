"""The Open Inference Protocol as its clients see it."""

import gzip
import json
import tracemalloc
from contextlib import suppress
from typing import Any

import jsonschema
import pytest

from inference_api import v2_protocol
from inference_api.errors import Refusal
from tests.course_client import COURSE_RECORD

from . import v2_schema
from .conftest import MakeService, MemoryRegistry, Service

URL = "/v2/models/covertype/infer"


def tensors(*records: dict[str, Any]) -> list[dict[str, Any]]:
    """Records as tensors: numbers as INT64, anything else as BYTES."""
    return [
        {
            "name": name,
            "shape": [len(records)],
            "datatype": "INT64" if isinstance(value, int) else "BYTES",
            "data": [record[name] for record in records],
        }
        for name, value in records[0].items()
    ]


def check(reply: Any, schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = reply.json()
    jsonschema.validate(found, schema)
    return found


def test_server_and_model_metadata(service: Service) -> None:
    for url in ("/v2", "/v2/"):
        server = check(service.client.get(url), v2_schema.METADATA_SERVER)
        assert server["extensions"] == []
    for url in ("/v2/models/covertype", "/v2/models/covertype/versions/1"):
        model = check(service.client.get(url), v2_schema.METADATA_MODEL)
        assert model["versions"] == ["1"]
        assert model["platform"] == "onnxruntime_onnx"
        inputs = {each["name"]: each["datatype"] for each in model["inputs"]}
        assert inputs == {name: "INT64" if isinstance(v, int) else "BYTES" for name, v in COURSE_RECORD.items()}
        assert [each["name"] for each in model["outputs"]] == ["prediction", "label", "probabilities"]
        assert model["outputs"][2]["shape"] == [-1, 7]
    houses = check(service.client.get("/v2/models/house_prices"), v2_schema.METADATA_MODEL)
    assert houses["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [-1]}]


@pytest.mark.parametrize(
    "url",
    [
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/covertype/ready",
        "/v2/models/covertype/versions/1/ready",
    ],
)
def test_health(service: Service, url: str) -> None:
    assert service.client.get(url).status_code == 200


def test_health_without_a_model(make_service: MakeService) -> None:
    empty = make_service(registry=MemoryRegistry())
    assert empty.client.get("/v2/health/live").status_code == 200
    for url in ("/v2/health/ready", "/v2/models/covertype/ready", "/v2/models/covertype"):
        reply = empty.client.get(url)
        assert reply.status_code == 503
        check(reply, v2_schema.ERROR)


def test_infer_answers_as_the_other_routes_do(service: Service) -> None:
    records = [COURSE_RECORD, COURSE_RECORD | {"Elevation": 3400}]
    rows = service.client.post("/models/covertype/predict", json={"records": records}).json()["predictions"]
    request = {"id": "42", "parameters": {"x": {"y": 1}}, "inputs": tensors(*records)}
    reply = check(service.client.post(URL, json=request), v2_schema.INFERENCE_RESPONSE)
    assert (reply["model_name"], reply["model_version"], reply["id"]) == ("covertype", "1", "42")
    outputs = {each["name"]: each for each in reply["outputs"]}
    assert outputs["prediction"]["data"] == [row["prediction"] for row in rows]
    assert outputs["prediction"]["datatype"] == "INT64"
    assert outputs["label"]["data"] == [row["label"] for row in rows]
    assert outputs["probabilities"]["shape"] == [2, 7]
    assert outputs["probabilities"]["data"] == [p for row in rows for p in row["probabilities"].values()]


@pytest.mark.parametrize("datatype", ["INT8", "UINT64", "FP16", "FP32", "FP64", "BYTES"])
@pytest.mark.parametrize("nested", [False, True])
def test_any_datatype_that_holds_the_value_is_accepted(service: Service, datatype: str, nested: bool) -> None:
    plain = service.client.post(URL, json={"inputs": tensors(COURSE_RECORD)}).json()
    inputs = tensors(COURSE_RECORD)
    for tensor in inputs:
        tensor["parameters"] = {"content_type": "str"}
        if tensor["datatype"] == "INT64":
            tensor["datatype"] = datatype
            form = {"B": str, "F": float}.get(datatype[0], int)
            tensor["data"] = [form(value) for value in tensor["data"]]
        if nested:
            tensor |= {"shape": [1, 1], "data": [tensor["data"]]}
    assert service.client.post(URL, json={"inputs": inputs}).json() == plain


def test_wanted_outputs_are_given_in_order(service: Service) -> None:
    wanted = [{"name": "label"}, {"name": "prediction", "parameters": {"classification": 2}}]
    reply = service.client.post(URL, json={"inputs": tensors(COURSE_RECORD), "outputs": wanted})
    assert [each["name"] for each in check(reply, v2_schema.INFERENCE_RESPONSE)["outputs"]] == ["label", "prediction"]


def test_regression_missing_values_and_a_text_class(service: Service) -> None:
    inputs = tensors({"status": "sold", "bed": 3})
    inputs[1]["data"] = [None]
    houses = service.client.post("/v2/models/house_prices/infer", json={"inputs": inputs})
    [output] = check(houses, v2_schema.INFERENCE_RESPONSE)["outputs"]
    assert output["datatype"] == "FP64"
    penguins = service.client.post("/v2/models/penguins/infer", json={"inputs": tensors({"island": "Biscoe"})})
    assert check(penguins, v2_schema.INFERENCE_RESPONSE)["outputs"][0]["datatype"] == "BYTES"


def test_version_of_the_path(service: Service) -> None:
    body = {"inputs": tensors(COURSE_RECORD)}
    assert service.client.post("/v2/models/covertype/versions/1/infer", json=body).json()["model_version"] == "1"
    for version in ("7", "x", "0", "-1", "9" * 30):
        reply = service.client.post(f"/v2/models/covertype/versions/{version}/infer", json=body)
        assert reply.status_code == 404
        check(reply, v2_schema.ERROR)


def test_gzip(service: Service) -> None:
    body = gzip.compress(json.dumps({"inputs": tensors(COURSE_RECORD)}).encode())
    assert service.client.post(URL, content=body, headers={"Content-Encoding": "gzip"}).status_code == 200


def changed(index: int, **values: Any) -> bytes:
    inputs = tensors(COURSE_RECORD)
    inputs[index] |= values
    return json.dumps({"inputs": inputs}).encode()


TENSOR = b'{"name":"a","datatype":"a","data":1,"shape":[]}'
BAD_BODIES: list[tuple[bytes, str]] = [
    (b"", "Input data was truncated"),
    (b"{", 'truncated. Send {"inputs": [{"name", "shape"'),
    (b" " * 2_000_000, 'truncated. Send {"inputs": [{"name", "shape"'),
    (b"[]", "Expected `object`"),
    (b"\xff", "malformed"),
    (b'{"inputs": ' + b"[" * 50_000, "Expected `object`, got `array`"),
    (b'{"parameters": ' + b"[" * 50_000, "nested too deeply"),
    (b'{"inputs": 5}', "$.inputs"),
    (b'{"inputs": []}', "inputs.Elevation: Elevation is required"),
    (b'{"inputs": [{"name": "Elevation"}]}', "missing required field `shape`"),
    (b'{"inputs": [' + b",".join([TENSOR] * 500) + b"]}", "of at most length 124. Send"),
    (b'{"inputs": [], "outputs": [' + b",".join([b'{"name": "x"}'] * 101) + b"]}", "of at most length 100. Send"),
    (changed(0, data=[-5]), "inputs.Elevation[0]: Elevation must be a whole number between 0 and 9000 m, got -5"),
    (changed(0, data=["x"]), "inputs.Elevation[0]: Elevation must be a whole number"),
    (changed(0, data=[None]), "inputs.Elevation[0]: Elevation is required"),
    (changed(0, data=[[1, 2]]), "inputs.Elevation[0]"),
    (changed(0, data=5), "inputs.Elevation: Elevation must be a list"),
    (changed(0, data=[]), "inputs.Elevation: Elevation has 0 values, other columns have 1"),
    (changed(0, shape=[2]), "inputs.Elevation.shape: data has 1 values, shape says 2"),
    (changed(0, shape=[]), "inputs.Elevation.shape: shape must be [N] or [N, 1]"),
    (changed(0, shape=[1, 2]), "shape must be [N] or [N, 1]"),
    (changed(0, shape=[1] * 1000), "inputs.Elevation.shape: shape must be [N] or [N, 1]"),
    (changed(0, shape="x"), "inputs.Elevation.shape: shape must be [N] or [N, 1]"),
    (changed(0, shape=[-1]), "shape must be [N] or [N, 1]"),
    (changed(0, datatype="STRING"), "inputs.Elevation.datatype: datatype must be one of INT8"),
    (changed(0, name="Elevaton"), "inputs.Elevaton: Elevaton is not a feature of covertype: did you mean Elevation?"),
    (changed(0, name="Aspect"), "two tensors named Aspect"),
    (changed(0).replace(b"[2596]", b"[NaN]"), "malformed"),
    (changed(0).replace(b"[2596]", b"[1e999]"), "inputs.Elevation[0]"),
]


@pytest.mark.parametrize(("body", "message"), BAD_BODIES)
def test_bad_requests_are_answered_in_the_protocols_form(service: Service, body: bytes, message: str) -> None:
    reply = service.client.post(URL, content=body)
    assert reply.status_code == 400
    assert message in check(reply, v2_schema.ERROR)["error"]


def test_other_refusals_are_of_the_same_form(make_service: MakeService) -> None:
    service = make_service(max_records=2, max_body_bytes=5000)
    body = {"inputs": tensors(COURSE_RECORD)}
    for status, url, request in (
        (404, "/v2/models/nobody/infer", {"json": body}),
        (503, "/v2/models/newcomer/infer", {"json": body}),
        (413, URL, {"json": {"inputs": tensors(*[COURSE_RECORD] * 3)}}),
        (413, URL, {"content": b" " * 6000}),
        (400, URL, {"json": {**body, "outputs": [{"name": "nothing"}]}}),
        (400, URL, {"json": body, "headers": {"Inference-Header-Content-Length": "10"}}),
        (400, f"{URL}?explain=true", {"json": body}),
        (415, URL, {"json": body, "headers": {"Content-Encoding": "br"}}),
        (404, "/v2/repository/index", {"json": {}}),
        (404, "/v2/models/covertype", {"json": {}}),
    ):
        reply = service.client.post(url, **request)
        assert reply.status_code == status, url
        check(reply, v2_schema.ERROR)


def test_an_unexpected_error_is_of_the_same_form(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = service.store.states["covertype"].predictor
    monkeypatch.setattr(predictor, "scores", lambda _: 1 / 0)
    reply = service.client.post(URL, json={"inputs": tensors(COURSE_RECORD)}, headers={"X-Request-ID": "mine"})
    assert reply.status_code == 500
    assert "mine" in check(reply, v2_schema.ERROR)["error"]


def test_predictions_are_logged_and_counted(service: Service) -> None:
    service.client.post(URL, json={"inputs": tensors(COURSE_RECORD)}, headers={"X-Request-ID": "mine"})
    metrics = service.client.get("/metrics").text
    assert 'inference_requests_total{method="POST",route="/v2/models/{name}/infer",status="200"} 1.0' in metrics
    service.client.__exit__(None, None, None)
    assert [row["request_id"] for row in service.logged] == ["mine"]


@pytest.mark.parametrize("data", [[[1]] * 50, [[1] * 50]], ids=["many lists", "one long list"])
def test_too_many_nested_values_are_refused_before_they_take_memory(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch, data: list[list[int]]
) -> None:
    service = make_service(max_records=2)
    monkeypatch.setattr(v2_protocol, "MOST_COMMAS", 40)
    # A list for each value: 28 MB of them would take more than a gigabyte.
    monkeypatch.setattr(v2_protocol, "_nested", None)
    tensor = {"name": "Elevation", "shape": [50, 1], "datatype": "INT64", "data": data}
    reply = service.client.post("/v2/models/covertype/infer", json={"inputs": [tensor]})
    assert reply.status_code == 413
    assert "at most 2 records" in reply.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs":[%s]}' % b",".join([TENSOR.replace(b'"datatype"', rb'"\u0064atatype"')] * 30_000),
        b'{"inputs":[%s]}' % b",".join([b"1"] * 700_000),
        b'{"inputs":[],"outputs":[%s]}' % b",".join([b'{"name":"ab"}'] * 100_000),
        b'{"inputs":[%s]}' % TENSOR.replace(b"[]", b"[%s]" % b",".join([b"300"] * 400_000)),
    ],
    ids=["escaped keys", "numbers", "outputs", "shape"],
)
def test_lists_that_a_body_makes_up_take_no_memory(body: bytes) -> None:
    tracemalloc.start()
    # The shape is refused later.
    with suppress(Refusal):
        v2_protocol.read_request(body, 12)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
