"""One partition at work: from what was submitted to blocks that count, in three stages that overlap.

    inbox ─▶ intents log, durable ─▶ step ─▶ TLog, durable, read back ─▶ callers are told

Each stage hands its blocking work to a thread of its own, a group of intents at a time. Nobody is told anything that
the fold has not accepted; what a stage raises stops the partition, and what is on disk then is for the next start.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from mmsb.processors.batching import Intents, RawBatch
from mmsb.processors.intake import read_batches
from mmsb.processors.machine import Outcome
from mmsb.processors.receipts import Receipts, concat_receipts, receipts_of
from mmsb.processors.writer import Entry
from mmsb.schemas.errors import EnvironmentFailed, MmsbError, OutcomeUnknown
from mmsb.schemas.ids import source_of_follow_up
from mmsb.schemas.sources import FOLLOW_UP
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import FollowUpRow
from mmsb.schemas.tlog.claims import Durability
from mmsb.schemas.tlog.follow_up_rows import count_follow_ups, read_follow_ups
from mmsb.streams.checkpointing import Checkpointing, Keeping
from mmsb.streams.checkpoints.bases import CheckpointBases
from mmsb.streams.events.events import Events
from mmsb.streams.flushing import Flushing
from mmsb.streams.grouping import batches_of
from mmsb.streams.homes import distrust
from mmsb.streams.inbox import GROUP_BYTES, Inbox
from mmsb.streams.log import Durable
from mmsb.streams.opening import Opened, encode_entry
from mmsb.streams.past.keeper import Keeper
from mmsb.streams.rates import Rate
from mmsb.streams.reading import Reads, sent
from mmsb.streams.relay import Relay
from mmsb.streams.stats import PartitionStats
from mmsb.streams.stopped import stopped
from mmsb.streams.tickets import Receipt, Ticket
from mmsb.streams.watermark import Watermark
from mmsb.streams.world import World, finish

GROUPS_AHEAD: Final = 4  # groups that may be durable and not stepped
FEW_BYTES: Final = 4_096  # of intents that are stepped on the event loop
BROUGHT_AT_ONCE: Final = 1_024  # intents whose pages are brought from the store before they are stepped
BLOCKS_AHEAD: Final = 16  # blocks that may be stepped and not durable; they become so together

Stepped = tuple[Entry, Outcome, Receipts]


class Partition:
    """The writer of one partition."""

    def __init__(
        self,
        world: World,
        number: int,
        folder: Path,
        opened: Opened,
        durability: Durability,
        make_durable: Callable[[], Awaitable[None]],
        keeping: Keeping,
    ) -> None:
        """`make_durable` has what all partitions accepted on disk."""
        self.number = number
        self._folder = folder
        self.inbox = Inbox()
        self.opened = opened
        self._fold = opened.writer.fold
        self.settled = Watermark(self._fold.settled)  # the last intent whose outcome is accepted
        self.outcomes: Counter[Status] = Counter()  # since this start
        self.rate = Rate(world)
        self.emitted = sent(self._fold.state)
        self.follow_up_blocks = opened.follow_up_blocks
        self.new_follow_ups = asyncio.Event()
        self.all_relayed = asyncio.Event()
        self._digest = self._fold.digest.pack()  # after the last accepted block
        self._logged_before = opened.intents.end
        self._world = world
        self._durability = durability
        self._machine = asyncio.Lock()
        self._groups: asyncio.Queue[list[RawBatch]] = asyncio.Queue(GROUPS_AHEAD)
        self._blocks: asyncio.Queue[Stepped] = asyncio.Queue(BLOCKS_AHEAD)
        self._waiting: deque[Ticket] = deque()  # logged, or about to be, and not settled, in the order of offsets
        self._failure: MmsbError | None = None
        self._tlog = Watermark(self._fold.next)  # the first TLog offset that is not accepted
        if self.follow_up_blocks:
            self.new_follow_ups.set()
        names = ("intents", "step", "tlog", "read")
        self._logger, self._stepper, self._appender, self._reader = (world.worker(f"{name}-{number}") for name in names)
        self.flushing = Flushing(world, number, opened, self._machine, self._stepper, make_durable)
        self.checkpoints = Checkpointing(world, number, folder, opened, self.flushing, keeping)
        bases = CheckpointBases(world, folder)
        self.reads = Reads(opened, self._machine, self._stepper, self._reader, self.settled, self._tlog, bases)
        self.events = Events(self.reads, world, f"events-{number}")
        self.past = Keeper(world, number, folder, self.reads, lambda: CheckpointBases(world, folder))

    @property
    def stages(self) -> list[Coroutine[Any, Any, None]]:
        """What runs until it is cancelled, or one of it fails."""
        stages = [self._log_intents(), self._step_groups(), self._append_blocks()]
        return [*stages, self.flushing.run(), self.checkpoints.run(), self.past.keep_index()]

    @property
    def idle(self) -> bool:
        """Whether all that was submitted, now or before this start, has settled."""
        return not self.inbox.in_flight and self.settled.at == self.opened.intents.end - 1

    @property
    def _logged_end(self) -> int:
        """The offset after the last intent that is logged: as durable as is promised."""
        intents = self.opened.intents
        return intents.end if self._durability == Durability.PROCESS else intents.durable

    # Stage 1

    async def _log_intents(self) -> None:
        while True:
            tickets = await self.inbox.take()
            first = self.opened.intents.end
            for ticket in tickets:
                ticket.first, first = first, first + ticket.count
            self._waiting.extend(tickets)
            group = await self._logger.run(self._write_group, tickets, self._world.time_ms())
            for ticket in tickets:
                ticket.tell_logged()
            await self._groups.put(group)

    def _write_group(self, tickets: list[Ticket], time_ms: int) -> list[RawBatch]:
        log = self.opened.intents
        group = batches_of(tickets, log.end, time_ms)
        for batch in group:
            log.append(batch.data, batch.first, batch.count)
        if self._durability != Durability.PROCESS:
            log.sync()
        return group

    # Stage 2

    async def _step_groups(self) -> None:
        """First what was logged before this start and has not settled, then what comes."""
        first = self.settled.at + 1
        while first < self._logged_before:
            batch = await self._stepper.run(self.opened.intents.read, first, GROUP_BYTES, self._logged_before)
            first = await self._step_batch(batch, first)
        while True:
            for raw in await self._groups.get():
                first = raw.first
                while first < raw.first + raw.count:
                    first = await self._step_batch(raw.data, first)

    async def _step_batch(self, batch: bytes | memoryview, first: int) -> int:
        """Step the records from an offset on; gives the offset after the last."""
        await self.flushing.room()
        async with self._machine:
            self.reads.at_boundary = False
            stepped = await self._on_stepper(batch, first)
            self.reads.at_boundary = True
        for block in stepped:
            await self._blocks.put(block)
        _, last, _ = stepped[-1]
        return last.last + 1

    async def _on_stepper(self, batch: bytes | memoryview, first: int) -> list[Stepped]:
        """A few intents are stepped in the time that handing them to a thread would take."""
        if len(batch) <= FEW_BYTES and self.opened.home.is_whole:
            return self._step(batch, first)
        return await self._stepper.run(self._step, batch, first)

    def _step(self, batch: bytes | memoryview, first: int) -> list[Stepped]:
        """Blocks: more than one if outcomes do not fit into one, or if pages have to come first.

        It ends early where so much is changed that it has to be written before others find room.
        """
        records, home = read_batches(batch), self.opened.home
        at = first - records.first
        stepped: list[Stepped] = []
        while at < len(records) and not (stepped and home.is_crowded):
            stop = len(records) if home.is_whole else at + home.room_for(min(BROUGHT_AT_ONCE, len(records) - at))
            some = records.slice(at, stop)
            if not home.is_whole:
                home.bring_hashes(self.opened.writer.machine.hashes_needed(some))
            entry, outcome = self.opened.writer.step(some)
            home.changed(outcome.sections, outcome.last - outcome.first + 1)
            stepped.append((entry, outcome, receipts_of(outcome)))
            at = outcome.last + 1 - records.first
        return stepped

    # Stage 3

    async def _append_blocks(self) -> None:
        while True:
            blocks = [await self._blocks.get()]
            while not self._blocks.empty():
                blocks.append(self._blocks.get_nowait())
            growing = self.opened.tlog.growing
            await self._appender.run(self._write_blocks, blocks, self._world.time_ms())
            for entry, outcome, receipts in blocks:
                verdict, mine = self.opened.writer.read(self._fold.next, entry.key, entry.value)
                assert verdict.accepted, "nobody else writes into a locked folder"
                assert mine is outcome, "blocks are accepted in the order in which they were stepped"
                if count_follow_ups(outcome.sections):
                    self.follow_up_blocks.append(verdict.offset)
                    self.new_follow_ups.set()
                    self.all_relayed.clear()
                self._accept(outcome, receipts)
                self.flushing.accepted()
                self.checkpoints.accepted(outcome)
            if self.opened.tlog.growing > growing:
                self.past.sealed.set()

    def _write_blocks(self, blocks: list[Stepped], time_ms: int) -> None:
        intents, tlog = self.opened.intents, self.opened.tlog
        for entry, outcome, _ in blocks:
            assert outcome.last < self._logged_end, "appended <= min(stepped, intents durable)"
            tlog.append(encode_entry(entry, tlog.end, time_ms), tlog.end, 1)
        if self._durability != Durability.PROCESS:
            tlog.sync()
        elif tlog.durable > self.opened.mark.durable.tlog:
            intents.sync()  # a full segment was sealed, so durable: what it settles must not be lost before it is
        self.opened.mark.write(Durable(intents.durable, tlog.durable))

    def _accept(self, outcome: Outcome, receipts: Receipts) -> None:
        """Tell everybody who waited for this."""
        assert outcome.first == self.settled.at + 1, "accepted without a gap"
        self.outcomes.update(receipts.counts)
        self.rate.add(len(receipts))
        released = 0
        singles = _Singles(self.number, receipts)
        while self._waiting and self._waiting[0].first <= outcome.last:
            ticket = self._waiting[0]
            if isinstance(ticket.intents, Intents):
                ticket.parts.append(receipts.part(ticket.first, ticket.last))
            if ticket.last > outcome.last:
                break
            self._waiting.popleft()
            released += ticket.size
            if ticket.settled is not None and not ticket.settled.done():
                single = isinstance(ticket.intents, bytes)
                ticket.settled.set_result(singles.at(ticket.first) if single else concat_receipts(ticket.parts))
        self.inbox.release(released)
        self._digest = outcome.digest.pack()
        self.settled.rise(outcome.last)
        self._tlog.rise(self._fold.next)

    # Follow-ups

    def counted(self, source: int) -> int:
        """The highest number that counted of the follow-ups of a partition."""
        state = self._fold.state
        return state.mark(FOLLOW_UP, source_of_follow_up(state.genesis.log_id, source))

    async def caught_up(self) -> None:
        """Return once all that was logged before this start has settled."""
        await self.settled.reach(self._logged_before - 1)

    def hand(self, ticket: Ticket) -> None:
        """Have follow-ups logged, whatever clients have in flight."""
        self.inbox.put_always(ticket)

    async def make_durable(self) -> None:
        """Have what is accepted on disk, which with durability `process` nobody has waited for yet."""
        if self._durability == Durability.PROCESS:
            await self._appender.run(self._sync_both)

    def _sync_both(self) -> None:
        opened = self.opened
        opened.intents.sync()
        opened.tlog.sync()
        opened.mark.write(Durable(opened.intents.durable, opened.tlog.durable))

    async def read_follow_ups(self, offset: int) -> list[FollowUpRow]:
        """Those of the block at a TLog offset."""
        return await self._reader.run(self._read_follow_ups, offset)

    def _read_follow_ups(self, offset: int) -> list[FollowUpRow]:
        records = read_batches(self.opened.tlog.read(offset, 1))
        value = records.value(offset - records.first)
        assert value is not None, "a block has a value"
        return list(read_follow_ups(value))

    async def stats(self, relay: Relay) -> PartitionStats:
        opened = self.opened
        counted = await self.reads.count()
        return PartitionStats(
            partition=self.number,
            logged=self._logged_end - 1,
            settled=self.settled.at,
            tlog=self._tlog.at - 1,
            reign=self._fold.reign.hex(),
            digest=self._digest.hex(),
            clock=counted.clock,
            pages=counted.pages,
            outcomes={str(status): count for status, count in sorted(self.outcomes.items())},
            in_flight_bytes=self.inbox.in_flight,
            intents_bytes=opened.intents.size,
            tlog_bytes=opened.tlog.size,
            flushed=self.flushing.flushed,
            flushes=self.flushing.count,
            flushed_bytes=self.flushing.written_bytes,
            page_bytes=counted.page_bytes,
            page_hits=opened.home.use.hits,
            page_misses=opened.home.use.misses,
            page_evictions=opened.home.use.evictions,
            emitted=counted.emitted,
            relayed={target: number for target, number in relay.handed.items() if number},
        )

    # The end

    async def until_idle(self) -> None:
        while not self.idle:
            await self.inbox.empty.wait()
            await self.settled.reach(self.opened.intents.end - 1)
        await self.flushing.rest()

    def fail(self, error: BaseException) -> None:
        """Nothing more will be accepted: what was on its way may have happened or not."""
        unknown = OutcomeUnknown(
            f"partition {self.number} stopped ({error}): what was submitted may be in the log or not; after the next "
            "start submit it again with the same id"
        )
        self.inbox.fail(unknown)
        while self._waiting:
            self._waiting.popleft().fail(unknown)
        self._failure = stopped(f"partition {self.number}", error)
        self.flushing.fail(self._failure)
        self.settled.fail(self._failure)
        self._tlog.fail(self._failure)

    async def close(self) -> None:
        """Once its stages have ended: wait for the threads, and leave nothing open. Whoever comes now is too late."""
        await self.events.close(self._failure)
        if self._failure is None:
            self.fail(EnvironmentFailed("it was closed"))
        await self.past.close()
        await self.checkpoints.close()
        await self.flushing.close()
        for worker in (self._logger, self._stepper, self._appender, self._reader):
            await finish(worker)
        self.reads.close()
        self.opened.close()
        if self.opened.home.damage is not None:
            distrust(self._world.files, self._folder, self.opened.home.damage)


_STATUSES: Final = {int(status): status for status in Status}


class _Singles:
    """Receipts of single intents out of a block's columns."""

    def __init__(self, partition: int, receipts: Receipts) -> None:
        self._partition = partition
        self._receipts = receipts
        self._statuses: list[int] = []

    def at(self, offset: int) -> Receipt:
        receipts, index = self._receipts, offset - self._receipts.first
        if not self._statuses:
            self._statuses = receipts.statuses.tolist()
        status = _STATUSES[self._statuses[index]]
        if status == Status.APPLIED:
            return Receipt(self._partition, offset, status)
        first_offset = int(receipts.first_offsets[index]) if status == Status.DUPLICATE else None
        return Receipt(self._partition, offset, status, receipts.rejection(index), first_offset)
