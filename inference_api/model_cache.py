"""Models on disk: what lets the API start while the registry is down.

A model is the folder of a serving bundle or, where somebody else registered it, of the MLflow model.
"""

import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from inference_api.registry_reader import RegistryReader
from pipeline.bundle import BundleError, bundle_digest
from pipeline.model_version import MLMODEL_FILE, VersionInfo

logger = logging.getLogger(__name__)

RECORD_FILE = "served.json"
SCRATCH_PREFIX = ".download-"
SCRATCH_SECONDS = 3600
# One part of a path, that is neither hidden nor the folder above.
_NAME = re.compile(r"(?!\.)[^/\\\0]+")


class ServedRecord(BaseModel):
    """What was served of one model, and what the registry said of it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    champion: VersionInfo
    digest: str
    versions: list[VersionInfo]


def writable_folder(wanted: Path) -> Path:
    """The folder for the cache, or one that ends with the machine where that cannot be written: serving goes on."""
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted):
            return wanted
    except OSError as error:
        instead = Path(tempfile.mkdtemp(prefix="model-cache-"))
        logger.error("models are kept in %s, and lost with it: MODEL_CACHE_DIR cannot be used: %s", instead, error)
        return instead


class ModelCache:
    """A folder ``<root>/<model>/<version>-<run>/`` a bundle, and ``<root>/<model>/served.json``.

    Several workers may share one: a bundle appears complete or not at all.

    Parameters
    ----------
    keep : bundles of each model that are kept beside the champion's, the most recently used ones.
    """

    def __init__(self, root: Path, keep: int = 1) -> None:
        self.root = root
        self._keep = keep

    def folder(self, version: VersionInfo) -> Path:
        """Where the bundle of a version belongs; a run is one model for ever, a version number only in one registry.

        Raises
        ------
        BundleError
            The registry calls it something that would be another place than a folder of its own.
        """
        # A version that no run made is told from another registry's by its age.
        origin = version.run_id[:16] or f"{version.created_at:%Y%m%d%H%M%S}"
        if not _NAME.fullmatch(version.name) or not _NAME.fullmatch(origin):
            raise BundleError(f"no folder can be named after version {version.version} of {version.name!r}, {origin!r}")
        return self.root / version.name / f"{version.version}-{origin}"

    def fetch(self, registry: RegistryReader, version: VersionInfo) -> tuple[Path, str]:
        """Return the folder and digest of a version's bundle, downloaded unless an undamaged copy is here.

        Raises
        ------
        RegistryError, BundleError
            It cannot be downloaded, or what was downloaded is damaged.
        """
        folder, expected = self.folder(version), version.tags.get("serving_digest")
        if expected is not None and _digest(folder) == expected:
            os.utime(folder)
            return folder, expected
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=SCRATCH_PREFIX) as scratch:
            download = registry.download_bundle if registry.has_bundle(version) else registry.download_model
            downloaded = download(version, Path(scratch) / "model")
            found = _digest(downloaded) or bundle_digest(downloaded)
            if expected is not None and found != expected:
                raise BundleError(f"the bundle of {version.name} version {version.version} is damaged: digest {found}")
            # Another worker may have put the same bundle in place, and be reading it.
            if _digest(folder) != found:
                shutil.rmtree(folder, ignore_errors=True)
                try:
                    downloaded.replace(folder)
                except OSError:  # that worker was quicker by a moment
                    if _digest(folder) != found:
                        raise
        os.utime(folder)
        self._prune(folder)
        return folder, found

    def remember(self, record: ServedRecord) -> None:
        """Record what is served now, and drop bundles other than it and the newest one beside it."""
        home = self.root / record.champion.name
        home.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=home, prefix=".served-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(record.model_dump_json(indent=1))
        Path(scratch).replace(home / RECORD_FILE)
        current = self.folder(record.champion)
        os.utime(current)
        self._prune(current)

    def _prune(self, used: Path) -> None:
        """Drop the least recently used bundles of a model, but for the champion's and one that is in use."""
        home = used.parent
        try:
            champion = self.folder(ServedRecord.model_validate_json((home / RECORD_FILE).read_bytes()).champion)
        except (OSError, ValidationError, BundleError):
            champion = used
        others = [path for path in home.iterdir() if path.is_dir() and path.name[0] != "."]
        others = [path for path in others if path not in (champion, used)]
        room = self._keep - (used != champion)
        for path in sorted(others, key=_used_at, reverse=True)[max(0, room) :]:
            shutil.rmtree(path, ignore_errors=True)

    def recall(self) -> list[tuple[ServedRecord, Path]]:
        """What can be served without the registry: recorded models whose bundle still has its digest."""
        found = []
        for scratch in self.root.glob(f"*/{SCRATCH_PREFIX}*"):
            # What a killed process left; another worker may be downloading right now.
            if time.time() - _used_at(scratch) > SCRATCH_SECONDS:
                shutil.rmtree(scratch, ignore_errors=True)
        for path in sorted(self.root.glob(f"*/{RECORD_FILE}")):
            try:
                record = ServedRecord.model_validate_json(path.read_bytes())
                folder = self.folder(record.champion)
                if _digest(folder) != record.digest:
                    raise BundleError(f"{folder} is missing or damaged")
            except (OSError, ValidationError, BundleError) as error:
                logger.warning("ignoring the cached model of %s: %s", path.parent.name, error)
                continue
            found.append((record, folder))
        return found


def _used_at(folder: Path) -> float:
    """When a bundle was last put to use, in seconds; 0 when another worker has dropped it just now."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _digest(folder: Path) -> str | None:
    """Digest of a model's folder, None when it is incomplete."""
    try:
        return bundle_digest(folder) if not (folder / MLMODEL_FILE).is_file() else _tree_digest(folder)
    except (BundleError, OSError):
        return None


def _tree_digest(folder: Path) -> str:
    """Hex sha256 over the names and contents of all files: MLflow keeps no digest of its own."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
