"""One server for all workers of a run: the first that needs it starts it, and removes it when nobody does any more.

Locks on files say who uses it, for the system releases those of a worker that dies.
"""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from tests.integration.containers import Server


@contextmanager
def shared_server(folder: Path, start: Callable[[], AbstractContextManager[Server]]) -> Iterator[Server]:
    """The server that `start` starts, while in the block.

    Parameters
    ----------
    folder : where the workers meet, the same for all of them and for this server only.
    """
    folder.mkdir(exist_ok=True)
    description = folder / "server.json"
    with (folder / "users").open("w") as users, (folder / "starting").open("w") as starting:
        _lock(starting)
        if description.exists():
            fcntl.flock(users, fcntl.LOCK_SH)
            _unlock(starting)
            yield Server(**json.loads(description.read_text()))
            return
        with start() as server:
            description.write_text(json.dumps(asdict(server)))
            _unlock(starting)
            try:
                yield server
            finally:
                _lock(starting)  # nobody joins any more, and the others leave
                _lock(users)
                description.unlink()


def _lock(file: TextIO) -> None:
    fcntl.flock(file, fcntl.LOCK_EX)


def _unlock(file: TextIO) -> None:
    fcntl.flock(file, fcntl.LOCK_UN)
