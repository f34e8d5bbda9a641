"""One partition at work: from what was submitted to blocks that count, in three stages that overlap.

    inbox ─▶ intents log, durable ─▶ step ─▶ TLog, durable, read back ─▶ callers are told

Each stage hands its blocking work to a thread of its own, a group of intents at a time. Nobody is told anything that
the fold has not accepted; what a stage raises stops the partition, and what is on disk then is for the next start.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final

from mmsb.processors.batching import Intents, RawBatch, batch_of
from mmsb.processors.intake import read_batches
from mmsb.processors.machine import Outcome
from mmsb.processors.receipts import Receipts, concat_receipts, receipts_of
from mmsb.processors.writer import Entry
from mmsb.schemas.errors import OutcomeUnknown
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import OutcomeRow
from mmsb.schemas.tlog.claims import Durability
from mmsb.state.pages import PageId
from mmsb.streams.inbox import GROUP_BYTES, Inbox
from mmsb.streams.log import Durable
from mmsb.streams.opening import Opened, encode_entry
from mmsb.streams.tickets import Receipt, Ticket
from mmsb.streams.world import Worker, World

AHEAD: Final = 4  # groups, and blocks, that may wait between two stages

Stepped = tuple[Entry, Outcome, Receipts]


class Partition:
    """The writer of one partition."""

    def __init__(self, world: World, number: int, opened: Opened, durability: Durability) -> None:
        self.number = number
        self.inbox = Inbox()
        self.accepted = opened.writer.fold.settled
        self._logged_before = opened.intents.end
        self._world = world
        self._opened = opened
        self._durability = durability
        self._machine = asyncio.Lock()  # who has it may use writer, fold and state
        self._groups: asyncio.Queue[list[RawBatch]] = asyncio.Queue(AHEAD)
        self._blocks: asyncio.Queue[Stepped] = asyncio.Queue(AHEAD)
        self._waiting: deque[Ticket] = deque()  # logged, or about to be, and not settled, in the order of offsets
        self._readers: list[tuple[int, asyncio.Future[None]]] = []  # who waits for an offset to be accepted
        self._workers: list[Worker] = [world.worker(f"{stage}-{number}") for stage in ("intents", "step", "tlog")]

    @property
    def stages(self) -> list[Coroutine[Any, Any, None]]:
        """What runs until it is cancelled, or one of it fails."""
        return [self._log_intents(), self._step_groups(), self._append_blocks()]

    @property
    def idle(self) -> bool:
        """Whether all that was submitted, now or before this start, has settled."""
        return not self._waiting and not len(self.inbox) and self.accepted == self._opened.intents.end - 1

    # Stage 1

    async def _log_intents(self) -> None:
        while True:
            tickets = await self.inbox.take()
            first = self._opened.intents.end
            for ticket in tickets:
                ticket.first, first = first, first + ticket.count
            self._waiting.extend(tickets)
            group = await self._workers[0].run(self._write_group, tickets, self._world.time_ms())
            for ticket in tickets:
                ticket.tell_logged()
            await self._groups.put(group)

    def _write_group(self, tickets: list[Ticket], time_ms: int) -> list[RawBatch]:
        log = self._opened.intents
        group = batches_of(tickets, log.end, time_ms)
        for batch in group:
            log.append(batch.data, batch.first, batch.count)
        if self._durability != Durability.PROCESS:
            log.sync()
        return group

    # Stage 2

    async def _step_groups(self) -> None:
        """First what was logged before this start and has not settled, then what comes."""
        first = self.accepted + 1
        while first < self._logged_before:
            first = await self._step_batch(self._opened.intents.read(first, GROUP_BYTES, self._logged_before), first)
        while True:
            for batch in await self._groups.get():
                await self._step_batch(batch.data, batch.first)

    async def _step_batch(self, batch: bytes | memoryview, first: int) -> int:
        """Step the records from an offset on; gives the offset after the last."""
        async with self._machine:
            stepped = await self._workers[1].run(self._step, batch, first)
        for block in stepped:
            await self._blocks.put(block)
        _, last, _ = stepped[-1]
        return last.last + 1

    def _step(self, batch: bytes | memoryview, first: int) -> list[Stepped]:
        """Blocks: more than one if outcomes do not fit into one."""
        records = read_batches(batch)
        at = first - records.first
        stepped: list[Stepped] = []
        while at < len(records):
            entry, outcome = self._opened.writer.step(records.slice(at, len(records)) if at else records)
            stepped.append((entry, outcome, receipts_of(outcome)))
            at = outcome.last + 1 - records.first
        return stepped

    # Stage 3

    async def _append_blocks(self) -> None:
        fold = self._opened.writer.fold
        while True:
            entry, outcome, receipts = await self._blocks.get()
            offset = fold.next
            await self._workers[2].run(self._write_block, entry, outcome, offset, self._world.time_ms())
            async with self._machine:
                verdict, mine = self._opened.writer.read(offset, entry.key, entry.value)
            assert verdict.accepted, "nobody else writes into a locked folder"
            assert mine is outcome, "blocks are accepted in the order in which they were stepped"
            self._accept(outcome, receipts)

    def _write_block(self, entry: Entry, outcome: Outcome, offset: int, time_ms: int) -> None:
        intents, tlog = self._opened.intents, self._opened.tlog
        safe = intents.end if self._durability == Durability.PROCESS else intents.durable
        assert outcome.last < safe, "appended <= min(stepped, intents durable)"
        tlog.append(encode_entry(entry, offset, time_ms), offset, 1)
        if self._durability != Durability.PROCESS:
            tlog.sync()
        self._opened.mark.write(Durable(intents.durable, tlog.durable))

    def _accept(self, outcome: Outcome, receipts: Receipts) -> None:
        """Tell everybody who waited for this."""
        assert outcome.first == self.accepted + 1, "accepted without a gap"
        self.accepted = outcome.last
        released = 0
        while self._waiting and self._waiting[0].first <= outcome.last:
            ticket = self._waiting[0]
            if isinstance(ticket.intents, Intents):
                ticket.parts.append(receipts.part(ticket.first, ticket.last))
            if ticket.last > outcome.last:
                break
            self._waiting.popleft()
            released += ticket.size
            ticket.tell_settled(self._result(ticket, receipts))
        self.inbox.release(released)
        waiting, self._readers = self._readers, []
        for offset, turn in waiting:
            if offset > self.accepted:
                self._readers.append((offset, turn))
            elif not turn.done():
                turn.set_result(None)

    def _result(self, ticket: Ticket, receipts: Receipts) -> Receipt | Receipts:
        if isinstance(ticket.intents, Intents):
            return ticket.parts[0] if len(ticket.parts) == 1 else concat_receipts(ticket.parts)
        at = ticket.first - receipts.first
        status = Status(int(receipts.statuses[at]))
        first_offset = int(receipts.first_offsets[at]) if status == Status.DUPLICATE else None
        return Receipt(self.number, ticket.first, status, receipts.rejection(at), first_offset)

    # Reads

    async def get(self, pages: list[PageId]) -> list[tuple[int, bytes] | None]:
        """Epoch and body of each page at one step boundary, once that is accepted."""
        async with self._machine:
            state, boundary = self._opened.writer.fold.state, self._opened.writer.machine.settled
            found = [state.pages.get(page) for page in pages]
        await self._until_accepted(boundary)
        return found

    async def _until_accepted(self, offset: int) -> None:
        if offset > self.accepted:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._readers.append((offset, turn))
            await turn

    def explain(self, receipt: Receipt) -> str:
        """What became of an intent, in words."""
        row = OutcomeRow(receipt.status or Status.NOOP, rejection=receipt.rejection)
        return self._opened.writer.machine.explain(row)

    # The end

    async def settle_all(self, stages: "asyncio.Task[None]") -> None:
        """Wait until all that was submitted has settled, or the stages have ended."""
        while not self.idle and not stages.done():
            next_block = asyncio.ensure_future(self._until_accepted(self.accepted + 1))
            await asyncio.wait([next_block, stages], return_when=asyncio.FIRST_COMPLETED)
            next_block.cancel()

    def fail(self, error: BaseException) -> None:
        """Nothing more will be accepted: what was on its way may have happened or not."""
        unknown = OutcomeUnknown(
            f"partition {self.number} stopped ({error}): what was submitted may be in the log or not; after the next "
            "start submit it again with the same id"
        )
        self.inbox.fail(unknown)
        while self._waiting:
            self._waiting.popleft().fail(unknown)
        for _, turn in self._readers:
            if not turn.done():
                turn.set_exception(unknown)

    def close(self) -> None:
        """Once its stages have ended: leave nothing open. Blocks until threads have ended."""
        for worker in self._workers:
            worker.close()
        self._opened.close()


def batches_of(tickets: list[Ticket], first: int, time_ms: int) -> list[RawBatch]:
    """Raw batches for a group: single intents that follow each other share one."""
    made: list[RawBatch] = []
    singles: list[bytes] = []
    for ticket in [*tickets, None]:
        if ticket is not None and isinstance(ticket.intents, bytes):
            singles.append(ticket.intents)
            continue
        if singles:
            made.append(RawBatch(first, len(singles), batch_of(singles, first, time_ms)))
            first += len(singles)
            singles = []
        if ticket is not None:
            assert isinstance(ticket.intents, Intents), "bytes are singles"
            made += ticket.intents.batches(first, time_ms)
            first += ticket.count
    return made
