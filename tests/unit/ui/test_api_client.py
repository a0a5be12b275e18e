"""What the client makes of each answer, and of none."""

import socket

import pytest
import requests

from tests.browser.fake_inference_api import ANSWERS, EXAMPLES, FakeInferenceApi
from ui.api_client import ApiClient, ApiProblem


@pytest.fixture
def client(fake_api: FakeInferenceApi) -> ApiClient:
    return ApiClient(fake_api.url + "/", timeout=2)


def problem_of(client: ApiClient) -> ApiProblem:
    with pytest.raises(ApiProblem) as caught:
        client.predict("covertype", EXAMPLES["covertype"])
    return caught.value


def test_models_and_details_are_read(client: ApiClient) -> None:
    assert [model.title for model in client.models()] == ["Forest cover type", "House prices", "Palmer penguins"]
    details = client.model("covertype")
    assert details.champion_version == 2
    assert details.versions[1].aliases == ["champion"]
    assert details.versions[1].created == "2026-11-22 10:30"
    assert details.record_schema
    assert details.record_schema["properties"]["Elevation"]["maximum"] == 9000


def test_a_prediction_keeps_its_type(client: ApiClient, fake_api: FakeInferenceApi) -> None:
    prediction = client.predict("covertype", EXAMPLES["covertype"])
    assert prediction.prediction == 5
    assert prediction.probabilities == ANSWERS["covertype"]["probabilities"]
    assert client.predict("penguins", {}).prediction == "Gentoo"
    assert fake_api.received[0] == EXAMPLES["covertype"]


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        (400, "bad", "invalid"),
        (404, "there is no model 'x'", "unknown_model"),
        (404, "Not Found", "unreadable"),
        (413, "too many rows", "invalid"),
        (429, "saturated", "busy"),
        (500, "internal error", "failed"),
        (503, "no champion yet", "no_model"),
    ],
)
def test_each_status_is_a_kind_of_problem(
    client: ApiClient, fake_api: FakeInferenceApi, status: int, detail: str, kind: str
) -> None:
    fake_api.fault = (status, detail)
    problem = problem_of(client)
    assert (problem.kind, problem.status) == (kind, status)
    assert problem.detail == ("" if kind == "unreadable" else detail)


def test_mistakes_of_a_422_are_given_by_field(client: ApiClient, fake_api: FakeInferenceApi) -> None:
    fake_api.fault = (
        422,
        [
            {"loc": ["body", "Elevation"], "msg": "too high", "type": "out_of_range"},
            {"loc": ["body", "records", 0, "Slope"], "msg": "too steep", "type": "out_of_range"},
            {"loc": ["body"], "msg": "no JSON", "type": "json_invalid"},
        ],
    )
    problem = problem_of(client)
    assert problem.kind == "invalid"
    assert problem.field_errors == (("Elevation", "too high"), ("Slope", "too steep"), ("", "no JSON"))


@pytest.mark.parametrize("answer", [b"<html>hello</html>", b"{}", b'{"models": "all"}', b"\xff", b""])
def test_an_answer_of_another_server_is_called_unreadable(
    client: ApiClient, monkeypatch: pytest.MonkeyPatch, fake_api: FakeInferenceApi, answer: bytes
) -> None:
    monkeypatch.setattr(fake_api, "answer", lambda *_: (200, answer))
    with pytest.raises(ApiProblem, match="unreadable"):
        client.models()


@pytest.mark.parametrize(("status", "kind"), [(404, "unreadable"), (502, "failed"), (503, "failed")])
def test_an_error_page_of_a_proxy_is_no_word_of_the_api(
    client: ApiClient, monkeypatch: pytest.MonkeyPatch, fake_api: FakeInferenceApi, status: int, kind: str
) -> None:
    monkeypatch.setattr(fake_api, "answer", lambda *_: (status, b"<html>nginx</html>"))
    assert problem_of(client).kind == kind


def test_a_slow_api_is_a_time_out(fake_api: FakeInferenceApi) -> None:
    fake_api.delay_seconds = 0.5
    assert problem_of(ApiClient(fake_api.url, timeout=0.1)).kind == "timeout"


@pytest.mark.parametrize("url", ["nonsense", "http://[", "http://localhost:99999", "ftp://localhost"])
def test_a_url_that_leads_nowhere_is_unreachable(url: str) -> None:
    assert problem_of(ApiClient(url, timeout=1)).kind == "unreachable"


def test_a_closed_port_is_unreachable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = ApiClient(f"http://127.0.0.1:{closed.getsockname()[1]}", timeout=1)
        assert problem_of(client).kind == "unreachable"


def test_an_api_that_hangs_up_is_unreachable(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang_up(*_: object, **__: object) -> None:
        raise requests.exceptions.ChunkedEncodingError("connection broken")

    monkeypatch.setattr(requests, "request", hang_up)
    assert problem_of(client).kind == "unreachable"
