"""An application behind Kafka as whoever submits and asks sees it: the Door of a process that may own nothing of it.

Intents go into their topic, receipts come by following the TLog topic, and what is asked is answered by a partition in
this process, which owns or follows.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from mmsb.processors.batching import Intents
from mmsb.processors.bundle import Bundle
from mmsb.processors.receipts import Receipts
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue, MmsbError
from mmsb.schemas.events import Event
from mmsb.schemas.tlog.claims import Durability
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state.fold import Fold
from mmsb.state.pages import PageId
from mmsb.streams.checkpoints.manifest import Cause, Manifest
from mmsb.streams.door import About, EventFilter, Position, StoredPage
from mmsb.streams.events.reader import Reader
from mmsb.streams.kafka.clients.lanes import Lane, begin_lanes, count_partitions
from mmsb.streams.kafka.clients.submitting import Submitting
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import Broker
from mmsb.streams.partition import Partition
from mmsb.streams.past.changes import Change, History
from mmsb.streams.serving.answers import closed
from mmsb.streams.stats import Stats, resident_bytes
from mmsb.streams.stopped import stopped
from mmsb.streams.tickets import Receipt, Until
from mmsb.streams.world import World

T = TypeVar("T")

View = Callable[[int], Awaitable[Partition[Any]]]
"""Gives the partition of a number that this process owns or follows, opening it if it has to."""


async def _nothing() -> Sequence[int]:
    """What a process owns that is no member of the group."""
    return ()


class KafkaDoor:
    """`async with KafkaDoor(…) as door:` A Door. Leaving waits for what others still wait for."""

    _submitting: Submitting

    def __init__(
        self,
        world: World,
        broker: Broker,
        appending: Appending,
        app: str,
        bundle: Bundle | None,
        view: View,
        handed: Callable[[int], Mapping[int, int]] = lambda number: {},
        beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
        here: Callable[[], Sequence[int]] | None = None,
        working: Callable[[], Awaitable[Sequence[int]]] = _nothing,
    ) -> None:
        """`bundle` says which partition an intent belongs to; without it only one partition can be submitted to.

        `handed` says how many follow-ups of a partition that is owned here were relayed to each target; `beside` runs
        as long as the door does; `here` names the partitions that statistics and checkpoints are about, which are all
        unless it says otherwise; `working` gives those that are owned here, once the first that were given are.
        """
        self._world = world
        self._broker = broker
        self._appending = appending
        self._app = app
        self._bundle = bundle
        self._view_of = view
        self._handed = handed
        self._beside = beside
        self._here = here
        self._working = working
        self._lanes: list[Lane] = []
        self._about: About | None = None
        self._decides = False
        self._genesis: Genesis | None = None
        self._running: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._started = 0.0

    async def __aenter__(self) -> "KafkaDoor":
        count = await count_partitions(self._broker, self._app)
        common = (self._world, self._broker, self._appending, self._app)
        self._lanes = [Lane(*common, number) for number in range(count)]
        try:
            self._genesis, self._about = await begin_lanes(self._lanes, self._app, self._bundle)
        except BaseException:
            await self._close()
            raise
        inboxes = [lane.inbox for lane in self._lanes]
        self._submitting = Submitting(self._world, self._app, self._bundle, self._about, self._genesis, inboxes)
        self._started = self._world.seconds()
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._running is not None, "it was entered"
        try:
            if error is None:
                await self._submitting.until_none_waits(self._running)
        finally:
            self._running.cancel()
            await asyncio.wait([self._running])
            self._fail(EnvironmentFailed("it was closed"))
            await self._submitting.close()
            await self._close()
        if self._failure is not None and (error is None or isinstance(error, asyncio.CancelledError)):
            raise self._failure  # whoever was cancelled meanwhile, as by SIGTERM, would end well otherwise

    async def _close(self) -> None:
        await asyncio.gather(*(lane.close() for lane in self._lanes))

    # Running

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for lane in self._lanes:
                    lane.begin_running(group)
                if self._beside is not None:
                    group.create_task(self._beside())
        except BaseExceptionGroup as failures:
            self._failure = failures.exceptions[0]
            self._fail(stopped("the connection has", self._failure))

    def _fail(self, error: MmsbError) -> None:
        for lane in self._lanes:
            lane.fail(error)

    def check(self) -> None:
        """Raise if it does not run."""
        if self._failure is not None:
            raise stopped("the connection has", self._failure)
        if self._running is None:
            raise InvalidValue("it does not run: use it within `async with`")

    async def until_working(self) -> Sequence[int]:
        try:
            return await self._while_running(self._working())
        except MmsbError:
            await self.until_ended()  # raises what stopped it, if something did
            raise

    async def until_ended(self) -> None:
        assert self._running is not None, "it was entered"
        await asyncio.wait([self._running])
        if self._failure is not None:
            raise self._failure

    # Partitions that this process owns

    def told(self, partition: int, first: int, last: int, receipts: Receipts) -> None:
        """A block of this process counts."""
        self._lanes[partition].settling.accepted(first, last, receipts)

    def decides(self, bundle: Bundle) -> None:
        """By what intents are decided in this process, whatever other workers still run, or run already."""
        assert self._about is not None, "it was entered"
        runs = bundle.descriptor, bundle.generation, bundle.hash
        self._about = About(self._about.log_ids, *runs, Durability.REPLICATED, self._about.window)
        self._decides = True

    def owned(self, partition: int, settled: int) -> None:
        """From now on all blocks of a partition behind an offset are told."""
        self._lanes[partition].following.owned(settled)

    def disowned(self, partition: int, fold: Fold, claimed_at: int) -> None:
        """All was told up to where the partition's fold stands; who comes next is followed."""
        self._lanes[partition].following.disowned(fold, claimed_at)

    @property
    def genesis(self) -> Genesis:
        """That of partition 0."""
        assert self._genesis is not None, "it was entered"
        return self._genesis

    # The door: submitting

    @property
    def about(self) -> About:
        self.check()
        assert self._about is not None, "it runs"
        claim = None if self._decides else self._lanes[0].following.known_claim
        if claim is not None and claim.generation > self._about.generation:
            runs = claim.descriptor, claim.generation, claim.bundle
            self._about = About(self._about.log_ids, *runs, claim.durability, self._about.window)
        return self._about

    async def submit(self, intent: bytes, until: Until, timeout: float | None) -> Receipt:
        self.check()
        return await self._submitting.submit(intent, until, timeout)

    def submit_nowait(self, intent: bytes) -> "asyncio.Future[Receipt]":
        self.check()
        return self._submitting.submit_nowait(intent)

    async def submit_many(self, intents: Intents) -> Receipts:
        self.check()
        return await self._submitting.submit_many(intents)

    async def submit_values(self, values: Sequence[bytes]) -> Receipts:
        self.check()
        return await self._submitting.submit_values(values)

    # The door: reading

    async def reflects(self, partition: int) -> int:
        """What is read from now on reflects all intents of a partition up to this offset, at least."""
        return (await self._view(partition)).settled.at

    async def _view(self, partition: int) -> Partition[Any]:
        """The partition, once it reflects all of which somebody has a receipt of this door."""
        self.check()
        part = await self._while_running(self._view_of(partition))
        await part.settled.reach(self._lanes[partition].settling.told)
        return part

    async def _while_running(self, work: Awaitable[T]) -> T:
        """Wait for something that nobody does any more once this has ended."""
        assert self._running is not None, "it was entered"
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait([task, self._running], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self.check()
                raise EnvironmentFailed("the connection was closed")
            return task.result()
        finally:
            task.cancel()

    async def get(
        self, partition: int, pages: Sequence[PageId], at: int | None = None
    ) -> list[tuple[int, bytes] | None]:
        part = await self._view(partition)
        return await (part.reads.get(pages) if at is None else part.past.get(pages, at))

    async def scan(self, partition: int, type_id: int, at: int | None = None) -> AsyncGenerator[list[StoredPage]]:
        part = await self._view(partition)
        async with closed(part.reads.scan(type_id) if at is None else part.past.scan(type_id, at)) as found:
            async for some in found:
                yield some

    async def history(self, partition: int, page: PageId, limit: int) -> History[Change]:
        return await (await self._view(partition)).past.history(page, limit)

    async def blame(self, partition: int, page: PageId, field: int | None, byte: int | None = None) -> Change | None:
        return await (await self._view(partition)).past.blame(page, field, byte)

    def events(self, partition: int, after: Position | None, wanted: EventFilter) -> AsyncIterator[list[Event]]:
        """Asked for at this call, not when the first is waited for; what comes before the partition is open is not
        among them."""
        return _events(asyncio.ensure_future(self._subscribe(partition, after, wanted)))

    async def _subscribe(self, partition: int, after: Position | None, wanted: EventFilter) -> Reader:
        part = await self._view(partition)
        return part.events.subscribe(after, wanted, part.past.conversions)

    async def checkpoint(self) -> list[Manifest]:
        parts = await self._all_parts()
        return await asyncio.gather(*(part.checkpoints.make(Cause("command")) for part in parts))

    async def stats(self) -> Stats:
        about, parts = self.about, await self._all_parts()
        return Stats(
            app=about.descriptor.app,
            generation=about.generation,
            bundle=about.bundle.hex(),
            durability=about.durability.name.lower(),
            seconds=self._world.seconds() - self._started,
            settled_per_second=sum((part.rate.per_second for part in parts), 0.0),
            memory_bytes=resident_bytes(),
            partitions=tuple([await part.stats(self._handed(part.number)) for part in parts]),
        )

    async def _all_parts(self) -> list[Partition[Any]]:
        numbers = range(len(self._lanes)) if self._here is None else self._here()
        return await asyncio.gather(*(self._view(number) for number in numbers))


async def _events(asked: "asyncio.Future[Reader]") -> AsyncGenerator[list[Event]]:
    try:
        reader = await asked
        try:
            async for some in reader:
                yield some
        finally:
            await reader.aclose()
    finally:
        asked.cancel()
