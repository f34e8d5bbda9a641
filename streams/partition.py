"""One partition at work: from intents that are logged to blocks that count, in three stages that overlap.

    journal: intents, logged ─▶ step ─▶ journal: TLog, read back ─▶ callers are told

Each stage hands its blocking work to a thread of its own, a group of intents at a time. Nobody is told anything that
the fold has not accepted; what a stage raises stops the partition, and what is on disk then is for the next start.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from mmsb.processors.batching import RawBatch
from mmsb.processors.intake import read_batches
from mmsb.processors.machine import Outcome
from mmsb.processors.receipts import Receipts, receipts_of
from mmsb.processors.writer import Entry
from mmsb.schemas.errors import EnvironmentFailed, MmsbError
from mmsb.schemas.ids import source_of_follow_up
from mmsb.schemas.sources import FOLLOW_UP
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import FIXED, FollowUpRow
from mmsb.schemas.tlog.follow_up_rows import count_follow_ups, read_follow_ups
from mmsb.state.fold import Verdict
from mmsb.streams.checkpointing import Checkpointing, Keeping
from mmsb.streams.checkpoints.bases import CheckpointBases
from mmsb.streams.events.events import Events
from mmsb.streams.flushing import Flushing
from mmsb.streams.folding import Folding, Read
from mmsb.streams.homes import distrust
from mmsb.streams.inbox import GROUP_BYTES
from mmsb.streams.journal import Journal
from mmsb.streams.opening import Opened
from mmsb.streams.past.keeper import Keeper
from mmsb.streams.rates import Rate
from mmsb.streams.reading import Reads, sent
from mmsb.streams.stats import PartitionStats
from mmsb.streams.stopped import stopped
from mmsb.streams.watching.meters import Meter
from mmsb.streams.watermark import Watermark
from mmsb.streams.world import World, finish

FEW_BYTES: Final = 4_096  # of intents that are stepped on the event loop
BROUGHT_AT_ONCE: Final = 1_024  # intents whose pages are brought from the store before they are stepped

Stepped = tuple[Entry, Outcome, Receipts, int]
"""The last is when the first of its intents was logged, in milliseconds; below 0 if its record does not say."""

J = TypeVar("J", bound=Journal)


class Partition(Generic[J]):
    """The writer of one partition."""

    def __init__(
        self,
        world: World,
        number: int,
        folder: Path,
        opened: Opened,
        journal: J,
        make_durable: Callable[[], Awaitable[None]],
        keeping: Keeping,
    ) -> None:
        """`make_durable` has what all partitions accepted on disk."""
        self.number = number
        self._folder = folder
        self.opened = opened
        self.journal = journal
        self._fold = opened.fold
        self.settled = Watermark(self._fold.settled)  # the last intent whose outcome is accepted
        self.outcomes: Counter[Status] = Counter()  # since this start
        self.rate = Rate(world)
        self.meter: Meter | None = None  # counts by type while somebody watches
        self.emitted = sent(self._fold.state)
        self.follow_up_blocks = opened.follow_up_blocks
        self.new_follow_ups = asyncio.Event()
        self.all_relayed = asyncio.Event()
        self._digest = self._fold.digest.pack()  # after the last accepted block
        self._logged_before = opened.intents.end
        self._growing = opened.tlog.growing
        self._world = world
        self._machine = asyncio.Lock()
        self._may_step = asyncio.Event()
        self._may_step.set()
        self._groups: asyncio.Queue[list[RawBatch]] = asyncio.Queue(journal.groups_ahead)
        self._blocks: asyncio.Queue[list[Stepped]] = asyncio.Queue(journal.steps_ahead)
        self._failure: MmsbError | None = None
        self._tlog = Watermark(self._fold.next)  # the first TLog offset that is not accepted
        if self.follow_up_blocks:
            self.new_follow_ups.set()
        self._stepper, self._reader = (world.worker(f"{name}-{number}") for name in ("step", "read"))
        self.flushing = Flushing(world, number, opened, self._machine, self._stepper, make_durable)
        self.checkpoints = Checkpointing(world, number, folder, opened, self.flushing, keeping)
        bases = CheckpointBases(world, folder)
        self.reads = Reads(opened, self._machine, self._stepper, self._reader, self.settled, self._tlog, bases)
        self.events = Events(self.reads, world, f"events-{number}")
        self.folding = Folding(opened, self._machine, self._stepper, self.reads)
        make_bases = partial(CheckpointBases, world, folder)
        self.past = Keeper(world, number, folder, self.reads, self.checkpoints.is_busy, make_bases)

    @property
    def stages(self) -> list[Coroutine[Any, Any, None]]:
        """What runs until it is cancelled, or one of it fails."""
        return [self.journal.take_intents(self.take), *self.stepping(), *self.keeping]

    def stepping(self) -> list[Coroutine[Any, Any, None]]:
        """What its writer does."""
        self._logged_before = self.opened.intents.end
        return [self._step_groups(), self._append_blocks()]

    @property
    def keeping(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on whoever writes it."""
        return [self.flushing.run(), self.checkpoints.run(), self.past.keep_index()]

    @property
    def idle(self) -> bool:
        """Whether all that was submitted, now or before this start, has settled."""
        return not self.journal.in_flight and self.settled.at == self.opened.intents.end - 1

    @property
    def waits(self) -> bool:
        """Whether something is to settle here and has not; at rest that is only what was stepped."""
        end = self.opened.stepped if self.resting else self.opened.intents.end - 1
        return end > self.settled.at or bool(self.journal.in_flight)

    @property
    def tlog_end(self) -> int:
        """The first TLog offset that is not accepted."""
        return self._tlog.at

    # Stepping

    async def take(self, group: list[RawBatch]) -> None:
        """What is logged comes here, in order."""
        await self._groups.put(group)

    def forget(self) -> None:
        """What came and was not stepped: whoever steps next reads it from the log."""
        while not self._groups.empty():
            self._groups.get_nowait()

    @property
    def resting(self) -> bool:
        return not self._may_step.is_set()

    async def rest(self) -> None:
        """Step no more, and have all that was stepped accepted and at home."""
        self._may_step.clear()
        async with self._machine:
            stepped = self.opened.stepped
        await self.settled.reach(stepped)
        await self.flushing.flush()

    def go_on(self) -> None:
        self._may_step.set()

    async def _step_groups(self) -> None:
        """First what was logged before this start and has not settled, then what comes."""
        first = self.settled.at + 1
        while first < self._logged_before:
            batch = await self._stepper.run(self.opened.intents.read, first, GROUP_BYTES, self._logged_before)
            first = await self._step_batch(batch, first)
        while True:
            for raw in await self._groups.get():
                while first < raw.first + raw.count:
                    first = await self._step_batch(raw.data, first)

    async def _step_batch(self, batch: bytes | memoryview, first: int) -> int:
        """Step the records from an offset on; gives the offset after the last."""
        await self.flushing.room()
        await self._turn()
        try:
            self.reads.at_boundary = False
            stepped = await self._on_stepper(batch, first)
            self.reads.at_boundary = True
        finally:
            self._machine.release()
        await self._blocks.put(stepped)
        return stepped[-1][1].last + 1

    async def _turn(self) -> None:
        """Have the machine, at a moment when it may step."""
        await self._machine.acquire()
        while self.resting:
            self._machine.release()
            await self._may_step.wait()
            await self._machine.acquire()

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
            stepped.append((entry, outcome, receipts_of(outcome), int(records.times[at])))
            at = outcome.last + 1 - records.first
        return stepped

    # Blocks of others

    def followed(self, read: Read) -> None:
        """What others wrote was folded: it counts for whoever asks here."""
        for verdict, _ in read:
            if verdict.value is not None:
                self._note_follow_ups(verdict, memoryview(verdict.value)[FIXED.size :])
        self.rate.add(self._fold.settled - self.settled.at)
        self._note_sealed()
        self._digest = self._fold.digest.pack()
        self.settled.rise(self._fold.settled)
        self._tlog.rise(self._fold.next)
        self.flushing.accepted()

    def _note_sealed(self) -> None:
        if self.opened.tlog.growing > self._growing:
            self._growing = self.opened.tlog.growing
            self.past.sealed.set()

    def _note_follow_ups(self, verdict: Verdict, sections: bytes | memoryview) -> None:
        if count_follow_ups(sections):
            self.follow_up_blocks.append(verdict.offset)
            self.new_follow_ups.set()
            self.all_relayed.clear()

    # Blocks

    async def _append_blocks(self) -> None:
        while True:
            blocks = await self._blocks.get()
            while not self._blocks.empty():
                blocks = blocks + self._blocks.get_nowait()
            await self._append(blocks)
            self._note_sealed()

    async def _append(self, blocks: list[Stepped]) -> None:
        assert blocks[-1][1].last < self.journal.logged, "appended <= min(stepped, intents durable)"
        awaited = iter(blocks)
        async for verdict, mine in self.journal.append([block[0] for block in blocks]):
            if mine is not None:
                _, outcome, receipts, logged_ms = next(awaited)
                assert mine is outcome, "blocks are accepted in the order in which they were stepped"
                self._note_follow_ups(verdict, outcome.sections)
                self._accept(outcome, receipts)
                if self.meter is not None:
                    self._count(self.meter, outcome, receipts, logged_ms)
                self.flushing.accepted()
                self.checkpoints.accepted(outcome)

    def _accept(self, outcome: Outcome, receipts: Receipts) -> None:
        """Tell everybody who waited for this."""
        assert outcome.first == self.settled.at + 1, "accepted without a gap"
        self.outcomes.update(receipts.counts)
        self.rate.add(len(receipts))
        self.journal.accepted(outcome, receipts)
        self._digest = outcome.digest.pack()
        self.settled.rise(outcome.last)
        self._tlog.rise(self._fold.next)

    def _count(self, meter: Meter, outcome: Outcome, receipts: Receipts, logged_ms: int) -> None:
        seconds = None if logged_ms < 0 else max(self._world.time_ms() - logged_ms, 0) / 1_000
        meter.accepted(outcome, receipts, self.opened.writer.bundle.descriptor, seconds)

    # Follow-ups

    def counted(self, source: int) -> int:
        """The highest number that counted of the follow-ups of a partition."""
        state = self._fold.state
        return state.mark(FOLLOW_UP, source_of_follow_up(state.genesis.log_id, source))

    async def caught_up(self) -> None:
        """Return once all that was logged before this start has settled."""
        await self.settled.reach(self._logged_before - 1)

    async def make_durable(self) -> None:
        """Have what is accepted on disk."""
        await self.journal.make_durable()

    async def read_follow_ups(self, offset: int) -> list[FollowUpRow]:
        """Those of the block at a TLog offset."""
        if offset < self.opened.tlog.first:
            return _follow_ups_in(await self.journal.fetch_block(offset), offset)
        return await self._reader.run(self._read_follow_ups, offset)

    def _read_follow_ups(self, offset: int) -> list[FollowUpRow]:
        return _follow_ups_in(self.opened.tlog.read(offset, 1), offset)

    async def stats(self, handed: Mapping[int, int]) -> PartitionStats:
        """`handed` is how many follow-ups each target has been handed."""
        opened = self.opened
        counted = await self.reads.count()
        return PartitionStats(
            partition=self.number,
            logged=self.journal.logged - 1,
            settled=self.settled.at,
            tlog=self.tlog_end - 1,
            reign=self._fold.reign.hex(),
            digest=self._digest.hex(),
            clock=counted.clock,
            pages=counted.pages,
            outcomes={str(status): count for status, count in sorted(self.outcomes.items())},
            in_flight_bytes=self.journal.in_flight,
            intents_bytes=opened.intents.size,
            tlog_bytes=opened.tlog.size,
            flushed=self.flushing.flushed,
            flushes=self.flushing.count,
            flushed_bytes=self.flushing.written_bytes,
            checkpoints=self.checkpoints.count,
            checkpoint_failures=self.checkpoints.failures,
            page_bytes=counted.page_bytes,
            page_hits=opened.home.use.hits,
            page_misses=opened.home.use.misses,
            page_evictions=opened.home.use.evictions,
            emitted=counted.emitted,
            relayed={target: number for target, number in handed.items() if number},
        )

    # The end

    async def until_idle(self) -> None:
        while not self.idle:
            await self.journal.until_idle()
            await self.settled.reach(self.opened.intents.end - 1)
        await self.flushing.rest()

    def fail(self, error: BaseException) -> None:
        """Nothing more will be accepted: what was on its way may have happened or not."""
        self.journal.fail(error)
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
        await self.journal.close()
        for worker in (self._stepper, self._reader):
            await finish(worker)
        self.reads.close()
        self.opened.close()
        if self.opened.home.damage is not None:
            distrust(self._world.files, self._folder, self.opened.home.damage)


def _follow_ups_in(batch: bytes, offset: int) -> list[FollowUpRow]:
    records = read_batches(batch)
    value = records.value(offset - records.first)
    assert value is not None, "a block has a value"
    return list(read_follow_ups(value))
