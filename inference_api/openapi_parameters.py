"""What the query string of a prediction may ask for, as OpenAPI describes it."""

from typing import Any

VERSION: dict[str, Any] = {
    "name": "version",
    "in": "query",
    "description": "answer with this version",
    "schema": {"type": "integer", "minimum": 1},
}
ALIAS: dict[str, Any] = {
    "name": "alias",
    "in": "query",
    "description": "answer with the version of this alias",
    "schema": {"type": "string"},
}
EXPLAIN: dict[str, Any] = {
    "name": "explain",
    "in": "query",
    "description": "add the contribution of each feature to each answer (at most 20 records)",
    "schema": {"type": "boolean", "default": False},
}
LOG: dict[str, Any] = {
    "name": "log",
    "in": "query",
    "description": "false: answer, but neither store the prediction nor let a shadow predict it",
    "schema": {"type": "boolean", "default": True},
}
