"""How far each group has come in each use case: kept in one file, so that a restart goes on where it stopped."""

import json
import os
import threading
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import ConfigurationError, SourceExhausted


class Cursor(BaseModel):
    """Where one group stands in one use case.

    Parameters
    ----------
    batch_number : the batch being handed out; 0 before the first call.
    advanced_at : Unix time at which that batch was first handed out, in seconds.
    calls : samples handed out since ever. A restart keeps it, so that the rows drawn afterwards are others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    batch_number: int = Field(default=0, ge=0)
    advanced_at: float | None = None
    calls: int = Field(default=0, ge=0)

    def advance(self, now: float, interval: float, batch_count: int) -> "Cursor":
        """Return the cursor after one more call.

        Raises
        ------
        SourceExhausted
            The last batch has been handed out: that happens once, whatever the window.
        """
        if self.batch_number >= batch_count:
            raise SourceExhausted("Ya se recolectó toda la información minima necesaria")
        if self.advanced_at is None or now - self.advanced_at >= interval:
            return Cursor(batch_number=self.batch_number + 1, advanced_at=now, calls=self.calls + 1)
        return self.model_copy(update={"calls": self.calls + 1})

    def restart(self) -> "Cursor":
        """Return the cursor before batch 1, which the next call hands out at once."""
        return Cursor(calls=self.calls)


class _StateFile(BaseModel):
    """The cursors of every group by use case, as they are on disk."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    cursors: dict[str, dict[Annotated[int, Field(ge=1)], Cursor]] = {}


class State:
    """The cursors of one process, written through to a file before any of them is used.

    Parameters
    ----------
    path : the state file; its folder is made when it does not exist.

    Raises
    ------
    ConfigurationError
        The file cannot be read, is damaged, or its folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._cursors = self._read()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(self._cursors)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write the state file {path}: {error.strerror}; set SOURCE_STATE_DIR to a writable folder"
            ) from None

    def advance(self, use_case: str, group: int, now: float, interval: float, batch_count: int) -> Cursor:
        """Advance the cursor of a group by one call, in one step however many calls run at once."""
        with self._lock:
            return self._replace(use_case, group, self._get(use_case, group).advance(now, interval, batch_count))

    def restart(self, use_case: str, group: int) -> Cursor:
        """Put a group back before batch 1."""
        with self._lock:
            return self._replace(use_case, group, self._get(use_case, group).restart())

    def cursors(self, use_case: str) -> dict[int, Cursor]:
        """Return the cursor of every group that has called, by group number."""
        with self._lock:
            return dict(sorted(self._cursors.get(use_case, {}).items()))

    def _get(self, use_case: str, group: int) -> Cursor:
        return self._cursors.get(use_case, {}).get(group, Cursor())

    def _replace(self, use_case: str, group: int, cursor: Cursor) -> Cursor:
        # On disk first: when the write fails the call fails, and the batch is not lost to the caller.
        cursors = {**self._cursors, use_case: {**self._cursors.get(use_case, {}), group: cursor}}
        self._write(cursors)
        self._cursors = cursors
        return cursor

    def _read(self) -> dict[str, dict[int, Cursor]]:
        try:
            return _StateFile.model_validate_json(self._path.read_bytes()).cursors
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigurationError(f"cannot read the state file {self._path}: {error.strerror}") from None
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in problem["loc"]) or "the file"
            raise ConfigurationError(
                f"the state file {self._path} is damaged ({place}: {problem['msg']}); restore it from a copy, or "
                "delete it to start every group again from batch 1"
            ) from None

    def _write(self, cursors: dict[str, dict[int, Cursor]]) -> None:
        """Replace the file in one step: a crash leaves the old one or the new one, never a half."""
        text = json.dumps(_StateFile(cursors=cursors).model_dump(mode="json"), indent=1)
        temporary = self._path.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
