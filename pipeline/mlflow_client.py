"""The MLflow client: impatient, and with errors that say what to check. Works with ``mlflow-skinny``."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from pipeline.errors import RegistryError, RegistryUnavailable, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Left alone, the client retries for four minutes before it says that the server is down.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def open_client(tracking_uri: str) -> "MlflowClient":
    """A client that gives up on a dead server within seconds. Importing MLflow, which takes a second, happens here."""
    with explained(tracking_uri, "open the store"):
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


@contextmanager
def explained(tracking_uri: str, what: str) -> Iterator[None]:
    """Turn what MLflow raises into a `RegistryError` that names the server and what to check.

    Parameters
    ----------
    what : that is done in the block, as in "cannot …".
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, requests.RequestException, OSError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        advice = ""
        refusal: type[RegistryError] = RegistryError
        if "error responses" in text:
            text, refusal = "it answers with errors only", RegistryUnavailable
            advice = ": its log says why; its database or the storage of artifacts may be down"
        elif "Max retries exceeded" in text or isinstance(error, requests.ConnectionError | requests.Timeout):
            text, refusal = "it does not answer", RegistryUnavailable
            advice = ": check that the MLflow server runs and that MLFLOW_TRACKING_URI names it"
        elif "Invalid Host" in str(error):
            advice = " (start the MLflow server with this host in --allowed-hosts)"
        shown = without_password(tracking_uri)
        text = text.replace(tracking_uri, shown)
        raise refusal(f"cannot {what} in MLflow at {shown}: {text}{advice}") from error


def read_texts(client: "MlflowClient", run_id: str, paths: Iterable[str]) -> dict[str, str]:
    """Text artifacts of a run by their path, without those that it does not have; to be called in `explained`.

    Bytes that are no UTF-8 are replaced: whoever reads the text finds it damaged.
    """
    texts: dict[str, str] = {}
    listed: dict[str | None, set[str]] = {}
    with tempfile.TemporaryDirectory(prefix="artifacts-") as scratch:
        for path in paths:
            folder = path.rpartition("/")[0] or None
            if folder not in listed:
                listed[folder] = {file.path for file in client.list_artifacts(run_id, folder)}
            if path in listed[folder]:
                found = Path(client.download_artifacts(run_id, path, scratch))
                texts[path] = found.read_text(encoding="utf-8", errors="replace")
    return texts


@contextmanager
def global_tracking_uri(tracking_uri: str) -> Iterator[None]:
    """Make a URI the global one of this process while in the block.

    A store that is opened directly (``sqlite:///…``) looks ``models:/…`` URIs up there, whatever its client was given.
    """
    import mlflow

    # Restoring MLflow's own default by name would keep it for good, and leave a file mlflow.db wherever we run.
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None, its unset state, is missing in the annotation


class Tolerate:
    """Leave the block quietly when MLflow answers with one of these error codes."""

    def __init__(self, *error_codes: str) -> None:
        self._error_codes = error_codes

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        return getattr(error, "error_code", None) in self._error_codes
