"""How fast a batch gets into MySQL, and how fast all rows come out for training, beside the usual ways.

    python -m benchmarks.ingestion [--rounds 3] [--warehouse-url mysql+pymysql://user:password@host:3306/database]

Written: one `collect` of 58,100 covertype rows (reply archived and hashed, every field checked, row hashes, ledger,
duplicates refused), against inserting the same rows one by one with a commit each 1,000. Read: `Warehouse.read_rows`
of 581,000 rows against `pandas.read_sql`. Both ways take turns on one server, so a ratio is of one moment.
Without --warehouse-url, a MySQL with its standard durability is started in a container. The database is emptied.
"""

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pymysql
from sqlalchemy import URL, create_engine, make_url

from pipeline.collection import collect
from pipeline.lake import FileLake
from pipeline.source import SourceClient
from pipeline.use_case import UseCase, load_use_case
from pipeline.warehouse import Warehouse
from pipeline.warehouse.database import Database
from tests.integration.containers import mysql_server

BATCH_ROWS = 58_100
BATCHES = 10
COMMIT_EVERY = 1000


class OneReply(SourceClient):
    """A source that answers from memory: its own speed is not what is measured."""

    def __init__(self) -> None:
        super().__init__("http://source.invalid")
        self.body = b""

    def fetch(self, use_case: UseCase) -> bytes:  # noqa: ARG002
        return self.body


def make_rows(use_case: UseCase, count: int, seed: int) -> list[list[str]]:
    """Rows of the use case's columns, uniform within its limits; hardly any two are equal."""
    random = np.random.default_rng(seed)
    columns = []
    for column in use_case.columns:
        if column.categories:
            columns.append(random.choice(list(column.categories), count).tolist())
        else:
            low, high = int(column.minimum or 0), int(column.maximum or 1000)
            columns.append(list(map(str, random.integers(low, high, count, endpoint=True).tolist())))
    return [list(row) for row in zip(*columns, strict=True)]


def make_reply(use_case: UseCase, batch_number: int) -> bytes:
    rows = make_rows(use_case, BATCH_ROWS, batch_number)
    return json.dumps({"group_number": 1, "batch_number": batch_number, "data": rows}).encode()


def insert_row_by_row(url: URL, use_case: UseCase, rows: list[list[str]]) -> float:
    """Seconds to insert rows one by one, committing each 1,000, into a plain table of the same types."""
    columns = [f"`{column.name}`" for column in use_case.columns]
    types = ["VARCHAR(64)" if column.categories else "BIGINT" for column in use_case.columns]
    with contextlib.closing(_connect(url, url.database)) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS row_by_row")
        cursor.execute(f"CREATE TABLE row_by_row ({', '.join(map(' '.join, zip(columns, types, strict=True)))})")
        places = ", ".join(["%s"] * len(columns))
        statement = f"INSERT INTO row_by_row ({', '.join(columns)}) VALUES ({places})"
        start = time.perf_counter()
        for number, row in enumerate(rows, 1):
            cursor.execute(statement, row)
            if number % COMMIT_EVERY == 0:
                connection.commit()
        connection.commit()
        return time.perf_counter() - start


def measure(use_case: UseCase, url: URL, rounds: int, baseline_rows: int) -> None:
    warehouse, source = Warehouse(Database(url)), OneReply()
    write_ratios = []
    _empty(url)
    warehouse.migrate([use_case])
    with tempfile.TemporaryDirectory() as folder:
        lake = FileLake(Path(folder) / "lake")
        lake.create()
        source.body = json.dumps({"group_number": 1, "batch_number": 0, "data": make_rows(use_case, 100, 99)}).encode()
        collect(use_case, source, lake, warehouse)
        warehouse.read_rows(use_case)  # imports and connections are made: now measure
        for batch in range(1, BATCHES + 1):
            source.body = make_reply(use_case, batch)
            start = time.perf_counter()
            entry = collect(use_case, source, lake, warehouse)
            rate = BATCH_ROWS / (time.perf_counter() - start)
            assert entry.accepted > 0.99 * BATCH_ROWS, entry
            if batch <= rounds:
                rows = make_rows(use_case, baseline_rows, 1000 + batch)
                slow = baseline_rows / insert_row_by_row(url, use_case, rows)
                write_ratios.append(rate / slow)
                print(
                    f"write, round {batch}: {rate:9,.0f} rows/s   row by row {slow:7,.0f} rows/s   {rate / slow:5.1f} ×"
                )
    print(f"write, median: {statistics.median(write_ratios):.1f} × (goal 12 ×)\n")
    measure_reading(use_case, url, warehouse, rounds)


def measure_reading(use_case: UseCase, url: URL, warehouse: Warehouse, rounds: int) -> None:
    engine = create_engine(url)
    ratios = []
    for number in range(1, rounds + 1):
        start = time.perf_counter()
        frame = warehouse.read_rows(use_case)
        fast = time.perf_counter() - start
        columns = ", ".join(f"`{name}`" for name in frame.columns)
        start = time.perf_counter()
        with engine.connect() as connection:
            usual = pd.read_sql(f"SELECT {columns} FROM rows_{use_case.name}", connection)
        slow = time.perf_counter() - start
        assert usual.shape == frame.shape
        ratios.append(slow / fast)
        print(
            f"read, round {number}: {frame.shape} {fast:5.2f} s   pandas.read_sql {slow:5.2f} s   {ratios[-1]:5.1f} ×"
        )
    print(f"read, median: {statistics.median(ratios):.1f} × (goal 8 ×)")


def _connect(url: URL, database: str | None) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(
        host=url.host, port=url.port or 3306, user=url.username, password=str(url.password or ""), database=database
    )


def _empty(url: URL) -> None:
    with contextlib.closing(_connect(url, None)) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS `{url.database}`")
        cursor.execute(f"CREATE DATABASE `{url.database}`")


@contextlib.contextmanager
def _server(url: str | None) -> Iterator[URL]:
    if url:
        yield make_url(url)
        return
    with mysql_server() as server:
        yield URL.create("mysql+pymysql", server.user, server.password, server.host, server.port, "ingestion_benchmark")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warehouse-url", help="mysql+pymysql:// URL of a database that may be emptied")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--baseline-rows", type=int, default=BATCH_ROWS, help="rows inserted one by one in each round")
    arguments = parser.parse_args()
    use_case = load_use_case(Path(__file__).resolve().parents[1] / "use_cases" / "covertype.yaml")
    with _server(arguments.warehouse_url) as url:
        measure(use_case, url, arguments.rounds, arguments.baseline_rows)


if __name__ == "__main__":
    main()
