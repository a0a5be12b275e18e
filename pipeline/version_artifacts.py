"""What belongs to a version beside its entry in the registry: serving bundle, MLflow model, documents of its run."""

import shutil
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.bundle import BUNDLE_FILE, MODEL_FILE, bundle_digest
from pipeline.errors import ArtifactsGone, RegistryError
from pipeline.mlflow_client import Tolerate, explained, global_tracking_uri, open_client, read_texts
from pipeline.model_version import MLMODEL_FILE, VersionInfo

if TYPE_CHECKING:
    from mlflow import MlflowClient

BUNDLE_FOLDER = "serving"


class VersionArtifacts:
    """The part of `Registry` that moves files.

    Parameters
    ----------
    tracking_uri : ``http://…`` of the MLflow server, or ``sqlite:///…`` for a store in a file.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri

    @cached_property
    def _client(self) -> "MlflowClient":
        return open_client(self.tracking_uri)

    def download_bundle(self, version: VersionInfo, folder: Path) -> Path:
        """Fetch the serving bundle of a version.

        The folder appears complete or not at all, and only after its digest matched the one that was registered.

        Parameters
        ----------
        folder : where to put the bundle; replaced when it exists.

        Returns
        -------
        Path
            `folder`.
        """
        label = f"version {version.version} of {version.name}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            with explained(self.tracking_uri, f"download the serving bundle of {label}"):
                # Asked first: a download says neither which file is missing nor that trying again is in vain.
                listed: set[str] = set()
                with Tolerate("RESOURCE_DOES_NOT_EXIST"):  # the run itself is gone
                    listed = {file.path for file in self._client.list_artifacts(version.run_id, BUNDLE_FOLDER)}
                if missing := {f"{BUNDLE_FOLDER}/{name}" for name in (BUNDLE_FILE, MODEL_FILE)} - listed:
                    what = "no serving bundle" if not listed else f"no {' and no '.join(sorted(missing))}"
                    raise ArtifactsGone(f"{label} has {what}: its artifacts in MLflow are gone")
                self._client.download_artifacts(version.run_id, BUNDLE_FOLDER, dst_path=scratch)
            downloaded = Path(scratch) / BUNDLE_FOLDER
            expected, found = version.tags.get("serving_digest"), bundle_digest(downloaded)
            if expected is not None and expected != found:
                raise ArtifactsGone(f"the serving bundle of {label} is damaged: digest {found}, registered {expected}")
            if folder.exists():
                shutil.rmtree(folder)
            downloaded.replace(folder)
        return folder

    def has_bundle(self, version: VersionInfo) -> bool:
        """Whether a version has a serving bundle; one that somebody registered by other means has none."""
        if "serving_digest" in version.tags:
            return True
        with explained(
            self.tracking_uri, f"look for the serving bundle of version {version.version} of {version.name}"
        ):
            return bool(version.run_id and self._client.list_artifacts(version.run_id, BUNDLE_FOLDER))

    def download_model(self, version: VersionInfo, folder: Path) -> Path:
        """Fetch the MLflow model of a version, whoever registered it.

        Parameters
        ----------
        folder : where to put its files; must not exist.
        """
        label = f"version {version.version} of {version.name}"
        with explained(self.tracking_uri, f"download the model of {label}"), global_tracking_uri(self.tracking_uri):
            from mlflow.artifacts import download_artifacts

            folder.mkdir(parents=True)
            source = self._client.get_model_version_download_uri(version.name, str(version.version))
            found = Path(download_artifacts(artifact_uri=source, dst_path=str(folder), tracking_uri=self.tracking_uri))
        if not (found / MLMODEL_FILE).is_file():
            raise RegistryError(f"{label} is no MLflow model: it has no file {MLMODEL_FILE} at {source}")
        # A folder of a run is put below the one that is asked for.
        return found

    def read_text(self, version: VersionInfo, path: str) -> str | None:
        """A text artifact of a version's run; None when there is none."""
        with explained(self.tracking_uri, f"read {path} of version {version.version} of {version.name}"):
            return read_texts(self._client, version.run_id, [path]).get(path)

    def log_text(self, version: VersionInfo, text: str, path: str) -> None:
        """Store a text with the run of a version."""
        with explained(self.tracking_uri, f"store {path} of version {version.version} of {version.name}"):
            self._client.log_text(version.run_id, text, path)

    def log_document(self, version: VersionInfo, document: Mapping[str, Any], path: str) -> None:
        """Store a JSON document with the run of a version."""
        with explained(self.tracking_uri, f"store {path} of version {version.version} of {version.name}"):
            self._client.log_dict(version.run_id, dict(document), path)
