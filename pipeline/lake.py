"""Raw payloads, processed deliveries and snapshots, kept as objects: on S3 or in a local folder.

A write is atomic (an object is there whole or not at all) and repeating it changes nothing.
"""

import contextlib
import errno
import os
import stat
import tempfile
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from pipeline.errors import LakeError
from pipeline.settings import PipelineSettings

TEMPORARY_PREFIX = ".writing-"


class ArchivedDelivery(BaseModel):
    """A raw payload in the lake. Its first five fields are its identity in the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    use_case: str
    group_number: int
    epoch: int
    batch_number: int
    payload_sha256: str
    uri: str
    received_at: datetime


class Lake(ABC):
    """Objects by key below one root. A URI is the root plus the key; `get` takes either."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    def uri(self, key: str) -> str:
        return f"{self.root}/{_checked(key)}"

    def key(self, uri_or_key: str) -> str:
        """The key of a URI of this lake.

        Raises
        ------
        LakeError
            The URI belongs to another lake.
        """
        if "://" not in uri_or_key:
            return _checked(uri_or_key)
        if not uri_or_key.startswith(self.root + "/"):
            raise LakeError(f"{uri_or_key} is not in the lake {self.root}: check LAKE_URL")
        return _checked(uri_or_key.removeprefix(self.root + "/"))

    def exists(self, key: str) -> bool:
        return self.modified_at(key) is not None

    @abstractmethod
    def create(self) -> None:
        """Make the bucket or folder. Does nothing when it is there."""

    @abstractmethod
    def put(self, key: str, data: bytes) -> str:
        """Write an object whole, replacing one of the same key, and return its URI."""

    @abstractmethod
    def get(self, uri_or_key: str) -> bytes:
        """Read an object.

        Raises
        ------
        LakeError
            There is no such object, or the lake cannot be reached.
        """

    @abstractmethod
    def list(self, prefix: str) -> list[str]:
        """Keys that start with `prefix`, sorted."""

    @abstractmethod
    def modified_at(self, key: str) -> datetime | None:
        """When an object was written (UTC), or None when there is none."""


class FileLake(Lake):
    """A lake in a local folder, for one machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        super().__init__(f"file://{self.folder}")

    def create(self) -> None:
        with self._errors():
            self.folder.mkdir(parents=True, exist_ok=True)

    def put(self, key: str, data: bytes) -> str:
        path = self.folder / _checked(key)
        self._require_folder()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Renaming within one folder is atomic; a crash leaves at most a temporary file that no listing shows.
            handle, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).chmod(0o644)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            _flush_folder(path.parent)
        return self.uri(key)

    def get(self, uri_or_key: str) -> bytes:
        path = self.folder / self.key(uri_or_key)
        with self._errors():
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise LakeError(f"there is no object {path} in the lake") from None

    def list(self, prefix: str) -> list[str]:
        self._require_folder()
        keys = []
        with self._errors():
            for folder, _, names in os.walk(self.folder / prefix.rpartition("/")[0]):
                relative = Path(folder).relative_to(self.folder)
                keys += [(relative / name).as_posix() for name in names if not name.startswith(TEMPORARY_PREFIX)]
        return sorted(key for key in keys if key.startswith(prefix))

    def modified_at(self, key: str) -> datetime | None:
        with self._errors():
            try:
                status = (self.folder / _checked(key)).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return datetime.fromtimestamp(status.st_mtime, UTC) if stat.S_ISREG(status.st_mode) else None

    def _require_folder(self) -> None:
        if not self.folder.is_dir():
            raise LakeError(f"the lake's folder {self.folder} does not exist: run `mlops init`, or correct LAKE_URL")

    @contextlib.contextmanager
    def _errors(self) -> Any:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = "the disk is full, free some space" if full else f"{error.strerror}, check LAKE_URL"
            raise LakeError(f"the lake {self.folder} cannot be used: {remedy} ({error.filename or 'write'})") from error


def open_lake(settings: PipelineSettings) -> Lake:
    """The lake that LAKE_URL names. Nothing is contacted before the first use."""
    if settings.lake_url.startswith("file://"):
        return FileLake(Path(settings.lake_url.removeprefix("file://")))
    from pipeline.s3_lake import open_s3_lake

    return open_s3_lake(settings)


def _checked(key: str) -> str:
    if not key or key.startswith("/") or any(part in ("", ".", "..") for part in key.split("/")):
        raise LakeError(f"{key!r} is not a key of the lake: use names separated by single slashes")
    return key


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
