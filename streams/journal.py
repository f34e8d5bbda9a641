"""Where a partition's intents come from, and how its blocks come to count: over a folder, which nobody else writes.

inbox ─▶ intents log, durable ─▶ (stepped) ─▶ TLog, durable, read back ─▶ callers are told
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from mmsb.processors.batching import RawBatch
from mmsb.processors.machine import Outcome
from mmsb.processors.receipts import Receipts
from mmsb.processors.writer import Entry
from mmsb.schemas.errors import CorruptState, OutcomeUnknown
from mmsb.schemas.tlog.claims import Durability
from mmsb.state.fold import Verdict
from mmsb.streams.grouping import batches_of
from mmsb.streams.inbox import Inbox
from mmsb.streams.log import Durable
from mmsb.streams.opening import Opened, encode_entry
from mmsb.streams.telling import tell
from mmsb.streams.tickets import Ticket
from mmsb.streams.world import World, finish


class Journal(Protocol):
    """What a partition has below it. Raises what stops the partition."""

    @property
    def groups_ahead(self) -> int:
        """How many groups of intents may be logged and not stepped, beside that which is being stepped."""
        ...

    @property
    def steps_ahead(self) -> int:
        """The blocks of how many steps may wait to be appended."""
        ...

    @property
    def logged(self) -> int:
        """The offset after the last intent that is logged: as durable as is promised."""
        ...

    @property
    def in_flight(self) -> int:
        """Bytes that were submitted here and have not settled."""
        ...

    async def take_intents(self, put: Callable[[list[RawBatch]], Awaitable[None]]) -> None:
        """Hand over what is logged from now on, in order, until cancelled."""
        ...

    def append(self, entries: Sequence[Entry]) -> AsyncIterator[tuple[Verdict, Outcome | None]]:
        """Append blocks, and give what became of each record of the TLog that was read for that, in order."""
        ...

    def accepted(self, outcome: Outcome, receipts: Receipts) -> None:
        """Tell everybody who waited for this."""
        ...

    async def make_durable(self) -> None:
        """Have on disk what is accepted."""
        ...

    async def fetch_block(self, offset: int) -> bytes:
        """The batch with a TLog offset that lies before what is on this machine."""
        ...

    async def until_idle(self) -> None:
        """Return when nothing is in flight that was submitted here."""
        ...

    def fail(self, error: BaseException) -> None:
        """Nothing more will be accepted: what was on its way may have happened or not."""
        ...

    async def close(self) -> None: ...


class FolderJournal:
    """Implements Journal over the two logs of a folder."""

    groups_ahead = 4
    steps_ahead = 16  # their blocks become durable together

    def __init__(self, world: World, number: int, opened: Opened, durability: Durability) -> None:
        self.inbox = Inbox()
        self._number = number
        self._opened = opened
        self._world = world
        self._durability = durability
        self._waiting: deque[Ticket] = deque()  # logged, or about to be, and not settled, in the order of offsets
        self._logger, self._appender = (world.worker(f"{name}-{number}") for name in ("intents", "tlog"))

    @property
    def logged(self) -> int:
        intents = self._opened.intents
        return intents.end if self._durability == Durability.PROCESS else intents.durable

    @property
    def in_flight(self) -> int:
        return self.inbox.in_flight

    # Intents

    async def take_intents(self, put: Callable[[list[RawBatch]], Awaitable[None]]) -> None:
        while True:
            tickets = await self.inbox.take()
            first = self._opened.intents.end
            for ticket in tickets:
                ticket.first, first = first, first + ticket.count
            self._waiting.extend(tickets)
            group = await self._logger.run(self._write_group, tickets, self._world.time_ms())
            for ticket in tickets:
                ticket.tell_logged()
            await put(group)

    def _write_group(self, tickets: list[Ticket], time_ms: int) -> list[RawBatch]:
        log = self._opened.intents
        group = batches_of(tickets, log.end, time_ms)
        for batch in group:
            log.append(batch.data, batch.first, batch.count)
        if self._durability != Durability.PROCESS:
            log.sync()
        return group

    # Blocks

    async def append(self, entries: Sequence[Entry]) -> AsyncIterator[tuple[Verdict, Outcome | None]]:
        await self._appender.run(self._write_blocks, entries, self._world.time_ms())
        writer = self._opened.writer
        for entry in entries:
            verdict, outcome = writer.read(writer.fold.next, entry.key, entry.value)
            assert verdict.accepted, "nobody else writes into a locked folder"
            yield verdict, outcome

    def _write_blocks(self, entries: Sequence[Entry], time_ms: int) -> None:
        intents, tlog = self._opened.intents, self._opened.tlog
        for entry in entries:
            tlog.append(encode_entry(entry, tlog.end, time_ms), tlog.end, 1)
        if self._durability != Durability.PROCESS:
            tlog.sync()
        elif tlog.durable > self._opened.mark.durable.tlog:
            intents.sync()  # a full segment was sealed, so durable: what it settles must not be lost before it is
        self._opened.mark.write(Durable(intents.durable, tlog.durable))

    def accepted(self, outcome: Outcome, receipts: Receipts) -> None:
        told = tell(self._number, receipts, self._waiting)
        self.inbox.release(sum(ticket.size for ticket in told))

    async def make_durable(self) -> None:
        """With durability `process` nobody has waited for it yet."""
        if self._durability == Durability.PROCESS:
            await self._appender.run(self._opened.sync)

    async def fetch_block(self, offset: int) -> bytes:
        first = self._opened.tlog.first
        raise CorruptState(
            f"partition {self._number}: expected TLog offset {offset}, whose follow-ups may still be on their way, "
            f"found that the log begins at {first}; restore a good copy"
        )

    # The end

    async def until_idle(self) -> None:
        await self.inbox.empty.wait()

    def fail(self, error: BaseException) -> None:
        unknown = OutcomeUnknown(
            f"partition {self._number} stopped ({error}): what was submitted may be in the log or not; after the next "
            "start submit it again with the same id"
        )
        self.inbox.fail(unknown)
        while self._waiting:
            self._waiting.popleft().fail(unknown)

    async def close(self) -> None:
        for worker in (self._logger, self._appender):
            await finish(worker)
