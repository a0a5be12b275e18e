"""What an MLflow model says of itself: its signature as columns, its input example as a record."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.bundle import Bundle, BundleColumn, BundleError, Expected
from pipeline.model_version import MLMODEL_FILE
from pipeline.slots import Slot

# Of MLflow's types: those that have one column of a table. A time of day would be lost in a date.
_TYPES: dict[str, dict[str, Any]] = {
    "double": {"type": "number", "dtype": "float64"},
    "float": {"type": "number", "dtype": "float32"},
    "long": {"type": "integer", "dtype": "int64"},
    "integer": {"type": "integer", "dtype": "int32", "minimum": -(2**31), "maximum": 2**31 - 1},
    "boolean": {"type": "integer", "dtype": "bool", "minimum": 0, "maximum": 1},
    "string": {"type": "text", "dtype": "object"},
    "datetime": {"type": "date", "dtype": "datetime64[ns]"},
}
_NUMBER_DTYPE = re.compile(r"(float|u?int)(8|16|32|64)")
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}")
NO_SIGNATURE = "has no signature: log it with `signature=mlflow.models.infer_signature(X, model.predict(X))`"


class SignatureColumn(BundleColumn):
    """A column named as the model names it.

    Parameters
    ----------
    dtype : of the values in the table or array that the model takes, as numpy names it.
    """

    name: str
    dtype: str

    @property
    def is_boolean(self) -> bool:
        return self.dtype == "bool"

    @property
    def lacks_nan(self) -> bool:
        """Whether its type has no value that stands for a missing one."""
        return self.type == "integer"

    @property
    def made_up(self) -> Any:
        """A value to try a model with; it may be none of those that the model was trained on."""
        return {"integer": 1, "number": 1.0, "date": date(2000, 1, 1)}.get(self.type, "text")


class SignatureBundle(Bundle):
    """What is known of a model that has no serving bundle of ours: no statistics, no encoding, no recorded answer."""

    columns: list[SignatureColumn] = Field(min_length=1)  # type: ignore[assignment]
    encoding: list[Slot] = Field(default_factory=list)
    expected: Expected = Expected(prediction="")
    input_example: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        return self


class Description(BaseModel):
    """Content of ``MLmodel``, as far as serving needs it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    flavors: dict[str, dict[str, Any]]
    signature: dict[str, str | None] | None = None
    saved_input_example_info: dict[str, Any] | None = None

    @property
    def inputs(self) -> list[dict[str, Any]]:
        return _schema(self.signature, "inputs")

    @property
    def target(self) -> str:
        """Name of the output, where it has a usable one."""
        found = [str(output.get("name", "")) for output in _schema(self.signature, "outputs")]
        return found[0] if len(found) == 1 and _IDENTIFIER.fullmatch(found[0]) else "prediction"

    @property
    def is_tensor(self) -> bool:
        """Whether the model takes an array, not a table with named columns."""
        return any(entry.get("type") == "tensor" for entry in self.inputs)


def read_description(folder: Path, label: str) -> Description:
    """Read ``MLmodel`` of a downloaded model.

    Raises
    ------
    BundleError
        It is missing or damaged.
    """
    try:
        return Description.model_validate(yaml.safe_load((folder / MLMODEL_FILE).read_bytes()))
    except OSError as error:
        raise BundleError(f"{label} has no readable {MLMODEL_FILE}: {error.strerror}") from None
    except (yaml.YAMLError, ValidationError, ValueError) as error:
        raise BundleError(f"the {MLMODEL_FILE} of {label} is damaged: {str(error).splitlines()[0]}") from None


def columns_of(description: Description, label: str) -> list[SignatureColumn]:
    """The columns that a model takes.

    Raises
    ------
    BundleError
        There is no signature, or it holds what a flat record cannot.
    """
    inputs = description.inputs
    if not inputs:
        raise BundleError(f"{label} {NO_SIGNATURE}")
    if description.is_tensor:
        return _tensor_columns(inputs, label)
    columns = []
    for place, entry in enumerate(inputs):
        name = str(entry.get("name", f"x{place}"))
        known = _TYPES.get(str(entry.get("type")))
        if known is None:
            raise BundleError(f"{label} takes {name!r} as {entry.get('type')}; served are {', '.join(_TYPES)}")
        columns.append(SignatureColumn(name=name, nullable=not entry.get("required", True), **known))
    if len({column.name for column in columns}) < len(columns):
        raise BundleError(f"{label} takes several columns of one name")
    return columns


def example_of(description: Description, folder: Path, columns: list[SignatureColumn]) -> dict[str, Any]:
    """The first record of the input example that was logged with a model; empty when there is none."""
    info = description.saved_input_example_info or {}
    try:
        content = json.loads((folder / str(info.get("artifact_path", ""))).read_bytes())
    except (OSError, ValueError):
        return {}
    rows = content.get("data") if isinstance(content, dict) else content
    names = content.get("columns", []) if isinstance(content, dict) else [column.name for column in columns]
    if not (isinstance(rows, list) and rows and isinstance(rows[0], list) and len(rows[0]) == len(names)):
        return {}
    return dict(zip(map(str, names), map(_plain, rows[0]), strict=True))


def _plain(value: Any) -> Any:
    """A value as a request gives it."""
    if isinstance(value, float) and value != value:
        return None
    return int(value) if isinstance(value, bool) else value


def _schema(signature: dict[str, str | None] | None, key: str) -> list[dict[str, Any]]:
    try:
        found = json.loads((signature or {}).get(key) or "[]")
    except ValueError:
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _tensor_columns(inputs: list[dict[str, Any]], label: str) -> list[SignatureColumn]:
    spec = inputs[0].get("tensor-spec", {})
    shape, dtype = spec.get("shape", []), str(spec.get("dtype"))
    is_table = len(inputs) == 1 and len(shape) == 2 and shape[0] == -1 and isinstance(shape[1], int) and shape[1] > 0
    if not is_table or not _NUMBER_DTYPE.fullmatch(dtype):
        raise BundleError(
            f"{label} takes arrays of {dtype} and shape {shape}; served are numbers of shape [-1, columns]"
        )
    return [SignatureColumn(name=f"x{place}", dtype=dtype, **_limits(dtype)) for place in range(shape[1])]


def _limits(dtype: str) -> dict[str, Any]:
    """What a column of the type may hold, where that is less than any number."""
    if dtype.startswith("float"):
        limits = np.finfo(dtype) if dtype == "float16" else None
        return {"type": "number"} | ({"minimum": float(limits.min), "maximum": float(limits.max)} if limits else {})
    info = np.iinfo(dtype)
    found = {"minimum": info.min} if info.bits < 64 or not info.min else {}
    return {"type": "integer", **found} | ({"maximum": info.max} if info.bits < 64 else {})
