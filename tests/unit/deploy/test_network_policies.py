"""Who may talk to whom in the cluster, against the networks of ``docker-compose.yml``."""

from typing import Any

import pytest

from deploy.k8s.compose_settings import compose_services
from tests.kustomize import Manifests

SERVICES = compose_services()


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector matches."""
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def may_reach(manifests: Manifests, client: str, server: str, port: int) -> bool:
    """Whether the policies let a pod connect to another one of the same namespace."""
    source, target = manifests.workload(client).labels, manifests.workload(server).labels
    leaving = entering = False
    for policy in manifests.of("NetworkPolicy").values():
        spec = policy["spec"]
        for rule in spec.get("egress", []) if selects(spec["podSelector"], source) else []:
            leaving |= any(
                peer.keys() == {"podSelector"} and selects(peer["podSelector"], target) for peer in rule["to"]
            )
        for rule in spec.get("ingress", []) if selects(spec["podSelector"], target) else []:
            ports = {entry["port"] for entry in rule["ports"]}
            peers = [peer["podSelector"] for peer in rule["from"] if peer.keys() == {"podSelector"}]
            entering |= port in ports and any(selects(peer, source) for peer in peers)
    return leaving and entering


def reachable(manifests: Manifests, client: str) -> set[str]:
    """Services that the pods of a workload may connect to."""
    return {
        name
        for name, service in manifests.of("Service").items()
        if any(may_reach(manifests, client, name, port["port"]) for port in service["spec"]["ports"])
    }


def test_everything_is_denied_that_is_not_allowed(overlay: Manifests) -> None:
    policy = overlay.of("NetworkPolicy")["default-deny"]["spec"]
    assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_ui_reaches_the_inference_api_and_no_data(overlay: Manifests) -> None:
    assert reachable(overlay, "ui") == {"inference-api"}


@pytest.mark.parametrize(
    ("client", "servers"),
    [
        ("inference-api", {"mlflow", "mysql"}),
        ("mlflow", {"minio", "mysql"}),
        ("mlflow-init", {"minio", "mysql"}),
        ("pipeline-init", {"minio", "mysql"}),
        ("airflow-init", {"postgres"}),
        ("airflow-api-server", {"postgres"}),
        ("airflow-dag-processor", {"airflow-api-server", "postgres"}),
        ("preflight", set()),
        ("mysql", set()),
        ("airflow-scheduler", {"airflow-api-server", "inference-api", "minio", "mlflow", "mysql", "postgres"}),
    ],
)
def test_a_service_reaches_what_it_works_with(client: str, servers: set[str], overlay: Manifests) -> None:
    assert reachable(overlay, client) - {"external-data-api"} == servers


def test_tasks_reach_the_source_of_batches(local: Manifests, production: Manifests) -> None:
    assert may_reach(local, "airflow-scheduler", "external-data-api", 8000)
    assert production.of("NetworkPolicy")["source-of-batches"]["spec"]["podSelector"] == {
        "matchLabels": {"app.kubernetes.io/name": "airflow-scheduler"}
    }


@pytest.mark.parametrize("client", SERVICES)
def test_no_way_is_open_that_compose_does_not_have(client: str, local: Manifests) -> None:
    networks = {name: set(service.get("networks", [])) for name, service in SERVICES.items()}
    strangers = {server for server in reachable(local, client) if not networks[server] & networks[client]}
    assert strangers == set()


def test_the_proxy_of_the_cluster_reaches_what_the_ingress_shows(production: Manifests) -> None:
    (ingress,) = production.of("Ingress").values()
    shown = {path["backend"]["service"]["name"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]}
    spec = production.of("NetworkPolicy")["ingress-controller"]["spec"]

    assert {name for name in SERVICES if selects(spec["podSelector"], {"app.kubernetes.io/name": name})} == shown
