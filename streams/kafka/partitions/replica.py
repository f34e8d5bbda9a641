"""One partition in this process: it follows what the owner writes, and is the owner when it is told to be.

opened ─▶ folded to the end ─▶ follows ◀──▶ owns
                                 │    claim ─▶ step, append
                                 │    rest: stepping stops, what was stepped is accepted, flushed
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from mmsb.processors.batching import RawBatch
from mmsb.processors.receipts import Receipts
from mmsb.schemas.errors import EnvironmentFailed, Superseded
from mmsb.state.fold import Fold
from mmsb.streams.checkpointing import Keeping
from mmsb.streams.checkpoints.bases import CheckpointBases
from mmsb.streams.checkpoints.trimming import tlog_of
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import Broker
from mmsb.streams.kafka.outputs.projecting import Form, Publisher, first_place
from mmsb.streams.kafka.outputs.relaying import TopicRelay
from mmsb.streams.kafka.partitions.announcing import Announcing
from mmsb.streams.kafka.partitions.journal import TopicJournal
from mmsb.streams.kafka.partitions.keeping import Sharing
from mmsb.streams.kafka.partitions.matching import begin_mirror, check_last_block
from mmsb.streams.kafka.partitions.mirror import Mirrored, check_same
from mmsb.streams.opening import Code, Opened
from mmsb.streams.partition import Partition
from mmsb.streams.world import World

LOOK_SECONDS: Final = 3.0  # between two looks of an owner that appends nothing, whether it still reigns
STALL_SECONDS: Final = 60.0
"""An owner that has intents to settle and settles none for so long stops, saying so."""


class Replica:
    """`start`, then `run` until it is cancelled; in between `own`, `rest`, `go_on` and `disown`; in the end `close`."""

    def __init__(
        self,
        world: World,
        broker: Broker,
        appending: Appending,
        of: Mirrored,
        folder: Path,
        opened: Opened,
        keeping: Keeping,
        form: Form | None,
        shared: Path | None,
        told: Callable[[int, int, Receipts], None],
    ) -> None:
        """`form` is that of published events, None if none are; `shared` is where checkpoints go, if they are shared;
        `told` hears of blocks that this process writes, as they are accepted.
        """
        self.of = of
        self._world = world
        self._broker = broker
        self._folder = folder
        self._opened = opened
        self.journal = TopicJournal(world, broker, of, opened, told)
        self.partition = Partition(
            world, of.partition, folder, opened, self.journal, self.journal.make_durable, keeping
        )
        self.journal.attach(self.partition.folding, self.partition.followed, self.partition.flushing.room)
        self._appending = appending
        self._form = form
        self._publisher: Publisher | None = None
        self._sharing: Sharing | None = None
        self.partition.checkpoints.needed = self._needed
        if shared is not None:
            self._sharing = Sharing(
                world, broker, of, opened, shared, keeping.trim, self._until_published, self._needed
            )
            self.partition.checkpoints.made = self._share
        self._announcing = Announcing(world, broker, of, self.journal.standing)
        self.relay = TopicRelay(world, broker, appending, opened.fold.genesis, self.partition)
        self.owned = False
        self._group: asyncio.TaskGroup | None = None
        self._following: list[asyncio.Task[None]] = []
        self._owning: list[asyncio.Task[None]] = []

    @property
    def fold(self) -> Fold:
        return self._opened.fold

    async def start(self) -> None:
        """Return when all that was accepted before is folded."""
        opened, of = self._opened, self.of
        await check_same(self._broker, of.tlog, opened.tlog)
        await self.journal.fold_to_end()
        await self.partition.flushing.room()  # many partitions may start, and only then is anything flushed in time
        if opened.intents.first == opened.intents.end:
            await begin_mirror(self._broker, of.intents, opened)
        await check_same(self._broker, of.intents, opened.intents)
        await check_last_block(self._broker, of.intents, opened)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._group:
                for stage in (*self.partition.keeping, self.journal.take_intents(self._take)):
                    self._begin(stage)
                self._follow()
        except BaseExceptionGroup as failures:
            superseded = any(isinstance(each, Superseded) for each in failures.exceptions)
            failure = self.journal.superseded() if superseded else failures.exceptions[0]
            self.partition.fail(failure)
            raise failure from None
        finally:
            self._group = None

    def _begin(self, stage: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._group is not None, "it runs"
        return self._group.create_task(stage)

    async def _take(self, groups: list[RawBatch]) -> None:
        if self.owned:
            await self.partition.take(groups)

    # Following

    def _follow(self) -> None:
        self._following = [self._begin(work) for work in (self._fold_more(), self.relay.follow())]

    async def _fold_more(self) -> None:
        while True:
            await self.journal.fold_more()

    # Owning

    async def own(self, code: Code, wanted: Callable[[], bool]) -> bool:
        """Take the partition over, as long as that is wanted; whether its intents are stepped here from now on."""
        await _end_all(self._following)
        if not await self.journal.claim(code, wanted):
            self._follow()
            return False
        self.owned = True
        beside = [self.relay.run(), self._look(), self._watch(), self._announcing.run()]
        if self._form is not None:
            self._publisher = self._make_publisher(self._form)
            beside.append(self._publisher.run())
        self._owning = [self._begin(stage) for stage in (*self.partition.stepping(), *beside)]
        return True

    async def rest(self) -> None:
        """Nothing is on its way, and what was is at home: another may take over without folding much."""
        await self.partition.rest()
        await self._announcing.note_last()

    def go_on(self) -> None:
        self.partition.go_on()

    async def disown(self) -> None:
        """At rest: follow whoever takes over."""
        self.owned = False
        await _end_all(self._owning)
        await self._close_publisher()
        self.partition.forget()
        await self.journal.give_up()
        self.partition.go_on()
        self._follow()

    async def _look(self) -> None:
        """An owner that nobody asks and nobody sends anything must hear, too, that another has claimed. At rest that is
        no surprise: another may have been given it before this process hears so, and hands it over."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self.partition.resting:
                await self.journal.look()

    async def _watch(self) -> None:
        """Stop where nothing goes on, rather than stand still for ever."""
        while True:
            settled = self.partition.settled.at
            await asyncio.sleep(STALL_SECONDS)
            end = self._opened.stepped if self.partition.resting else self._opened.intents.end - 1
            waiting = end - settled
            if waiting > 0 and self.partition.settled.at == settled:
                raise EnvironmentFailed(
                    f"{self.of.intents}: expected intents behind offset {settled} to settle, of which {waiting} are "
                    f"there, found that none did in STALL_SECONDS = {STALL_SECONDS:g}; the brokers do not take blocks, "
                    "or a step hangs; this process stops, so that another can try"
                )

    # What others get

    def _make_publisher(self, form: Form) -> Publisher:
        reads, events = self.partition.reads, self.partition.events
        genesis = self._opened.fold.genesis
        return Publisher(self._world, self._broker, self._appending, genesis, reads, events, self._told_before, form)

    def _told_before(self) -> int:
        """The place of the last event that the mirror has no more; what was shared was published before."""
        return first_place(self._opened.tlog.first, CheckpointBases(self._world, self._folder))

    async def _until_published(self, offset: int) -> None:
        """Wait until all is published that an intent came to."""
        if self._publisher is not None:
            await self._publisher.reach(offset)

    def _needed(self) -> int:
        """The TLog offset from which something is still to be published."""
        tlog, publisher = self._opened.tlog, self._publisher
        if not self.owned:
            return tlog.first  # whoever owns it may be behind, and this one may have to go on from there
        published = self._opened.fold.settled if publisher is None else publisher.published
        return tlog_of(tlog, published + 1)

    async def _share(self, checkpoint: Path, relaying: Sequence[int]) -> None:
        """Others need not have checkpoints of a follower."""
        if self.owned and self._sharing is not None:
            try:
                await self._sharing.made(checkpoint, relaying)
            except EnvironmentFailed:
                if self.owned:
                    raise  # else whoever took over publishes, and shares one of its own

    async def _close_publisher(self) -> None:
        if self._publisher is not None:
            await self._publisher.close()
            self._publisher = None

    async def close(self) -> None:
        """Once `run` has ended."""
        await self._close_publisher()
        await self.partition.close()
        if self._sharing is not None:
            await self._sharing.close()


async def _end_all(tasks: "list[asyncio.Task[None]]") -> None:
    """Cancel tasks and wait for their end; what one of them raised before, its group raises."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    tasks.clear()
