"""The contract of the external batch API, spoken over HTTP, with a clock that the test turns."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from external_data_api.app import create_app
from pipeline.errors import ConfigurationError
from pipeline.settings import ExternalDataApiSettings

USE_CASES = Path(__file__).resolve().parents[2] / "use_cases"
EXHAUSTED = {"detail": "Ya se recolectó toda la información minima necesaria"}
BAD_GROUP = {"detail": "Número de grupo inválido"}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(tmp_path: Path, clock: Clock) -> Callable[..., TestClient]:
    """Start the service; a second start in one test is a restart with the same state folder."""

    def _start(**values: Any) -> TestClient:
        given = {"use_cases_dir": USE_CASES, "source_state_dir": tmp_path / "state", "source_rows": 1000, **values}
        return TestClient(create_app(ExternalDataApiSettings.model_validate(given), clock))

    return _start


def ask(client: TestClient, group: object = 6, path: str = "/data", **more: object) -> httpx.Response:
    return client.get(path, params={"group_number": str(group), **{key: str(value) for key, value in more.items()}})


def rows_of(reply: httpx.Response) -> set[tuple[str, ...]]:
    return {tuple(row) for row in reply.json()["data"]}


def test_reply_has_the_shape_of_the_contract(start: Callable[..., TestClient]) -> None:
    reply = ask(start())
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert list(body) == ["group_number", "batch_number", "data"]
    assert (body["group_number"], body["batch_number"]) == (6, 1)
    assert len(body["data"]) == 10
    assert all(len(row) == 13 and all(isinstance(value, str) for value in row) for row in body["data"])


def test_calls_within_a_window_sample_the_same_batch_differently(
    start: Callable[..., TestClient], clock: Clock
) -> None:
    client = start()
    replies = []
    for _ in range(12):
        replies.append(ask(client))
        clock.now += 20
    assert {reply.json()["batch_number"] for reply in replies} == {1}
    samples = [rows_of(reply) for reply in replies]
    assert len({frozenset(sample) for sample in samples}) == 12
    assert len(set().union(*samples)) <= 100  # the rows of one batch


def test_batch_advances_once_per_interval_and_only_when_asked(start: Callable[..., TestClient], clock: Clock) -> None:
    client = start(min_update_time=300)
    assert ask(client).json()["batch_number"] == 1
    clock.now += 299
    assert ask(client).json()["batch_number"] == 1
    clock.now += 1
    assert ask(client).json()["batch_number"] == 2
    clock.now += 10_000
    assert ask(client).json()["batch_number"] == 3


def test_last_batch_is_handed_out_once_then_every_call_is_refused(
    start: Callable[..., TestClient], clock: Clock
) -> None:
    client = start()
    numbers = []
    for _ in range(10):
        numbers.append(ask(client).json()["batch_number"])
        clock.now += 300
    clock.now -= 299  # still inside the window of batch 10
    assert numbers == list(range(1, 11))
    for _ in range(2):
        reply = ask(client)
        assert (reply.status_code, reply.json()) == (400, EXHAUSTED)
        clock.now += 10_000


def test_restart_begins_again_at_batch_one_with_other_samples(start: Callable[..., TestClient], clock: Clock) -> None:
    client = start(batch_count=2)
    first = ask(client)
    clock.now += 300
    ask(client)
    assert ask(client).status_code == 400
    restarted = ask(client, path="/restart_data_generation")
    assert (restarted.status_code, restarted.json()) == (200, ["ok"])
    again = ask(client)
    assert again.json()["batch_number"] == 1
    assert rows_of(again) != rows_of(first)


@pytest.mark.parametrize("path", ["/data", "/restart_data_generation", "/penguins/data", "/house_prices/data"])
@pytest.mark.parametrize("group", [0, 11, -1, 10**30])
def test_bad_group_number_is_refused_with_the_courses_words(
    start: Callable[..., TestClient], path: str, group: int
) -> None:
    reply = ask(start(), group, path)
    assert (reply.status_code, reply.json()) == (400, BAD_GROUP)


def test_group_number_that_is_missing_or_no_number_is_422(start: Callable[..., TestClient]) -> None:
    client = start()
    assert client.get("/data").status_code == 422
    assert ask(client, "six").status_code == 422
    assert client.get("/restart_data_generation").status_code == 422


def test_day_is_accepted_everywhere(start: Callable[..., TestClient]) -> None:
    client = start()
    assert ask(client, day="Tuesday").status_code == 200
    assert ask(client, path="/restart_data_generation", day="Tuesday").status_code == 200


def test_groups_and_use_cases_do_not_disturb_each_other(start: Callable[..., TestClient], clock: Clock) -> None:
    client = start()
    ask(client, 1)
    clock.now += 300
    assert ask(client, 1).json()["batch_number"] == 2
    assert ask(client, 10).json()["batch_number"] == 1
    assert ask(client, 1, "/penguins/data").json()["batch_number"] == 1
    ask(client, 10, "/restart_data_generation")
    assert ask(client, 1).json()["batch_number"] == 2


def test_state_survives_a_restart_of_the_service(start: Callable[..., TestClient], clock: Clock) -> None:
    client = start()
    ask(client)
    clock.now += 300
    before = ask(client)
    after = ask(start())
    assert (before.json()["batch_number"], after.json()["batch_number"]) == (2, 2)
    assert rows_of(before) != rows_of(after)
    clock.now += 300
    assert ask(start()).json()["batch_number"] == 3


def test_damaged_state_file_stops_the_start(start: Callable[..., TestClient], tmp_path: Path) -> None:
    ask(start())
    (tmp_path / "state" / "state.json").write_text('{"format": 1, "curs')
    with pytest.raises(ConfigurationError, match=r"state\.json is damaged"):
        start()


def test_whole_batches_deliver_every_row(start: Callable[..., TestClient], tmp_path: Path) -> None:
    path = tmp_path / "covertype.csv"
    header = "Cover_Type,Soil_Type,Wilderness_Area,Elevation,Aspect,Slope,Horizontal_Distance_To_Hydrology,"
    header += "Vertical_Distance_To_Hydrology,Horizontal_Distance_To_Roadways,Hillshade_9am,Hillshade_Noon,"
    header += "Hillshade_3pm,Horizontal_Distance_To_Fire_Points"
    path.write_text(header + "\n" + "".join(f"5,C7745,Rawah,{n},1,2,3,4,5,6,7,8,9\n" for n in range(237)))
    client = start(sample_share=1, min_update_time=0, use_case_csv={"covertype": path})
    replies = [ask(client) for _ in range(10)]
    assert [len(reply.json()["data"]) for reply in replies] == [23] * 9 + [30]
    delivered = [tuple(row) for reply in replies for row in reply.json()["data"]]
    assert sorted(int(row[0]) for row in delivered) == list(range(237))
    assert delivered[0][1:] == ("1", "2", "3", "4", "5", "6", "7", "8", "9", "Rawah", "C7745", "5")


def test_concurrent_calls_hand_out_each_batch_once(start: Callable[..., TestClient]) -> None:
    client = start(min_update_time=0)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: ask(client), range(24)))
    numbers = sorted(reply.json()["batch_number"] for reply in replies if reply.status_code == 200)
    assert numbers == list(range(1, 11))
    assert [reply.json() for reply in replies if reply.status_code != 200] == [EXHAUSTED] * 14


def test_same_seed_and_calls_deliver_the_same_rows(start: Callable[..., TestClient], tmp_path: Path) -> None:
    one, same = start(source_state_dir=tmp_path / "1"), start(source_state_dir=tmp_path / "2")
    other = start(source_state_dir=tmp_path / "3", source_seed=1)
    assert ask(one).content == ask(same).content
    assert ask(one).content != ask(other).content


def test_health_says_which_data_each_use_case_serves(start: Callable[..., TestClient]) -> None:
    client = start(min_update_time=30)
    ask(client, 3)
    body = client.get("/").json()
    assert (body["status"], body["batch_interval_seconds"]) == ("ok", 30)
    assert set(body["use_cases"]) == {"covertype", "penguins", "house_prices"}
    covertype, penguins = body["use_cases"]["covertype"], body["use_cases"]["penguins"]
    assert (covertype["data"], covertype["rows"], covertype["batches"]) == ("generated", 1000, 10)
    assert "invented" in covertype["origin"]
    assert covertype["batch_number_by_group"] == {"3": 1}
    assert (penguins["data"], penguins["rows"], penguins["rows_per_call"]) == ("real", 344, 34)


def with_iris(tmp_path: Path) -> Path:
    """The use cases and a fourth one, of which nobody has data."""
    folder = shutil.copytree(USE_CASES, tmp_path / "use_cases")
    iris = (folder / "penguins.yaml").read_text(encoding="utf-8").replace("penguins", "iris")
    (folder / "iris.yaml").write_text(iris, encoding="utf-8")
    return folder


def test_fourth_use_case_is_a_yaml_and_a_csv(
    start: Callable[..., TestClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_iris(tmp_path)
    rows = tmp_path / "iris.csv"
    header = "species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,year"
    rows.write_text(header + "\n" + "Adelie,Dream,39.1,18.7,181,3750,NA,2007\n" * 20)
    monkeypatch.setenv("IRIS_CSV", str(rows))
    client = start(use_cases_dir=folder)
    assert ask(client, path="/iris/data").json()["data"] == [
        ["Adelie", "Dream", "39.1", "18.7", "181", "3750", "NA", "2007"]
    ]


def test_a_use_case_without_data_is_answered_with_the_remedy_and_stops_no_other(
    start: Callable[..., TestClient], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = start(use_cases_dir=with_iris(tmp_path))
    for path in ("/iris/data", "/iris/restart_data_generation"):
        reply = ask(client, path=path)
        assert reply.status_code == 404
        assert "iris has no data: set IRIS_CSV to a CSV file with the columns species," in reply.json()["detail"]
        assert "or SOURCE_URL" in reply.json()["detail"]
    assert ask(client, path="/penguins/data").status_code == 200
    health = client.get("/").json()
    assert (health["status"], set(health["use_cases"])) == ("ok", {"covertype", "penguins", "house_prices"})
    assert set(health["without_data"]) == {"iris"}
    assert [record.levelname for record in caplog.records if "iris has no data" in record.message] == ["WARNING"]


@pytest.mark.parametrize("path", ["/", "/docs", "/data"])
def test_path_that_is_taken_is_refused(start: Callable[..., TestClient], tmp_path: Path, path: str) -> None:
    folder = shutil.copytree(USE_CASES, tmp_path / "use_cases")
    changed = (folder / "penguins.yaml").read_text(encoding="utf-8")
    changed = changed.replace("restart_path: /penguins/restart_data_generation", f"restart_path: {path}")
    (folder / "penguins.yaml").write_text(changed, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"used twice: {path}$"):
        start(use_cases_dir=folder)


def test_variable_of_an_unknown_use_case_is_pointed_out(
    start: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    start(use_case_csv={"covertpye": Path("x.csv")})
    assert "COVERTPYE_CSV is set, but there is no use case covertpye" in caplog.text
