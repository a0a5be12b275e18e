"""Alembic's entry point: the connection comes from the caller, never from a file."""

from alembic import context

from pipeline.warehouse.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
