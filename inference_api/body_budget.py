"""What request bodies may hold in memory, all of them together."""

from types import TracebackType

from inference_api.errors import Refusal
from inference_api.request_schema import LARGE_BYTES

# Beside the large bodies, for those of at most LARGE_BYTES: a few slow uploads must not lock everybody out.
SMALL_BODIES_BYTES = 32 * 1024 * 1024
# A body up to this does not count: the server holds as much of any connection before somebody asks for it.
BUFFERED_BYTES = 64 * 1024


class BodyBudget:
    """Counts the bytes of bodies that are being received, wait, or are at work.

    Parameters
    ----------
    most : bytes beyond which no large body is taken; smaller ones have `SMALL_BODIES_BYTES` more.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    def share(self) -> "Share":
        return Share(self)

    def grow(self, before: int, size: int) -> None:
        """Count a body of `size` bytes, of which `before` are counted already.

        Raises
        ------
        Refusal
            429 when too much is held; nothing more is counted then.
        """
        held = self._held - before + size
        if held > (self._most if size > LARGE_BYTES else self._most + SMALL_BODIES_BYTES):
            raise Refusal(429, "too many large requests at once; try again in a second", retry_after=1)
        self._held = held

    def give_back(self, size: int) -> None:
        self._held -= size


class Share:
    """What one body takes of the budget until the block ends: as long as its bytes are kept."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._counted = 0

    def grow_to(self, size: int) -> None:
        """The body has so many bytes now; raises as `BodyBudget.grow` does."""
        if size > BUFFERED_BYTES:
            self._budget.grow(self._counted, size)
            self._counted = size

    def __enter__(self) -> "Share":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.give_back(self._counted)
