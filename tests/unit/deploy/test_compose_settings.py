"""The manifests and ``docker-compose.yml`` describe one stack."""

from urllib.parse import urlsplit

import pytest

from deploy.k8s.compose_settings import (
    REPOSITORY,
    compose_environment,
    compose_services,
    files,
    interpolate,
    plain_settings,
    read_dotenv,
    secret_names,
)
from tests.kustomize import Manifests, expand

VALUES = read_dotenv()
SERVICES = compose_services()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${SET}", "value"),
        ("a ${SET:-other} b", "a value b"),
        ("${EMPTY:-other}", "other"),
        ("${UNKNOWN:-http://localhost:${PORT:-8989}/}", "http://localhost:8989/"),
        ("${SET:+/csv/file}", "/csv/file"),
        ("${EMPTY:+/csv/file}", ""),
        ("$${SET}", "${SET}"),
        ("${UNKNOWN}", ""),
    ],
)
def test_references_are_replaced_as_compose_does(text: str, expected: str) -> None:
    assert interpolate(text, {"SET": "value", "EMPTY": ""}) == expected


def test_a_required_variable_without_value_is_named() -> None:
    with pytest.raises(ValueError, match=r"API_KEY: set it in \.env"):
        interpolate("${API_KEY:?set it in .env}", {})


def test_nothing_that_contains_a_secret_becomes_a_plain_setting() -> None:
    service = {
        "environment": {"PLAIN": "${NAME}", "URL": "mysql://user:${WAREHOUSE_PASSWORD}@host", "KEY": "${API_KEY}"},
        "command": ["serve", "--hosts=${HOSTS:-here}"],
    }
    values = {"NAME": "x", "WAREHOUSE_PASSWORD": "", "API_KEY": "x"}

    assert plain_settings(service, values) == {"PLAIN": "x", "HOSTS": "here"}


def test_nothing_that_is_called_like_a_secret_is_a_plain_setting() -> None:
    endings = ("_PASSWORD", "_KEY", "_SECRET", "_TOKEN")
    assert sorted(name for name in VALUES if name.endswith(endings)) == secret_names()


def test_the_committed_settings_are_those_of_compose() -> None:
    stale = [
        str(path.relative_to(REPOSITORY))
        for path, text in files()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert not stale, "docker-compose.yml or .env has changed: run `make k8s-settings` and commit what it writes"


def test_every_service_of_compose_is_deployed(local: Manifests) -> None:
    assert sorted(workload.name for workload in local.workloads()) == sorted(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_finds_the_environment_that_compose_gives_it(name: str, local: Manifests) -> None:
    expected = compose_environment(SERVICES[name], VALUES)
    found = local.environment(local.workload(name).container)

    assert {key: found.get(key) for key in expected} == expected
    # Kubernetes puts some URLs together in the container, and so needs their passwords beside them.
    parts = {"POSTGRES_PASSWORD", "MLFLOW_DB_PASSWORD"}
    secrets = {VALUES[key] for key in secret_names()}
    assert {key for key in found.keys() - expected.keys() if found[key] in secrets} <= parts


@pytest.mark.parametrize("name", SERVICES)
def test_image_and_command_are_those_of_compose(name: str, local: Manifests) -> None:
    container = local.workload(name).container
    environment = local.environment(container)
    arguments = [interpolate(str(argument), VALUES) for argument in SERVICES[name].get("command", [])]
    if name == "preflight":
        arguments = [argument.replace("/preflight.py", "/scripts/preflight.py") for argument in arguments]

    assert container["image"] == interpolate(SERVICES[name]["image"], VALUES)
    assert [expand(argument, environment) for argument in container.get("args", [])] == arguments


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service.get("ports")])
def test_a_port_that_compose_publishes_is_a_port_of_the_service(name: str, local: Manifests) -> None:
    published = {int(interpolate(port, VALUES).rpartition(":")[2]) for port in SERVICES[name]["ports"]}

    assert {port["port"] for port in local.of("Service")[name]["spec"]["ports"]} == published


@pytest.mark.parametrize("name", SERVICES)
def test_every_address_in_a_setting_is_a_service(name: str, local: Manifests) -> None:
    services = local.of("Service")
    known = {f"{service}:{port['port']}" for service in services for port in services[service]["spec"]["ports"]}
    addresses = {
        urlsplit(value).netloc.rpartition("@")[2]
        for value in local.environment(local.workload(name).container).values()
        if "://" in value and not value.startswith("s3:")
    }

    assert {address for address in addresses if not address.startswith("localhost:")} <= known
