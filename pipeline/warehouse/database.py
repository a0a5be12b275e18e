"""One connection pool, its transactions with their retries, and what a database's errors mean to a user."""

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from pipeline.errors import WarehouseError

Result = TypeVar("Result")

BUSY_TIMEOUT_SECONDS = 30
ATTEMPTS = 6
# MySQL: lock wait time-out, deadlock. Both mean that nothing was done, and that it may work now.
RETRYABLE_CODES = frozenset({1205, 1213})
# MySQL's error codes, and what they mean to a user.
MYSQL_MESSAGES: tuple[tuple[frozenset[int], str], ...] = (
    (
        frozenset({2002, 2003, 2005, 2006, 2013, 1040}),
        "the warehouse at {address} is unreachable: start it, or correct WAREHOUSE_URL ({cause})",
    ),
    (
        frozenset({1045, 1698}),
        "the warehouse at {address} denies access to user {user!r}: check WAREHOUSE_PASSWORD. MySQL keeps the password "
        "with which its volume was first made: a new one needs ALTER USER, or a new volume",
    ),
    (
        frozenset({1044, 1142, 1227}),
        "user {user!r} lacks a privilege on the warehouse's database {database!r}: GRANT ALL ON it ({cause})",
    ),
    (
        frozenset({1049}),
        "the warehouse's server {address} has no database {database!r}: create it, or correct WAREHOUSE_URL",
    ),
    (frozenset({1146, 1054}), "the warehouse {where} lacks a table or column: run `mlops init` ({cause})"),
    (
        frozenset({3024}),
        "the warehouse at {address} took too long for an answer and was stopped: retry later ({cause})",
    ),
    (frozenset({1021, 1114, 3, 28}), "the warehouse at {address} has no disk space left: free some, retry ({cause})"),
    (RETRYABLE_CODES, "the warehouse at {address} is busy, a lock was not free in time: retry ({cause})"),
)


class Database:
    """An engine, and how work is done on it.

    Parameters
    ----------
    url : SQLAlchemy URL, password included.
    patience_seconds : how long MySQL may take for one statement; None for as long as it needs.
    """

    def __init__(self, url: str | URL, patience_seconds: int | None = None) -> None:
        try:
            self.url = make_url(url)
        except ArgumentError as error:
            raise WarehouseError(f"WAREHOUSE_URL is not a database URL: {error}") from None
        self.is_mysql = self.url.get_backend_name() == "mysql"
        self.engine = _mysql_engine(self.url, patience_seconds) if self.is_mysql else _sqlite_engine(self.url)

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one transaction, again when it lost a race for a lock: it must not have other effects."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.engine.begin() as connection:
                    return work(connection)
            except SQLAlchemyError as error:
                if attempt == ATTEMPTS or not _is_retryable(error):
                    raise self.explain(error) from error
            time.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` on one consistent view of the tables."""
        with self.errors(), self.engine.connect().execution_options(read_only=True) as connection:
            return work(connection)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn database errors into messages for the user."""
        try:
            yield
        except SQLAlchemyError as error:
            raise self.explain(error) from error

    def explain(self, error: SQLAlchemyError) -> WarehouseError:
        """What went wrong, where, and what to do about it."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        where = self.url.render_as_string(hide_password=True)
        if not self.is_mysql:
            return WarehouseError(f"the warehouse {where} {_explain_sqlite(str(cause))}")
        code = _code(error)
        message = next(
            (text for codes, text in MYSQL_MESSAGES if code in codes), "the warehouse {where} refused: {cause}"
        )
        address = f"{self.url.host}:{self.url.port or 3306}"
        names = {"user": self.url.username, "database": self.url.database}
        return WarehouseError(message.format(where=where, address=address, cause=cause, **names))


def _mysql_engine(url: URL, patience_seconds: int | None) -> Engine:
    # pymysql's own name for it; the server must allow it too, or rows go the slower way.
    options: dict[str, Any] = {"local_infile": True, "connect_timeout": 10, "charset": "utf8mb4"}
    if patience_seconds is not None:
        # The server stops reading first and says so; beyond that, the connection is taken for lost.
        limit = f"SET SESSION max_execution_time = {patience_seconds * 1000}"
        options |= {"connect_timeout": min(10, patience_seconds), "init_command": limit}
        options |= {"read_timeout": patience_seconds + 2, "write_timeout": patience_seconds + 2}
    return create_engine(
        url,
        connect_args={name: value for name, value in options.items() if name not in url.query},
        pool_pre_ping=True,
        pool_recycle=1800,
        # Gap locks would make deadlocks of what are only neighbours.
        isolation_level="READ COMMITTED",
    )


def _sqlite_engine(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise WarehouseError("the warehouse must be a file that several processes share: sqlite:///path/to/file.db")
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})

    @event.listens_for(engine, "connect")
    def _own_transactions(connection: sqlite3.Connection, _: Any) -> None:
        # The driver would begin transactions on its own, late and without a write lock.
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer that starts as a reader fails at once, without waiting, when another one wrote meanwhile.
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def prepare_sqlite_file(url: URL) -> None:
    """Make the file's folder and turn on the write-ahead log, which lets readers go on during a write."""
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except (OSError, sqlite3.Error) as error:
        raise WarehouseError(f"the warehouse file {path} cannot be made: {error}. Correct WAREHOUSE_URL") from error


def _code(error: SQLAlchemyError) -> int | None:
    arguments = error.orig.args if isinstance(error, DBAPIError) and error.orig else ()
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def _is_retryable(error: SQLAlchemyError) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    return _code(error) in RETRYABLE_CODES or "database is locked" in str(error.orig)


def _explain_sqlite(message: str) -> str:
    if "no such table" in message or "no such column" in message or "has no column" in message:
        return f"lacks a table or column: run `mlops init` ({message})"
    if "unable to open" in message:
        return "cannot be opened: run `mlops init`, or correct WAREHOUSE_URL"
    if "locked" in message:
        return f"stayed locked by another process for {BUSY_TIMEOUT_SECONDS} s: retry, or look for a process that hangs"
    if "full" in message:
        return "has no disk space left: free some, then retry"
    if "readonly" in message:
        return "is not writable for this user: correct its permissions"
    if "malformed" in message or "not a database" in message:
        return f"is damaged or no SQLite file ({message}): correct WAREHOUSE_URL, or restore a copy"
    return f"refused: {message}"
