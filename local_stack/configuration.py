"""Where the local stack keeps its files, which ports it takes, and the environment its services see.

The settings of the product come from ``.env`` and the environment, as in containers. What describes the other way
to run (addresses of containers, MySQL, MinIO) is replaced here by local files and local ports.
"""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from pipeline.errors import ConfigurationError

REPOSITORY = Path(__file__).resolve().parents[1]

# Service → the variable that changes its port, and the port without it.
PORTS = {
    "external-data-api": ("EXTERNAL_DATA_API_PORT", 8000),
    "mlflow": ("MLFLOW_PORT", 5000),
    "airflow": ("AIRFLOW_PORT", 8080),
    "inference-api": ("INFERENCE_API_PORT", 8989),
    "ui": ("UI_PORT", 8503),
}

# The processes of the stack share one machine: half of it is for the one search that runs at a time.
_SHARE = str(max(1, (os.cpu_count() or 2) // 2))

# Not the pace of production (300 s): a person who watches should see the ten batches arrive within ten minutes.
# The source advances within the interval, so that every poll brings the next batch.
LOCAL_DEFAULTS = {
    "COLLECT_INTERVAL_SECONDS": "60",
    "MIN_UPDATE_TIME": "45",
    "SEARCH_JOBS": _SHARE,
    "OMP_NUM_THREADS": _SHARE,
    "AIRFLOW__CORE__PARALLELISM": "4",
    "MODEL_POLL_SECONDS": "1",
    "AIRFLOW_ADMIN_USER": "admin",
    "AIRFLOW_ADMIN_PASSWORD": "dev-only-admin",
    "DEFAULT_USE_CASE": "covertype",
}

# About 90,000 rows of covertype.
SMALL_FILE_BYTES = 5_000_000

# The caller's habits that would slow the services down or point them elsewhere.
DROPPED = ("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "AWS_ENDPOINT_URL_S3", "WAREHOUSE_PASSWORD")


@dataclass(frozen=True)
class Configuration:
    """All that the services are started with.

    Parameters
    ----------
    folder : everything the stack writes is below it.
    ports : port of each service in `PORTS`.
    settings : variables of the product that the caller chose, in ``.env`` or the environment.
    stack_id : marks every process of this stack, so that none is left behind.
    """

    folder: Path
    ports: Mapping[str, int]
    settings: Mapping[str, str]
    stack_id: str

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def airflow_home(self) -> Path:
        return self.folder / "airflow"

    def url(self, service: str) -> str:
        return f"http://localhost:{self.ports[service]}"

    @property
    def source_url(self) -> str:
        """The batch source: the simulated one, unless SOURCE_URL in the environment names another."""
        return self.settings.get("SOURCE_URL") or self.url("external-data-api")

    @property
    def simulates_source(self) -> bool:
        return "SOURCE_URL" not in self.settings

    def environment(self) -> dict[str, str]:
        """Environment of every service."""
        chosen = dict(os.environ) | dict(self.settings)
        kept = {
            name: value
            for name, value in chosen.items()
            if name not in DROPPED and (value or not name.endswith("_PUBLIC_URL"))
        }
        return self._links() | kept | self._product() | self._mlflow() | self._airflow()

    def _links(self) -> dict[str, str]:
        """Where a person opens the services, unless the caller says otherwise."""
        services = {"INFERENCE_API": "inference-api", "AIRFLOW": "airflow", "MLFLOW": "mlflow"}
        return {f"{variable}_PUBLIC_URL": self.url(service) for variable, service in services.items()}

    def _product(self) -> dict[str, str]:
        return {
            "MLOPS_STACK_ID": self.stack_id,
            "MLOPS_STACK_LOGS": str(self.logs),
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
            "USE_CASES_DIR": str(REPOSITORY / "use_cases"),
            "WAREHOUSE_URL": f"sqlite:///{self.folder}/warehouse.db",
            "LAKE_URL": f"file://{self.folder}/lake",
            "MLFLOW_TRACKING_URI": self.url("mlflow"),
            "SOURCE_URL": self.source_url,
            "SOURCE_HOST": "127.0.0.1",
            "SOURCE_PORT": str(self.ports["external-data-api"]),
            "SOURCE_STATE_DIR": str(self.folder / "source"),
            "INFERENCE_API_URL": self.url("inference-api"),
            "API_HOST": "127.0.0.1",
            "API_PORT": str(self.ports["inference-api"]),
            "MODEL_CACHE_DIR": str(self.folder / "model_cache"),
        }

    def _mlflow(self) -> dict[str, str]:
        return {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its job consumers would take 1.5 GB
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # otherwise a dead server blocks its client for minutes
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        }

    def _airflow(self) -> dict[str, str]:
        keys = self._airflow_keys()
        port = self.ports["airflow"]
        return {
            "AIRFLOW_HOME": str(self.airflow_home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "airflow" / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "airflow" / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": self.settings["AIRFLOW__CORE__PARALLELISM"],
            "AIRFLOW__CORE__FERNET_KEY": keys["fernet"],
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
            "AIRFLOW__CORE__AUTH_MANAGER": (
                "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{self.settings['AIRFLOW_ADMIN_USER']}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.airflow_home / "passwords.json"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.airflow_home}/airflow.db",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": self.url("airflow"),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": keys["api"],
            "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt"],
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            # Tasks that the last Ctrl-C ended start again soon, not after five minutes.
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "90",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.airflow_home / "logs"),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }

    def _airflow_keys(self) -> dict[str, str]:
        """Keys drawn at the first start and kept, as what they sign and encrypt is kept."""
        path = self.airflow_home / "keys.json"
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
        keys = {
            "jwt": secrets.token_urlsafe(64),
            "api": secrets.token_urlsafe(32),
            "fernet": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
        self.airflow_home.mkdir(parents=True, exist_ok=True)
        write_private(path, json.dumps(keys))
        return keys


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def read_settings(environ: Mapping[str, str], dotenv: Path) -> dict[str, str]:
    """Settings of the product: ``.env``, then the local defaults, then the environment.

    A value of the environment that equals the one in ``.env`` is not a choice made for this stack (the file may have
    been sourced), so the local default still replaces it.
    """
    shared = {name: value for name, value in dotenv_values(dotenv).items() if value}
    chosen = {name: value for name, value in environ.items() if value and shared.get(name) != value}
    known = {*shared, *LOCAL_DEFAULTS, "SOURCE_URL"}
    settings = shared | LOCAL_DEFAULTS | {name: value for name, value in chosen.items() if name in known}
    if "SOURCE_URL" not in chosen:
        settings.pop("SOURCE_URL", None)
    return _whole_batches_of_small_files(settings | chosen) | settings


def _whole_batches_of_small_files(settings: Mapping[str, str]) -> dict[str, str]:
    """A share of 1 for each small ``<NAME>_CSV``: a tenth of its batches would be too few rows to judge a model on."""
    shares = {}
    for name, value in settings.items():
        path = REPOSITORY / value if name.endswith("_CSV") else None
        if path and path.is_file() and path.stat().st_size < SMALL_FILE_BYTES:
            share = f"{name.removesuffix('_CSV')}_SAMPLE_SHARE"
            shares[share] = settings.get(share, "1")
    return shares


def read_port(settings: Mapping[str, str], environ: Mapping[str, str], service: str) -> int | None:
    """Port asked for by the environment or ``.env``, if any.

    Raises
    ------
    ConfigurationError
        The variable does not hold a port number.
    """
    variable, _ = PORTS[service]
    text = environ.get(variable) or settings.get(variable)
    if not text:
        return None
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ConfigurationError(f"{variable}={text} is not a port: give a number from 1 to 65535")
    return int(text)
