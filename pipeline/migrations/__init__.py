"""Alembic revisions of the warehouse's fixed tables, run by ``mlops init``."""
