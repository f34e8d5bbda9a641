"""What events are made from: an accepted TLog, as its owner gives it."""

from dataclasses import dataclass
from typing import Protocol

from mmsb.state.array_fold import ArrayFold
from mmsb.state.home.home import Home
from mmsb.state.page_fold import PageFold


@dataclass(frozen=True)
class Cut:
    """Pages at a boundary between steps, which may be ahead of what is accepted, and a fold that is not."""

    fold: PageFold  # the next record that it reads is the first that was not accepted, or an earlier one
    home: Home  # of its pages
    settled: int  # the last intent whose effects the pages have


class Source(Protocol):
    """The owner of a partition. Only `read` is called from another thread than the event loop's."""

    @property
    def accepted(self) -> int:
        """The last intent whose outcome is accepted; -1 if none is."""
        ...

    def accepted_tlog(self) -> int:
        """The first TLog offset that is not accepted yet. It may be asked for from any thread."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Whole batches below that, from the one on that holds an offset: one, or as many as fit the size."""
        ...

    def base_before(self, offset: int) -> ArrayFold | None:
        """A fold that has settled only intents below an offset, for the caller to go on with; None: there is none.

        Raises InvalidValue if there is none and the log does not begin with its first record any more.
        """
        ...

    async def wait(self, tlog_offset: int) -> None:
        """Return once a TLog offset is accepted."""
        ...

    async def cut(self) -> Cut:
        """A copy of the pages. What is submitted after this call is not in it."""
        ...
