"""What the float row of a model is made of: the parts of a bundle's encoding, each a few numbers wide."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class BundlePart(BaseModel):
    """A part of ``bundle.json``: immutable, strict, and without NaN, which JSON cannot hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NumericSlot(BundlePart):
    """One slot: the number itself, or `impute` where it is missing."""

    kind: Literal["numeric"] = "numeric"
    column: str
    impute: float

    @property
    def width(self) -> int:
        return 1


class MissingSlot(BundlePart):
    """One slot: 1 where the value is missing, else 0."""

    kind: Literal["missing"] = "missing"
    column: str

    @property
    def width(self) -> int:
        return 1


class LinearSlot(BundlePart):
    """One slot: the weighted sum of numeric columns, a missing one taken as its `impute` value."""

    kind: Literal["linear"] = "linear"
    name: str
    terms: dict[str, float] = Field(min_length=1)
    impute: dict[str, float]

    @property
    def width(self) -> int:
        return 1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if missing := sorted(set(self.terms) - set(self.impute)):
            raise ValueError(f"linear feature {self.name!r} has no 'impute' value for {missing}")
        return self


class OneHotSlot(BundlePart):
    """One slot per category: 1 for the value's own; all zero for a missing or unknown value."""

    kind: Literal["onehot"] = "onehot"
    column: str
    categories: list[str] = Field(min_length=1)

    @property
    def width(self) -> int:
        return len(self.categories)


class LookupSlot(BundlePart):
    """As many slots as a value has numbers: those of the value, of a missing one, or the default for an unknown one."""

    kind: Literal["lookup"] = "lookup"
    column: str
    values: dict[str, list[float]]
    default: list[float] = Field(min_length=1)
    missing: list[float] | None = Field(default=None, description="numbers of a missing value; None means `default`")

    @property
    def width(self) -> int:
        return len(self.default)

    @model_validator(mode="after")
    def _check(self) -> Self:
        rows = [*self.values.values(), self.missing or self.default]
        if any(len(row) != self.width for row in rows):
            raise ValueError(f"lookup of column {self.column!r}: every value must have {self.width} numbers")
        return self


Slot = Annotated[NumericSlot | MissingSlot | LinearSlot | OneHotSlot | LookupSlot, Field(discriminator="kind")]
