"""How the manifests come into a cluster: order, updates without lost requests, production, Argo CD."""

import shutil
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from deploy.k8s.compose_settings import preflight, secret_names
from inference_api.__main__ import GRACE_SECONDS
from pipeline.errors import ConfigurationError
from pipeline.settings import (
    DEVELOPMENT_SECRET_PREFIX,
    InferenceApiSettings,
    PipelineSettings,
    ServiceSettings,
    load_settings,
)
from tests.kustomize import REPOSITORY, Manifests, build, wave

ARGOCD = REPOSITORY / "deploy" / "argocd"
# Parts of the namespace that nothing waits for, and whose schemas come with their operators.
CUSTOM = {"ExternalSecret", "ServiceMonitor"}
DATABASES = ("mysql", "postgres", "minio")


@pytest.fixture(scope="session")
def own_secrets() -> dict[str, str]:
    return dict.fromkeys(secret_names(), "a-secret-of-our-own")


@pytest.fixture
def working_copy(tmp_path: Path, _kustomize: None) -> Path:
    """The folders that a build reads, free to change."""
    for folder in ("deploy", "docker"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    return tmp_path / "deploy" / "k8s"


# --- order ---


def test_settings_come_before_databases_before_tables_before_services(overlay: Manifests) -> None:
    waves = {workload.name: workload.wave for workload in overlay.workloads()}
    jobs = {workload.name for workload in overlay.workloads() if workload.kind == "Job"}
    services = set(waves) - set(DATABASES) - jobs
    inputs = [thing for thing in overlay.objects if thing["kind"] in ("ConfigMap", "Secret", "NetworkPolicy")]

    assert max(wave(thing) for thing in inputs) < waves["preflight"]
    assert waves["preflight"] < min(waves[name] for name in DATABASES)
    assert max(waves[name] for name in DATABASES) < min(waves[job] for job in jobs - {"preflight"})
    assert max(waves[job] for job in jobs) < min(waves[name] for name in services)


def test_a_job_is_replaced_at_every_deployment(overlay: Manifests) -> None:
    for job in overlay.of("Job").values():
        annotations = job["metadata"]["annotations"]
        assert annotations["argocd.argoproj.io/hook"] == "Sync"
        assert annotations["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"
        assert job["spec"]["ttlSecondsAfterFinished"] > 0


def test_a_volume_comes_with_its_first_user(overlay: Manifests) -> None:
    """Most storage makes a volume when a pod asks for it: in an earlier wave, the deployment would wait for ever."""
    for name, claim in overlay.of("PersistentVolumeClaim").items():
        users = [workload.wave for workload in overlay.workloads() if f"'claimName': '{name}'" in str(workload.pod)]
        assert wave(claim) >= min(users), name


def test_a_server_waits_for_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local: Manifests) -> None:
    from mlflow.store.db import utils as database

    (waiting,) = local.workload("mlflow").pod["initContainers"]
    assert waiting["args"][:2] == ["python", "-c"]
    url = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", url)

    with pytest.raises(SystemExit, match="not yet"):
        exec(waiting["args"][2], {})
    database._initialize_tables(database.create_sqlalchemy_engine_with_retry(url))
    exec(waiting["args"][2], {})


# --- updates ---


def test_an_update_of_the_inference_api_loses_no_request(overlay: Manifests) -> None:
    api = overlay.workload("inference-api")

    assert api.spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    pause = api.container["lifecycle"]["preStop"]["sleep"]["seconds"]
    readiness = api.container["readinessProbe"]
    assert pause > readiness["periodSeconds"]
    assert api.pod["terminationGracePeriodSeconds"] >= pause + GRACE_SECONDS


def test_what_may_run_once_only_is_stopped_before_it_is_replaced(overlay: Manifests) -> None:
    assert overlay.workload("airflow-scheduler").spec["strategy"] == {"type": "Recreate"}


def test_the_autoscaler_alone_says_how_many_pods_serve(production: Manifests) -> None:
    (scaler,) = production.of("HorizontalPodAutoscaler").values()
    target = production.workload(scaler["spec"]["scaleTargetRef"]["name"])

    assert "replicas" not in target.spec
    assert "cpu" in target.container["resources"]["requests"]  # which its percentage is of
    assert scaler["spec"]["minReplicas"] >= 2


def test_a_disruption_leaves_pods_that_serve(production: Manifests) -> None:
    budgets = production.of("PodDisruptionBudget")
    assert set(budgets) == {"inference-api", "ui"}
    for name, budget in budgets.items():
        assert budget["spec"]["selector"]["matchLabels"].items() <= production.workload(name).labels.items()


def test_a_session_of_the_ui_stays_with_its_pod(overlay: Manifests) -> None:
    assert overlay.of("Service")["ui"]["spec"]["sessionAffinity"] == "ClientIP"


def test_prometheus_finds_the_metrics(overlay: Manifests) -> None:
    api = overlay.workload("inference-api")
    annotations = api.spec["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(api.container["ports"][0]["containerPort"])
    assert annotations["prometheus.io/path"] == "/metrics"


# --- production ---


def test_production_has_no_development_value_and_no_simulated_source(production: Manifests) -> None:
    without_scripts = [thing for thing in production.objects if "preflight.py" not in thing.get("data", {})]
    assert DEVELOPMENT_SECRET_PREFIX not in yaml.safe_dump(without_scripts)
    assert "external-data-api" not in {workload.name for workload in production.workloads()}
    assert "http://external-data-api" not in yaml.safe_dump(without_scripts)
    assert not production.of("Secret")


@pytest.mark.parametrize(
    ("name", "kind"), [("inference-api", InferenceApiSettings), ("airflow-scheduler", PipelineSettings)]
)
def test_production_services_refuse_a_development_secret(
    name: str,
    kind: type[ServiceSettings],
    production: Manifests,
    own_secrets: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    container = production.workload(name).container

    def start(secrets: dict[str, str]) -> ServiceSettings:
        for key, value in production.environment(container, secrets).items():
            monkeypatch.setenv(key, value)
        load_settings.cache_clear()
        return load_settings(kind)

    try:
        assert start(own_secrets).environment == "production"
        with pytest.raises(ConfigurationError, match="API_KEY"):
            start(own_secrets | {"API_KEY": "dev-only-api-key"})
    finally:
        load_settings.cache_clear()


def test_preflight_refuses_every_development_secret_in_production(
    production: Manifests, own_secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = dict.fromkeys(own_secrets, f"{DEVELOPMENT_SECRET_PREFIX}of-this-repository")
    for key, value in production.environment(production.workload("preflight").container, secrets).items():
        monkeypatch.setenv(key, value)

    problems = "\n".join(preflight().check_settings())

    assert [name for name in secrets if f"{name} still has its development default" not in problems] == []


# --- components ---


def test_components_add_secrets_and_monitoring(working_copy: Path) -> None:
    kustomization = working_copy / "overlays" / "production" / "kustomization.yaml"
    text = kustomization.read_text(encoding="utf-8")
    for line in ("components:", "  - ../../components/external-secrets", "  - ../../components/monitoring"):
        assert f"# {line}\n" in text
        text = text.replace(f"# {line}\n", f"{line}\n" if "monitoring" not in line else "")
    text = text.replace("external-secrets\n", "external-secrets\n  - ../../components/monitoring\n", 1)
    kustomization.write_text(text, encoding="utf-8")

    manifests = build(kustomization.parent)

    assert set(manifests.of("ServiceMonitor")) == {"inference-api", "minio"}
    assert manifests.of("ExternalSecret")["mlops-secrets"]["spec"]["target"]["name"] == "mlops-secrets"
    for name, monitor in manifests.of("ServiceMonitor").items():
        selector = monitor["spec"]["selector"]["matchLabels"].items()
        (service,) = [s for s in manifests.of("Service").values() if selector <= s["metadata"]["labels"].items()]
        ports = {port["name"] for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports, name
    for thing in manifests.objects:
        if thing["kind"] not in CUSTOM:
            kubernetes_validate.validate(thing, "1.36", strict=True)


def test_secrets_of_a_file_reach_the_pods_which_a_change_replaces(
    working_copy: Path, own_secrets: dict[str, str]
) -> None:
    kustomization = working_copy / "overlays" / "production" / "kustomization.yaml"
    text = kustomization.read_text(encoding="utf-8").replace("# components:\n", "components:\n")
    text = text.replace("#   - ../../components/secrets-file", "  - ../../components/secrets-file")
    kustomization.write_text(text, encoding="utf-8")
    file = working_copy / "components" / "secrets-file" / "secrets.env"
    names = []
    for value in ("first", "second"):
        file.write_text("".join(f"{name}={value}\n" for name in own_secrets), encoding="utf-8")
        manifests = build(kustomization.parent)
        (name,) = manifests.of("Secret")
        assert manifests.environment(manifests.workload("inference-api").container)["API_KEY"] == value
        names.append(name)
    assert names[0] != names[1]


# --- Argo CD ---


@pytest.mark.parametrize("file", ["application-production.yaml", "application-local.yaml"])
def test_an_application_of_argo_cd_may_deploy_its_overlay(file: str, request: pytest.FixtureRequest) -> None:
    application = yaml.safe_load((ARGOCD / file).read_text(encoding="utf-8"))["spec"]
    project = yaml.safe_load((ARGOCD / "project.yaml").read_text(encoding="utf-8"))
    path = REPOSITORY / application["source"]["path"]
    overlay: Manifests = request.getfixturevalue(path.name)

    assert (path / "kustomization.yaml").exists()
    assert application["project"] == project["metadata"]["name"]
    assert application["source"]["repoURL"] in project["spec"]["sourceRepos"]
    assert application["destination"] in project["spec"]["destinations"]
    allowed = project["spec"]["clusterResourceWhitelist"] + project["spec"]["namespaceResourceWhitelist"]
    for thing in overlay.objects:
        group = thing["apiVersion"].rpartition("/")[0]
        assert {"group": group, "kind": thing["kind"]} in allowed
        assert thing["metadata"].get("namespace", "mlops") == application["destination"]["namespace"]


def test_argo_cd_never_removes_data(overlay: Manifests) -> None:
    (namespace,) = overlay.of("Namespace").values()
    assert namespace["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    logs = overlay.of("PersistentVolumeClaim")["airflow-logs"]
    assert "Prune=false" in logs["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
