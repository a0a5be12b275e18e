"""The dashboard of Grafana asks for what is really measured, and is found where the UI's link leads."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from inference_api.metrics import ServiceMetrics
from ui.links import GRAFANA_DASHBOARD

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "monitoring" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "inference.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES: list[str] = [target["expr"] for panel in PANELS for target in panel.get("targets", ())]
OF_PROMETHEUS = {"up"}
METRIC = re.compile(r"\b(?:inference_\w+|up)\b")


def exported() -> set[str]:
    """Names of the series that the API gives, also of those without a sample yet."""
    names = set(OF_PROMETHEUS)
    for line in ServiceMetrics().render().decode().splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split()
            names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_series_that_exist(query: str) -> None:
    asked = set(METRIC.findall(query))
    assert asked
    assert asked <= exported()


def test_the_variable_asks_for_a_series_that_exists() -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    assert set(METRIC.findall(variable["definition"])) <= exported()
    assert variable["name"] == "model"


def test_the_link_of_the_ui_leads_to_the_dashboard() -> None:
    assert DASHBOARD["uid"] == GRAFANA_DASHBOARD


def test_every_panel_uses_the_data_source_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert {target["datasource"]["uid"] for panel in PANELS for target in panel.get("targets", ())} == {source["uid"]}
    assert "$__rate_interval" in "".join(QUERIES)
    scrape = yaml.safe_load((ROOT / "monitoring" / "prometheus" / "prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scrape["scrape_interval"]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_container_finds_what_is_provisioned() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    grafana = compose["services"]["grafana"]
    mounts = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    assert mounts["./monitoring/grafana/provisioning"] == "/etc/grafana/provisioning"
    (provider,) = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "dashboards.yml").read_text())["providers"]
    assert mounts["./monitoring/grafana/dashboards"] == provider["options"]["path"]
    assert grafana["profiles"] == ["monitoring"]
