"""What must exist before the services start: folders, the admin's password, and the tables of both databases."""

import json
import subprocess
import sys
from pathlib import Path

from local_stack.configuration import REPOSITORY, Configuration, write_private
from local_stack.services import AIRFLOW_BIN
from local_stack.supervisor import tail
from pipeline.errors import PipelineError


class PreparationError(PipelineError):
    """A step before the start failed."""


def prepare(configuration: Configuration) -> None:
    """Create folders, then migrate the warehouse and Airflow's database at the same time.

    Raises
    ------
    PreparationError
        One of the two commands failed; with the end of its output.
    """
    for folder in (configuration.logs, configuration.folder / "mlflow", configuration.airflow_home):
        folder.mkdir(parents=True, exist_ok=True)
    settings = configuration.settings
    passwords = {settings["AIRFLOW_ADMIN_USER"]: settings["AIRFLOW_ADMIN_PASSWORD"]}
    write_private(configuration.airflow_home / "passwords.json", json.dumps(passwords))
    commands = {
        "mlops init": [sys.executable, "-m", "pipeline", "init"],
        "airflow db migrate": [str(AIRFLOW_BIN / "airflow"), "db", "migrate"],
    }
    running = {title: (_start(configuration, title, command)) for title, command in commands.items()}
    failed = [title for title, process in running.items() if process.wait() != 0]
    if failed:
        logs = "\n".join(
            f"{title}: see {_log(configuration, title)}\n{tail(_log(configuration, title))}" for title in failed
        )
        raise PreparationError(f"cannot start: {' and '.join(failed)} failed\n{logs}")


def _start(configuration: Configuration, title: str, command: list[str]) -> subprocess.Popen[bytes]:
    with _log(configuration, title).open("wb") as log:
        return subprocess.Popen(
            command, cwd=REPOSITORY, env=configuration.environment(), stdout=log, stderr=subprocess.STDOUT
        )


def _log(configuration: Configuration, title: str) -> Path:
    return configuration.logs / f"{title.replace(' ', '-')}.log"
