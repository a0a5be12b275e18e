"""All volumes of the stack as one archive: ``save`` writes it to standard output, ``load`` reads standard input.

For a stack that is stopped: files that a database is writing are no backup of it.
"""

import fcntl
import gzip
import sys
import tarfile
import zlib
from pathlib import Path
from typing import BinaryIO

VOLUMES = Path("/volumes")
# PostgreSQL keeps it among its data while it runs.
POSTGRES_RUNS = "postgres_data/**/postmaster.pid"
# MySQL holds a lock on it while it runs.
MYSQL_LOCKS = "mysql_data/ibdata1"
# Without the option, services of a profile run on.
COMPOSE = "docker compose --profile '*'"
NEEDED = ("minio_data", "mysql_data", "postgres_data")


class BackupRefused(Exception):
    """The message says why, and what to do."""


def save(folder: Path, output: BinaryIO) -> None:
    """Write every volume, with the owners of its files.

    Raises
    ------
    BackupRefused
        The stack runs, or has never run; nothing was written.
    """
    if any(folder.glob(POSTGRES_RUNS)) or any(map(_is_locked, folder.glob(MYSQL_LOCKS))):
        raise BackupRefused(f"the stack runs, or was killed: {COMPOSE} stop (after an up, when it was killed)")
    if empty := _empty(folder):
        raise BackupRefused(f"there is nothing in {', '.join(empty)}: another COMPOSE_PROJECT_NAME, or no stack yet")
    with (
        gzip.GzipFile(fileobj=output, mode="wb", compresslevel=1) as compressed,
        tarfile.open(fileobj=compressed, mode="w|") as archive,
    ):
        for volume in sorted(folder.iterdir()):
            archive.add(volume, volume.name)


def load(folder: Path, source: BinaryIO) -> None:
    """Fill the volumes of a stack that has never run.

    Raises
    ------
    BackupRefused
        A volume holds something already, and nothing was written; or the archive is damaged or is no backup.
    """
    filled = sorted(volume.name for volume in folder.iterdir() if any(volume.iterdir()))
    if filled:
        raise BackupRefused(f"there is data in {', '.join(filled)}: {COMPOSE} down --volumes deletes it")
    try:
        with gzip.GzipFile(fileobj=source) as compressed, tarfile.open(fileobj=compressed, mode="r|") as archive:
            # Owners by number, for the users are those of other images.
            archive.extractall(folder, numeric_owner=True, filter="tar")
            # To its end, where the checksum is.
            while compressed.read(1 << 20):
                continue
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BackupRefused(f"the archive is damaged or cut off ({error}); {_start_over()}") from None
    if missing := _empty(folder):
        raise BackupRefused(f"the archive is no backup of this stack, without {', '.join(missing)}; {_start_over()}")


def _empty(folder: Path) -> list[str]:
    return [name for name in NEEDED if not any((folder / name).iterdir())]


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _start_over() -> str:
    return f"{COMPOSE} down --volumes before the next try"


def main(arguments: list[str]) -> None:
    """Run from the command line."""
    try:
        if arguments == ["save"] and not sys.stdout.isatty():
            save(VOLUMES, sys.stdout.buffer)
        elif arguments == ["load"] and not sys.stdin.isatty():
            load(VOLUMES, sys.stdin.buffer)
        else:
            sys.exit("usage: docker compose run --rm -T backup save > FILE, or load < FILE")
    except (BackupRefused, OSError) as error:
        sys.exit(f"backup: {arguments[0]} failed: {error}")
    print(f"backup: {arguments[0]} done", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
