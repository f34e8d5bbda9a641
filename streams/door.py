"""What a bus asks of the owner of a data folder: the engine in this process, or another process over its socket.

Packed intents, columns and page bytes go through it. Classes stay on the bus's side, so that what needs no user code
works without it.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.events import Event
from mmsb.schemas.tlog.claims import Durability
from mmsb.state.pages import PageId
from mmsb.streams.checkpoints.manifest import Manifest
from mmsb.streams.past.changes import Change, History
from mmsb.streams.stats import Stats
from mmsb.streams.tickets import Receipt, Until

if TYPE_CHECKING:  # not loaded, because a client that asks one thing does without NumPy and asyncio
    import asyncio

    from mmsb.processors.batching import Intents
    from mmsb.processors.receipts import Receipts

StoredPage = tuple[bytes, int, bytes]
"""Key, epoch and body."""


@dataclass(frozen=True)
class About:
    """What runs there."""

    log_ids: tuple[bytes, ...]  # one for each partition
    descriptor: Descriptor
    generation: int
    bundle: bytes
    durability: Durability
    window: int

    @property
    def partition_count(self) -> int:
        return len(self.log_ids)


@dataclass(frozen=True, slots=True)
class Position:
    """An event's place in its partition; events after it come next. `Position(-1, 0)` is before the first."""

    offset: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; None is no condition."""

    page_type: int | None = None
    key: bytes | None = None
    fields: tuple[int, ...] | None = None  # indices: events that touch one of them


class Door(Protocol):
    """Whoever owns the folder. Reads reflect accepted blocks only."""

    @property
    def about(self) -> About: ...

    def check(self) -> None:
        """Raise if nothing can be asked any more."""
        ...

    async def submit(self, intent: bytes, until: Until, timeout: float | None) -> Receipt:
        """Log one packed or JSON intent. The owner knows its partition."""
        ...

    def submit_nowait(self, intent: bytes) -> "asyncio.Future[Receipt]": ...

    async def submit_many(self, intents: "Intents") -> "Receipts": ...

    async def submit_values(self, values: Sequence[bytes]) -> "Receipts":
        """Log packed or JSON intents, those of one partition in this order, and wait until all have settled."""
        ...

    async def get(
        self, partition: int, pages: Sequence[PageId], at: int | None = None
    ) -> list[tuple[int, bytes] | None]:
        """Epoch and body of each page, all as of one moment: now, or right after an intent had settled (-1: the first
        had not)."""
        ...

    def scan(self, partition: int, type_id: int, at: int | None = None) -> AsyncIterator[list[StoredPage]]:
        """All pages of a type, in the order of their key's bytes, all as of one moment, some at a time."""
        ...

    async def history(self, partition: int, page: PageId, limit: int) -> History[Change]:
        """What happened to a page, the newest first."""
        ...

    async def blame(self, partition: int, page: PageId, field: int | None, byte: int | None = None) -> Change | None:
        """The change that gave a field its value, or one byte of it, or the page its existence; None if there is no
        such page."""
        ...

    def events(self, partition: int, after: Position | None, wanted: EventFilter) -> AsyncIterator[list[Event]]:
        """Events behind a position, for ever; None is from now on."""
        ...

    async def reflects(self, partition: int) -> int:
        """What is read of a partition from now on reflects its intents up to this offset, at least."""
        ...

    async def stats(self) -> Stats: ...

    async def checkpoint(self) -> list[Manifest]:
        """Make one of each partition, of all that was submitted before and has been stepped; they are verified."""
        ...

    async def until_working(self) -> Sequence[int]:
        """Return once the partitions that its owner is given are at work; gives their numbers."""
        ...

    async def until_ended(self) -> None:
        """Return once it is closed; raise what stopped it, if something else did."""
        ...
