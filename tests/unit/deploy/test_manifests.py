"""The overlays of ``deploy/k8s``: valid, complete in themselves, and safe."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest

from deploy.k8s.compose_settings import compose_services
from pipeline.settings import ExternalDataApiSettings, InferenceApiSettings
from tests.kustomize import Manifests, Workload

# The oldest Kubernetes that docs/kubernetes.md names, and a recent one.
KUBERNETES = ("1.30", "1.36")
# Objects that others put into the cluster.
FROM_OUTSIDE = {("Secret", "mlops-secrets"), ("Secret", "mlops-tls")}
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def in_bytes(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def in_cores(quantity: str) -> float:
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def references(thing: Any) -> Iterator[tuple[str, str]]:
    """Every (kind, name) that a part of a manifest refers to."""
    kinds = {
        "configMapRef": "ConfigMap", "configMap": "ConfigMap", "secretRef": "Secret", "secretKeyRef": "Secret",
        "secret": "Secret", "service": "Service",
    }  # fmt: skip
    if isinstance(thing, list):
        for part in thing:
            yield from references(part)
    elif isinstance(thing, dict):
        for key, part in thing.items():
            if key in kinds and isinstance(part, dict):
                yield kinds[key], part.get("name") or part["secretName"]
            elif key in ("claimName", "serviceAccountName", "secretName", "serviceName"):
                kind = {"claimName": "PersistentVolumeClaim", "serviceAccountName": "ServiceAccount"}
                yield kind.get(key, "Secret" if key == "secretName" else "Service"), part
            elif key == "scaleTargetRef":
                yield part["kind"], part["name"]
            else:
                yield from references(part)


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_valid_and_has_no_unknown_field(version: str, overlay: Manifests) -> None:
    for thing in overlay.objects:
        kubernetes_validate.validate(thing, version, strict=True)


def test_no_object_is_defined_twice(overlay: Manifests) -> None:
    keys = [(thing["kind"], thing["metadata"]["name"]) for thing in overlay.objects]
    assert len(keys) == len(set(keys))


def test_every_object_that_is_referred_to_exists(overlay: Manifests) -> None:
    existing = {(thing["kind"], thing["metadata"]["name"]) for thing in overlay.objects} | FROM_OUTSIDE
    assert set(references(overlay.objects)) - existing == set()


def test_every_key_of_a_secret_that_is_referred_to_exists(local: Manifests) -> None:
    (secret,) = local.of("Secret").values()
    used = {
        variable["valueFrom"]["secretKeyRef"]["key"]
        for workload in local.workloads()
        for container in workload.containers
        for variable in container.get("env", [])
        if "valueFrom" in variable
    }
    assert used <= set(secret["data"])


def test_every_volume_that_is_mounted_exists(overlay: Manifests) -> None:
    for workload in overlay.workloads():
        volumes = {volume["name"] for volume in workload.pod.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in workload.spec.get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for container in workload.containers for mount in container.get("volumeMounts", [])}
        assert mounted == volumes, workload.name


def test_every_service_leads_to_the_pods_of_one_workload_and_a_port_they_have(overlay: Manifests) -> None:
    for name, service in overlay.of("Service").items():
        selector = service["spec"]["selector"].items()
        (workload,) = [workload for workload in overlay.workloads() if selector <= workload.labels.items()]
        ports = {port["name"]: port["containerPort"] for port in workload.container["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"], name


def test_every_workload_selects_its_own_pods_only(overlay: Manifests) -> None:
    for workload in overlay.workloads():
        if workload.kind == "Job":
            continue
        selector = workload.spec["selector"]["matchLabels"].items()
        assert [other.name for other in overlay.workloads() if selector <= other.labels.items()] == [workload.name]


def test_no_container_has_rights_it_does_not_need(overlay: Manifests) -> None:
    for workload in overlay.workloads():
        pod = workload.pod["securityContext"]
        assert pod["runAsNonRoot"], workload.name
        assert pod["runAsUser"] > 0, workload.name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, workload.name
        assert workload.pod["automountServiceAccountToken"] is False, workload.name
        # Their variables look like settings: MLFLOW_PORT=tcp://10.0.0.1:5000
        assert workload.pod["enableServiceLinks"] is False, workload.name
        for container in workload.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, workload.name


def test_every_container_says_what_it_needs_and_may_have(overlay: Manifests) -> None:
    for workload in overlay.workloads():
        for container in workload.containers:
            resources = container["resources"]
            assert set(resources["requests"]) == {"cpu", "memory"}, workload.name
            assert in_bytes(resources["requests"]["memory"]) <= in_bytes(resources["limits"]["memory"]), workload.name


def test_the_local_overlay_fits_a_laptop(local: Manifests) -> None:
    """All services and all jobs at once ask for less than 2 cores and 5 of 8 GB: a cluster takes one for itself."""
    requests = [workload.container["resources"]["requests"] for workload in local.workloads()]
    assert sum(in_bytes(request["memory"]) for request in requests) <= 5 * 2**30
    assert sum(in_cores(request["cpu"]) for request in requests) <= 2


def test_images_built_on_the_node_are_not_pulled(local: Manifests) -> None:
    for workload in local.workloads():
        assert {container["imagePullPolicy"] for container in workload.containers} == {"IfNotPresent"}, workload.name


def probes(workload: Workload) -> dict[str, dict[str, Any]]:
    return {name: probe for name, probe in workload.container.items() if name.endswith("Probe")}


def test_every_service_is_probed_at_a_port_it_has(overlay: Manifests) -> None:
    for workload in overlay.workloads():
        if workload.kind == "Job":
            continue
        assert "readinessProbe" in probes(workload), workload.name
        ports = {port["name"] for port in workload.container.get("ports", [])}
        for probe in probes(workload).values():
            for kind in ("httpGet", "tcpSocket"):
                assert kind not in probe or probe[kind]["port"] in ports, workload.name


def test_no_probe_can_end_a_training(overlay: Manifests) -> None:
    """A search takes all processors for minutes, and tasks do not need the API server to be there all the time."""
    assert set(probes(overlay.workload("airflow-scheduler"))) == {"readinessProbe"}


@pytest.mark.parametrize("name", [name for name, service in compose_services().items() if "healthcheck" in service])
def test_a_probe_asks_what_the_healthcheck_of_compose_asks(name: str, local: Manifests) -> None:
    command = [str(part) for part in compose_services()[name]["healthcheck"]["test"]]
    asked = str(list(probes(local.workload(name)).values()))
    urls = [urlsplit(part) for part in command if part.startswith("http://")]
    wanted = [f"{url.path}?{url.query}".rstrip("?") for url in urls] or [command[-1].rpartition("/")[2]]

    assert [path for path in wanted if path not in asked] == []


@pytest.mark.parametrize(
    ("name", "paths"),
    [("inference-api", {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"}),
     ("external-data-api", {"startupProbe": "/", "readinessProbe": "/"})],
)  # fmt: skip
def test_probes_ask_routes_of_the_application(
    name: str, paths: dict[str, str], local: Manifests, tmp_path: Path
) -> None:
    found = {probe: value["httpGet"]["path"] for probe, value in probes(local.workload(name)).items()}
    assert found == paths
    assert set(paths.values()) <= set(application_of(name, tmp_path).openapi()["paths"])


def application_of(name: str, folder: Path) -> Any:
    if name == "inference-api":
        from inference_api.app import create_app

        return create_app(InferenceApiSettings(model_cache_dir=folder))
    from external_data_api.app import create_app as create_source

    return create_source(ExternalDataApiSettings(source_state_dir=folder))
