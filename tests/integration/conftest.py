"""SQLite with a folder, and MySQL with an S3 server in containers: for all tests, a database of its own for each."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest
from pydantic import SecretStr
from sqlalchemy import URL

from pipeline.lake import Lake, open_lake
from pipeline.registry import Registry
from pipeline.settings import PipelineSettings
from pipeline.warehouse import Warehouse, open_warehouse
from tests.integration.containers import Server, docker_problem, mysql_server, s3_server
from tests.integration.shared_server import shared_server

BACKENDS = [
    pytest.param("sqlite and files", id="sqlite-files"),
    pytest.param("mysql and s3", id="mysql-s3", marks=pytest.mark.docker),
]
# What the product's user may do: everything, in its own databases only.
GRANT = r"GRANT ALL ON `mlops\_%`.* TO 'mlops'@'%'"


@pytest.fixture(scope="session")
def require_docker() -> None:
    """Skip without Docker, and fail where REQUIRE_DOCKER says that it must be there."""
    problem = docker_problem()
    if problem and os.environ.get("REQUIRE_DOCKER") == "1":
        pytest.fail(f"REQUIRE_DOCKER=1, but {problem}")
    if problem:
        pytest.skip(problem)


@pytest.fixture(scope="session")
def meeting_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@contextmanager
def _mysql_with_user() -> Iterator[Server]:
    with mysql_server(in_memory=True) as server:
        administer(server, f"CREATE USER 'mlops'@'%' IDENTIFIED BY '{server.password}'", GRANT)
        yield server


@pytest.fixture(scope="session")
def mysql(require_docker: None, meeting_place: Path) -> Iterator[Server]:  # noqa: ARG001
    with shared_server(meeting_place / "mysql", _mysql_with_user) as server:
        yield server


@pytest.fixture(scope="session")
def s3(mysql: Server, meeting_place: Path) -> Iterator[Server]:  # noqa: ARG001
    """After MySQL in every worker: in another order, two might wait for each other to leave."""
    with shared_server(meeting_place / "s3", s3_server) as server:
        yield server


@pytest.fixture
def mysql_url(mysql: Server) -> Iterator[URL]:
    """URL of a database of its own, with the product's user and password."""
    name = f"mlops_{uuid.uuid4().hex[:12]}"
    administer(mysql, f"CREATE DATABASE {name}")
    yield URL.create("mysql+pymysql", "mlops", mysql.password, mysql.host, mysql.port, name)
    administer(mysql, f"DROP DATABASE {name}")


@pytest.fixture(params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> PipelineSettings:
    """Settings of each pair of warehouse and lake, nothing created yet."""
    if request.param == "sqlite and files":
        return PipelineSettings(
            warehouse_url=f"sqlite:///{tmp_path}/warehouse.db",
            warehouse_password=None,
            lake_url=f"file://{tmp_path}/lake",
        )
    url, s3 = request.getfixturevalue("mysql_url"), request.getfixturevalue("s3")
    return PipelineSettings(
        warehouse_url=url._replace(password=None).render_as_string(),
        warehouse_password=SecretStr(url.password),
        lake_url=f"s3://lake-{uuid.uuid4().hex[:12]}/some/prefix",
        aws_endpoint_url_s3=f"http://{s3.host}:{s3.port}",
        aws_access_key_id=s3.user,
        aws_secret_access_key=SecretStr(s3.password),
    )


@pytest.fixture(scope="session")
def mlflow_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty MLflow store. To make its tables takes a second, so a test that needs them copies it."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    Registry(f"sqlite:///{path}").models()
    return path


@pytest.fixture
def lake(settings: PipelineSettings) -> Lake:
    lake = open_lake(settings)
    lake.create()
    return lake


@pytest.fixture
def warehouse(settings: PipelineSettings) -> Iterator[Warehouse]:
    """Not migrated yet."""
    warehouse = open_warehouse(settings)
    yield warehouse
    warehouse.close()


def administer(server: Server, *statements: str) -> None:
    connection = pymysql.connect(host=server.host, port=server.port, user="root", password=server.password)
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
