"""The processes of the stack: what starts each, and how to see that it is up."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from local_stack.configuration import REPOSITORY, Configuration

AIRFLOW_BIN = REPOSITORY / ".venv-airflow" / "bin"


@dataclass(frozen=True)
class Service:
    """One process.

    Parameters
    ----------
    name : of the process and of its log file.
    command : program and arguments.
    title, url, login : what to tell the person who waits for it; no title, nothing is told.
    health : address that answers 200 once the service is up.
    """

    name: str
    command: list[str]
    title: str = ""
    url: str = ""
    login: str = ""
    health: str = ""


def services(configuration: Configuration) -> list[Service]:
    """All services, the quickest to start first."""
    python = Path(sys.executable)
    source = configuration.url("external-data-api")
    api, ui = configuration.url("inference-api"), configuration.url("ui")
    api_key = configuration.settings.get("API_KEY", "dev-only-api-key")
    simulated = [
        Service(
            "external-data-api",
            [str(python), "-m", "external_data_api"],
            title="External data API",
            url=f"{source}/docs",
            health=f"{source}/",
        )
    ]
    return [
        *(simulated if configuration.simulates_source else []),
        Service(
            "inference-api",
            [str(python), "-m", "inference_api"],
            title="Inference API",
            url=f"{api}/docs",
            login=f"key for reload and roll back: {api_key}",
            health=f"{api}/livez",
        ),
        Service("ui", _streamlit(configuration, python), title="UI", url=ui, health=f"{ui}/_stcore/health"),
        _mlflow(configuration, python),
        *_airflow(configuration),
    ]


def _streamlit(configuration: Configuration, python: Path) -> list[str]:
    options = {
        "server.port": str(configuration.ports["ui"]),
        "server.address": "127.0.0.1",
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    return [str(python), "-m", "streamlit", "run", str(REPOSITORY / "ui" / "app.py"), *arguments]


def _mlflow(configuration: Configuration, python: Path) -> Service:
    folder, url = configuration.folder / "mlflow", configuration.url("mlflow")
    command = [str(python.parent / "mlflow"), "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(configuration.ports["mlflow"]), "--allowed-hosts", "localhost:*,127.0.0.1:*"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", f"file://{folder}/artifacts", "--serve-artifacts"]
    return Service("mlflow", command, title="MLflow", url=url, health=f"{url}/health")


def _airflow(configuration: Configuration) -> list[Service]:
    airflow, url = str(AIRFLOW_BIN / "airflow"), configuration.url("airflow")
    settings = configuration.settings
    return [
        Service(
            "airflow-api-server",
            [airflow, "api-server"],
            title="Airflow",
            url=url,
            login=f"{settings['AIRFLOW_ADMIN_USER']} / {settings['AIRFLOW_ADMIN_PASSWORD']}",
            health=f"{url}/api/v2/version",
        ),
        # The API server reads the task logs from the same disk: no port for a log server.
        Service("airflow-scheduler", [airflow, "scheduler", "--skip-serve-logs"]),
        Service("airflow-dag-processor", [airflow, "dag-processor"]),
    ]


def write_services(path: Path, running: list[Service]) -> None:
    """Leave the list of services where the guide, and tests, find it."""
    path.write_text(json.dumps([asdict(service) for service in running], indent=1), encoding="utf-8")


def read_services(path: Path) -> list[Service]:
    """Read what `write_services` wrote."""
    return [Service(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))]
