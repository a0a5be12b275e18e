"""What was collected, as the routes below /data show it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from inference_api.distributions import describe_columns
from pipeline.collection import collect, poll
from pipeline.errors import SourceError, SourceExhausted
from pipeline.lake import Lake, open_lake
from pipeline.settings import PipelineSettings
from pipeline.use_case import Column, UseCase
from pipeline.warehouse import Warehouse
from tests.integration.deliveries import MemorySource, reply
from tests.unit.inference_api.conftest import MakeService, Service
from tests.unit.inference_api.recorded import make_warehouse

ROW = ["Adelie", "Dream", "39.1", "18.7", "181", "3750", "male", "2007"]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = open_lake(PipelineSettings(lake_url=f"file://{tmp_path}/lake"))
    lake.create()
    return lake


@pytest.fixture
def warehouse(penguins: UseCase, covertype: UseCase, tmp_path: Path) -> Iterator[Warehouse]:
    warehouse, _ = make_warehouse(tmp_path, [penguins, covertype])
    yield warehouse
    warehouse.close()


@pytest.fixture
def shown(make_service: MakeService, warehouse: Warehouse) -> Service:
    url = warehouse.database.url.render_as_string()
    return make_service(warehouse_url=url, collect_interval_seconds=120)


def test_batches_are_shown_with_the_last_poll_and_the_next(
    shown: Service, warehouse: Warehouse, penguins: UseCase, lake: Lake
) -> None:
    source = MemorySource(reply(1, [ROW, ["bad"]]), reply(2, [ROW, [*ROW[:5], "3751", *ROW[6:]]]))
    for _ in range(2):
        collect(penguins, source, lake, warehouse)

    data = shown.client.get("/data/penguins").json()

    assert (data["use_case"], data["title"], data["rows"], data["quarantined"]) == ("penguins", penguins.title, 2, 1)
    assert [batch["batch_number"] for batch in data["batches"]] == [1, 2]
    first = data["batches"][0]
    counts = ("deliveries", "delivered", "accepted", "duplicate", "quarantined")
    assert [first[name] for name in counts] == [1, 2, 1, 0, 1]
    assert data["last_poll"]["outcome"] == "delivered"
    at, following = (datetime.fromisoformat(text) for text in (data["last_poll"]["at"], data["next_poll"]))
    assert following - at == timedelta(seconds=120)
    assert (data["interval_seconds"], data["exhausted"]) == (120, False)
    use_cases = shown.client.get("/data").json()["use_cases"]
    rows = {item["name"]: item["rows"] for item in use_cases}
    assert (rows["penguins"], rows["covertype"]) == (2, 0)


def test_failed_poll_is_shown_without_credentials_and_an_exhausted_source_as_such(
    shown: Service, warehouse: Warehouse, penguins: UseCase, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_api.data_routes.DATA_SECONDS", -1)
    assert shown.client.get("/data/penguins").json()["last_poll"] is None
    source = MemorySource(SourceError("500 at http://user:secret@source:8000/data"))
    with pytest.raises(SourceError):
        poll(penguins, source, lake, warehouse)
    failed = shown.client.get("/data/penguins").json()
    assert failed["last_poll"]["outcome"] == "failed"
    assert failed["last_poll"]["detail"] == "500 at http://source:8000/data"
    with pytest.raises(SourceExhausted):
        poll(penguins, source, lake, warehouse)
    assert shown.client.get("/data/penguins").json()["exhausted"] is True


def test_quarantined_rows_are_shown_with_their_batch_and_reasons(
    shown: Service, warehouse: Warehouse, penguins: UseCase, lake: Lake
) -> None:
    rows = [["Adelie", "Nowhere", *ROW[2:]], [*ROW[:5], "-5", *ROW[6:]], ["\ud800"], 7]
    collect(penguins, MemorySource(reply(3, [ROW, *rows])), lake, warehouse)

    found = shown.client.get("/data/penguins/quarantine", params={"limit": 3}).json()

    assert (found["total"], found["columns"]) == (4, [column.name for column in penguins.columns])
    assert [row["row_index"] for row in found["rows"]] == [1, 2, 3]
    first = found["rows"][0]
    assert (first["epoch"], first["batch_number"], first["row"]) == (0, 3, rows[0])
    assert first["reasons"][0]["field"] == "island"
    assert "Nowhere" in first["reasons"][0]["reason"]
    # No UTF-8 holds a lone surrogate: it is shown as it is escaped.
    assert found["rows"][2]["row"] == ["\\ud800"]
    assert shown.client.get("/data/penguins/quarantine", params={"limit": 0}).status_code == 422


def test_distributions_are_those_of_the_rows(
    shown: Service, warehouse: Warehouse, penguins: UseCase, lake: Lake
) -> None:
    rows = [[*ROW[:5], str(mass), "" if mass % 4 == 0 else "male", "2007"] for mass in range(3000, 3400)]
    collect(penguins, MemorySource(reply(1, rows)), lake, warehouse)

    found = shown.client.get("/data/penguins/distributions").json()

    assert (found["rows"], found["sampled"]) == (400, 400)
    features = {feature["name"]: feature for feature in found["features"]}
    mass = features["body_mass_g"]
    assert (mass["kind"], mass["unit"], mass["role"]) == ("numeric", "g", "feature")
    assert (mass["minimum"], mass["median"], mass["maximum"]) == (3000, 3199.5, 3399)
    assert len(mass["bins"]) == 20
    assert sum(bin_["share"] for bin_ in mass["bins"]) == pytest.approx(1)
    assert features["sex"]["missing_share"] == 0.25
    assert features["sex"]["bins"] == [{"label": "male", "share": 1}]
    assert features["species"]["role"] == "target"


def test_use_case_without_rows_has_empty_distributions(shown: Service) -> None:
    found = shown.client.get("/data/covertype/distributions").json()
    assert (found["rows"], found["sampled"]) == (0, 0)
    assert all(feature["bins"] == [] for feature in found["features"])


@pytest.mark.parametrize("path", ["", "/quarantine", "/distributions"])
def test_unknown_use_case_names_those_there_are(shown: Service, path: str) -> None:
    answer = shown.client.get(f"/data/nothing{path}")
    assert answer.status_code == 404
    assert "penguins" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["", "/penguins", "/penguins/quarantine", "/penguins/distributions"])
def test_warehouse_that_is_down_is_said(make_service: MakeService, tmp_path: Path, path: str) -> None:
    service = make_service(warehouse_url=f"sqlite:///{tmp_path}/absent/warehouse.db")
    answer = service.client.get(f"/data{path}")
    assert answer.status_code == 503
    assert "the warehouse is unreachable" in answer.json()["detail"]


def described(column: dict[str, Any], values: list[Any]) -> Any:
    use_case = UseCase.model_construct(None, columns=[Column.model_validate(column)])  # type: ignore[call-arg]
    (found,) = describe_columns(use_case, {column["name"]: values})
    return found


def test_long_tail_does_not_leave_one_bin_for_all_others() -> None:
    values = [float(value) for value in range(1000)] + [1e9]
    found = described({"name": "price", "type": "number"}, values)
    assert max(bin_.share for bin_ in found.bins) < 0.1
    assert found.bins[-1].label.startswith("≥ ")
    assert found.maximum == 1e9


def test_few_whole_numbers_and_dates_have_a_bin_each() -> None:
    beds = described({"name": "bed", "type": "integer"}, [1, 2, 2, None])
    assert [(bin_.label, bin_.share) for bin_ in beds.bins] == [("1", 0.333333), ("2", 0.666667)]
    assert beds.missing_share == 0.25
    # Delivered as numbers, as a column with missing values often is.
    assert described({"name": "bath", "type": "number"}, [1.0, 2.0, 2.0, None]).bins == beds.bins
    days = described({"name": "sold", "type": "date"}, ["2020-02-28", "2020-02-29"])
    assert [bin_.label for bin_ in days.bins] == ["2020-02-28", "2020-02-29"]
    assert (days.minimum, days.maximum) == ("2020-02-28", "2020-02-29")


@pytest.mark.parametrize(
    ("low", "width", "labels"),
    [
        (100_000.0, 2_000.0, ["100000 to 102000", "102000 to 104000"]),
        (0.0, 0.005, ["0 to 0.005", "0.005 to 0.01"]),
        (1e5, 0.002, ["100000 to 100000.002", "100000.002 to 100000.004"]),
    ],
)
def test_labels_of_bins_tell_them_apart(low: float, width: float, labels: list[str]) -> None:
    found = described({"name": "price", "type": "number"}, [low + width * 20 * part / 99 for part in range(100)])
    assert [bin_.label for bin_ in found.bins[:2]] == labels
    assert len({bin_.label for bin_ in found.bins}) == 20


def test_rare_values_of_an_open_list_are_put_together() -> None:
    values = ["common"] * 50 + [f"rare {number}" for number in range(50)]
    found = described({"name": "city", "type": "text"}, values)
    assert len(found.bins) == 20
    assert (found.bins[0].label, found.bins[0].share) == ("common", 0.5)
    assert (found.bins[-1].label, found.bins[-1].share) == ("other", 0.32)
