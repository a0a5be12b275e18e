"""Write the settings of the manifests from ``docker-compose.yml`` and ``.env``: ``make k8s-settings``.

One file per ConfigMap, ``base/settings/NAME.env``, with everything that Compose passes to that service and that is no
secret; ``overlays/local/secrets.env`` with the development values of the secrets; and the example of those of
production. Services, hosts and ports have the same names in both, so values are taken over as they are.
"""

import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
SETTINGS = HERE / "base" / "settings"
LOCAL_SECRETS = HERE / "overlays" / "local" / "secrets.env"
SECRETS_EXAMPLE = HERE / "overlays" / "production" / "secrets.env.example"
HEADER = "# Written by `make k8s-settings` from docker-compose.yml and .env: change it there.\n"
EXAMPLE_HEADER = """\
# Every secret of the stack; the names are those of .env. Values of your own: nothing starts with one that is empty or
# begins with dev-only-. Letters, digits and . _ ~ - only in those of MySQL and PostgreSQL, which become part of URLs.
#   openssl rand -hex 32
# and for AIRFLOW_FERNET_KEY
#   openssl rand -base64 32 | tr '+/' '-_'
"""
# Services that share one ConfigMap; every other one has its own.
SHARED = {
    "airflow": ("airflow-api-server", "airflow-dag-processor", "airflow-init", "airflow-scheduler", "pipeline-init"),
    "mlflow": ("mlflow", "mlflow-init"),
}
# $$, or ${NAME} with an optional default (:-), complaint (:?) or replacement (:+), in which others may be nested.
_REFERENCE = re.compile(r"\$\$|\$\{(\w+)(?::([-?+])((?:[^{}]|\{[^{}]*\})*))?\}")


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """Replace the references of a Compose file by their values, as Compose does.

    Raises
    ------
    ValueError
        A variable that Compose requires has no value; the message names it.
    """

    def replace(match: re.Match[str]) -> str:
        name, operator, rest = match.groups()
        if name is None:
            return "$"
        value = values.get(name, "")
        if operator == "+":
            return interpolate(rest, values) if value else ""
        if operator == "?" and not value:
            raise ValueError(f"docker-compose.yml needs {name}: {rest}")
        return value or (interpolate(rest, values) if operator == "-" else "")

    return _REFERENCE.sub(replace, text)


def read_dotenv() -> dict[str, str]:
    """Every setting of ``.env`` with its default."""
    return {name: value or "" for name, value in dotenv_values(REPOSITORY / ".env", interpolate=False).items()}


def preflight() -> Any:
    """The module ``docker/preflight.py``, which knows what is a secret. Not by name: PyPI has a package `docker`."""
    spec = importlib.util.spec_from_file_location("preflight", REPOSITORY / "docker" / "preflight.py")
    if spec is None or spec.loader is None:
        raise ImportError("docker/preflight.py cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def secret_names() -> list[str]:
    """Names of the secrets among the settings of ``.env``."""
    return sorted(preflight().SECRETS)


def compose_services() -> dict[str, dict[str, Any]]:
    """Services of ``docker-compose.yml`` that always run: those of a profile are no part of the manifests."""
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
    return {name: service for name, service in compose["services"].items() if "profiles" not in service}


def compose_environment(service: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    """Environment that Compose gives a service's container."""
    return {name: interpolate(str(value), values) for name, value in (service.get("environment") or {}).items()}


def plain_settings(service: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    """What of it is no secret and contains none, and the variables that the service's command mentions."""
    marks = {name: f"<{name}>" for name in secret_names()}
    masked = {**values, **marks}
    environment = compose_environment(service, masked)
    for argument in service.get("command") or []:
        for match in _REFERENCE.finditer(argument):
            if match[1]:
                environment[match[1]] = interpolate(match[0], masked)
    return {name: value for name, value in environment.items() if not any(mark in value for mark in marks.values())}


def files() -> Iterator[tuple[Path, str]]:
    """Every file with the text it should have."""
    values, services, secrets = read_dotenv(), compose_services(), secret_names()
    groups = {name: (name,) for name in services if not any(name in members for members in SHARED.values())}
    for config_map, members in sorted({**SHARED, **groups}.items()):
        settings: dict[str, str] = {}
        for member in members:
            settings |= plain_settings(services[member], values)
        folder = HERE / "overlays" / "local" if config_map == "external-data-api" else SETTINGS
        yield folder / f"{config_map}.env", _text(settings)
    yield LOCAL_SECRETS, _text({name: values[name] for name in secrets})
    yield SECRETS_EXAMPLE, EXAMPLE_HEADER + "".join(f"{name}=\n" for name in secrets)


def _text(settings: Mapping[str, str]) -> str:
    return HEADER + "".join(f"{name}={value}\n" for name, value in sorted(settings.items()))


def main() -> None:
    """Write what has changed, and say so."""
    for path, text in files():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"written: {path.relative_to(REPOSITORY)}", file=sys.stderr)


if __name__ == "__main__":
    main()
