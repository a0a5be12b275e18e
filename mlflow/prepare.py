"""Before the MLflow server starts: its tables in MySQL at this version's schema, and the bucket of its artifacts.

The server makes missing tables by itself but never upgrades old ones, and several servers would race. MySQL cannot roll
a migration back, so a first start that was interrupted leaves half of the tables: those hold no run and are made again.
"""

import os
import sys
from urllib.parse import urlsplit

import boto3
from alembic.util.exc import CommandError
from botocore.exceptions import BotoCoreError, ClientError
from mlflow.store.db import utils as database
from sqlalchemy import Engine, MetaData, inspect, text
from sqlalchemy.exc import SQLAlchemyError


def holds_runs(engine: Engine, tables: list[str]) -> bool:
    """Whether anything would be lost with the tables."""
    with engine.connect() as connection:
        return any(
            connection.execute(text(f"SELECT 1 FROM {table} LIMIT 1")).first() is not None
            for table in ("runs", "registered_models")
            if table in tables
        )


def drop_tables(engine: Engine) -> None:
    """Empty the database."""
    with engine.begin() as connection:
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        metadata = MetaData()
        metadata.reflect(connection)
        for name in metadata.tables:
            connection.execute(text(f"DROP TABLE `{name}`"))
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))


def migrate(engine: Engine) -> str:
    """Bring the tables to this version's schema; return what was done."""
    tables = inspect(engine).get_table_names()
    current, latest = (database._get_schema_version(engine) if tables else None), database._get_latest_schema_revision()
    if current == latest:
        return "tables are up to date"
    if tables and not holds_runs(engine, tables):
        drop_tables(engine)
        tables = []
    if tables:
        database._upgrade_db(engine)
        return f"tables upgraded from {current} to {latest}"
    database._initialize_tables(engine)
    return "tables created"


def create_bucket(destination: str) -> str:
    """Create the bucket of an ``s3://bucket/path`` unless it is there."""
    bucket = urlsplit(destination).netloc
    try:
        boto3.client("s3").create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
        return f"bucket {bucket} exists"
    return f"bucket {bucket} created"


def main() -> None:
    """Prepare both stores, or exit with what to do about it."""
    try:
        done = create_bucket(os.environ["MLFLOW_ARTIFACTS_DESTINATION"])
        engine = database.create_sqlalchemy_engine_with_retry(os.environ["MLFLOW_BACKEND_STORE_URI"])
        done += "; " + migrate(engine)
    except (ClientError, BotoCoreError) as error:
        sys.exit(f"mlflow-init: the object store refuses the bucket of MLflow: {error}\nSee: docker compose logs minio")
    except (SQLAlchemyError, CommandError) as error:
        sys.exit(
            f"mlflow-init: MLflow's tables cannot be migrated: {error}\n"
            "They hold runs, so they are left as they are. If the volume mysql_data comes from a newer MLflow, go back "
            "to its image; if an upgrade was interrupted, restore a backup of the database 'mlflow' and run this again "
            "(docker compose up mlflow-init). To delete all data: docker compose --profile '*' down -v"
        )
    print("mlflow-init:", done)


if __name__ == "__main__":
    main()
