"""What an audit found: statements that hold, that cannot be proved, and that are wrong."""

from pydantic import BaseModel, ConfigDict, Field


class Findings(BaseModel):
    """Three lists of sentences.

    Parameters
    ----------
    proved : what was checked and holds.
    unproved : what nothing recorded allows to check; honest, and no violation.
    problems : violations.
    """

    model_config = ConfigDict(extra="forbid")

    proved: list[str] = Field(default_factory=list)
    unproved: list[str] = Field(default_factory=list)
    problems: list[str] = Field(default_factory=list)

    def check(self, holds: bool, proved: str, problem: str) -> bool:
        """Record one of two sentences; whether it was the good one."""
        (self.proved if holds else self.problems).append(proved if holds else problem)
        return holds

    def require(self, holds: bool, problem: str) -> bool:
        """Record a sentence when something does not hold; whether it does."""
        if not holds:
            self.problems.append(problem)
        return holds
