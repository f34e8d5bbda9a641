"""The one process that writes a data folder: all of its partitions at work, behind the door of streams/door.py.

    folder/lock        held by this process
    folder/0, 1, …     a partition each: intents/ tlog/ mark

How they are made and opened is in streams/starting.py.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from mmsb.processors.batching import Intents
from mmsb.processors.bundle import Bundle
from mmsb.processors.compiled import Compiled
from mmsb.processors.receipts import Receipts
from mmsb.processors.routing import Router
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.events import Event
from mmsb.schemas.tlog.claims import Durability
from mmsb.state.pages import PageId
from mmsb.streams.beginning import Wanted
from mmsb.streams.building import build, build_folding
from mmsb.streams.checkpointing import KEEP_ALL, Keeping
from mmsb.streams.checkpoints.manifest import Cause, Manifest
from mmsb.streams.completing import complete
from mmsb.streams.door import About, EventFilter, Position, StoredPage
from mmsb.streams.files import make_folders
from mmsb.streams.folder import MEMORY_MIN, Progress
from mmsb.streams.inbox import Inbox
from mmsb.streams.journal import FolderJournal
from mmsb.streams.opening import Code, Opened
from mmsb.streams.partition import Partition
from mmsb.streams.past.changes import Change, History
from mmsb.streams.relay import Relay
from mmsb.streams.spare import run_once, wait_for_lock
from mmsb.streams.starting import open_partitions
from mmsb.streams.stats import Stats, machine_bytes, resident_bytes
from mmsb.streams.stopped import stopped
from mmsb.streams.submitting import picked, submit, submit_many, submit_nowait, submit_spread, submit_values
from mmsb.streams.tickets import Receipt, Ticket, Until
from mmsb.streams.watching.meters import Meter
from mmsb.streams.watching.watchable import LOADING, Seen
from mmsb.streams.world import Lock, World


@dataclass(frozen=True)
class Settings:
    """How an application runs. What is fixed for ever when a folder is made is None to take it as it is."""

    durability: Durability = Durability.FSYNC
    partitions: int | None = None
    window: int | None = None
    interpreted: bool = False
    dev: bool = False
    keeping: Keeping = KEEP_ALL
    memory: int | None = None  # bytes that pages and their indexes may take; None: half of what the machine has
    waiting: Callable[[], object] | None = None  # be a spare, and call this when all is ready but the lock
    metered: bool = False  # count by type what settles


class Engine:
    """`async with Engine(…) as door:` opens the folder and runs until it is left."""

    _compiled: Compiled | None
    _router: Router

    def __init__(
        self, bundle: Bundle, folder: Path, settings: Settings, world: World, tell: Progress | None = None
    ) -> None:
        """`tell` hears from a thread how far folding is."""
        self._bundle = bundle
        self._folder = folder
        self._settings = settings
        self._world = world
        self._tell: Progress = tell or (lambda done, total: None)
        self._partitions: list[Partition[FolderJournal]] = []
        self._relays: list[Relay] = []
        self._running: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._loaded = False  # its code
        self._lock: Lock | None = None
        self._about: About | None = None
        self._started = 0.0
        self._routing = world.worker("routing")
        self._memory = machine_bytes() // 2 if settings.memory is None else settings.memory

    async def __aenter__(self) -> "Engine":
        self._lock, code = await self._lock_folder()
        with ExitStack() as parts:
            parts.callback(self._lock.close)
            opened = await self._open(code or await self._load())
            for part in opened:
                parts.callback(part.close)
            self._assemble(opened)
            parts.pop_all()
        self._started = self._world.seconds()
        self._running = asyncio.create_task(self._run())
        gc.freeze()  # a full collection that walks all modules and compiled code stops the event loop for 0.1 s
        return self

    def _assemble(self, opened: list[Opened]) -> None:
        """Put partitions above what was opened."""
        settings = self._settings
        for part in opened:
            part.home.budget = max(self._memory // len(opened), MEMORY_MIN)
        genesis, bundle = opened[0].fold.genesis, opened[0].writer.bundle
        durability = settings.durability
        self._router = Router(self._bundle, self._compiled, genesis)
        log_ids = tuple(part.fold.genesis.log_id for part in opened)
        self._about = About(log_ids, bundle.descriptor, bundle.generation, bundle.hash, durability, genesis.window)
        self._partitions = [
            Partition(
                self._world,
                number,
                self._folder / str(number),
                part,
                FolderJournal(self._world, number, part, durability),
                self._make_durable,
                settings.keeping,
            )
            for number, part in enumerate(opened)
        ]
        if settings.metered:
            for partition in self._partitions:
                partition.meter = Meter()
        targets = [_Neighbour(partition) for partition in self._partitions]
        self._relays = [Relay(partition, targets) for partition in self._partitions]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let all that was submitted settle, then close; raises what stopped the engine, if something did."""
        assert self._running is not None, "it was entered"
        try:
            await self._settle_all(self._running)
        finally:
            await complete(self._end(self._running))
        if self._failure is not None and (error is None or isinstance(error, asyncio.CancelledError)):
            raise self._failure  # whoever was cancelled meanwhile, as by SIGTERM, would end well otherwise

    async def _end(self, running: "asyncio.Task[None]") -> None:
        """Stop, leave what was accepted durable, and nothing open."""
        assert self._lock is not None, "it was entered"
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        try:
            if self._failure is None:
                await self._make_durable()
                await asyncio.gather(*(partition.flushing.flush_last() for partition in self._partitions))
        finally:
            gc.unfreeze()
            closings = [partition.close() for partition in self._partitions]
            failures = await asyncio.gather(*closings, return_exceptions=True)
            self._routing.close()
            self._lock.close()
        for failure in failures:
            if failure is not None:
                raise failure

    async def _make_durable(self) -> None:
        """Have on disk what all partitions accepted: also what others sent them."""
        await asyncio.gather(*(partition.make_durable() for partition in self._partitions))

    # Running

    async def _lock_folder(self) -> tuple[Lock, Code | None]:
        """The folder's lock; and the code, if it was loaded before."""
        if self._settings.waiting is None:
            make_folders(self._world.files, self._folder)
            return self._world.lock(self._folder), None
        code = await self._load()
        self._settings.waiting()
        return await wait_for_lock(self._world, self._folder), code

    async def _load(self) -> Code:
        compiler = self._world.worker("compile")
        try:
            code = await compiler.run(self._code)
        finally:
            compiler.close()
        self._loaded = True
        return code

    async def _open(self, code: Code) -> list[Opened]:
        settings = self._settings
        self._compiled = code.compiled
        wanted = Wanted(self._bundle.app, 0, settings.partitions, settings.window)
        return await open_partitions(self._world, self._folder, wanted, code, self._tell)

    def _code(self) -> Code:
        settings = self._settings
        compiled = None if settings.interpreted else build(self._bundle)
        if compiled is not None:
            build_folding()
            if settings.waiting is not None:
                run_once(compiled)
        return Code(self._bundle, compiled, settings.durability, settings.dev, self._memory)

    async def _run(self) -> None:
        """All stages of all partitions: if one of them fails, all stop."""
        try:
            async with asyncio.TaskGroup() as group:
                for partition, relay in zip(self._partitions, self._relays, strict=True):
                    for stage in (*partition.stages, relay.run()):
                        group.create_task(stage)
        except BaseExceptionGroup as failures:
            self._failure = failures.exceptions[0]
            for partition in self._partitions:
                partition.fail(self._failure)

    async def _settle_all(self, running: "asyncio.Task[None]") -> None:
        """Wait until what was submitted has settled, and the follow-ups of that, or until nothing runs any more."""
        parts: list[Partition[FolderJournal] | Relay] = [*self._partitions, *self._relays]
        while not running.done() and not all(part.idle for part in parts):
            for part in parts:
                waiting = asyncio.ensure_future(part.until_idle())
                try:
                    await asyncio.wait([waiting, running], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
                    await asyncio.gather(waiting, return_exceptions=True)  # `running` says why, if something failed

    def check(self) -> None:
        """Raise if it does not run."""
        if self._failure is not None:
            raise stopped("the engine has", self._failure)
        if not self._partitions:
            raise InvalidValue("it does not run: use it within `async with app.run(...) as bus:`")

    # The door

    @property
    def about(self) -> About:
        self.check()
        assert self._about is not None, "it runs"
        return self._about

    async def submit(self, intent: bytes, until: Until, timeout: float | None) -> Receipt:
        partition = self._partition_for(intent)
        return await submit(partition.journal.inbox, partition.number, intent, until, timeout)

    def submit_nowait(self, intent: bytes) -> "asyncio.Future[Receipt]":
        return submit_nowait(self._partition_for(intent).journal.inbox, intent)

    async def submit_many(self, intents: Intents) -> Receipts:
        self.check()
        if len(self._partitions) == 1 or not len(intents):
            return await submit_many(self._partitions[0].journal.inbox, intents)
        partitions = await self._routing.run(self._router.partitions_for, intents)
        return await submit_spread(
            partitions, lambda number, rows: submit_many(self._inbox(number), intents.take(rows))
        )

    async def submit_values(self, values: Sequence[bytes]) -> Receipts:
        self.check()
        if len(self._partitions) == 1 or not values:
            return await submit_values(self._inbox(0), values)
        partitions = await self._routing.run(self._router.partitions_for_values, values)
        return await submit_spread(
            partitions, lambda number, rows: submit_values(self._inbox(number), picked(values, rows))
        )

    def _inbox(self, number: int) -> Inbox:
        return self._partitions[number].journal.inbox

    def _partition_for(self, intent: bytes) -> Partition[FolderJournal]:
        self.check()
        return self._partitions[self._router.partition_for(intent)]

    async def get(
        self, partition: int, pages: Sequence[PageId], at: int | None = None
    ) -> list[tuple[int, bytes] | None]:
        self.check()
        part = self._partitions[partition]
        return await (part.reads.get(pages) if at is None else part.past.get(pages, at))

    def scan(self, partition: int, type_id: int, at: int | None = None) -> AsyncIterator[list[StoredPage]]:
        self.check()
        part = self._partitions[partition]
        return part.reads.scan(type_id) if at is None else part.past.scan(type_id, at)

    async def history(self, partition: int, page: PageId, limit: int) -> History[Change]:
        self.check()
        return await self._partitions[partition].past.history(page, limit)

    async def blame(self, partition: int, page: PageId, field: int | None, byte: int | None = None) -> Change | None:
        self.check()
        return await self._partitions[partition].past.blame(page, field, byte)

    async def checkpoint(self) -> list[Manifest]:
        self.check()
        return await asyncio.gather(*(partition.checkpoints.make(Cause("command")) for partition in self._partitions))

    def events(self, partition: int, after: Position | None, wanted: EventFilter) -> AsyncIterator[list[Event]]:
        self.check()
        part = self._partitions[partition]
        return part.events.subscribe(after, wanted, part.past.conversions)

    async def reflects(self, partition: int) -> int:
        self.check()
        return self._partitions[partition].settled.at

    async def until_working(self) -> Sequence[int]:
        return range(self.about.partition_count)

    async def until_ended(self) -> None:
        assert self._running is not None, "it was entered"
        await asyncio.wait([self._running])
        if self._failure is not None:
            raise self._failure

    # For whoever watches

    def seen(self) -> list[Seen]:
        parts = zip(self._partitions, self._relays, strict=True)
        return [Seen(partition, True, relay.handed) for partition, relay in parts]

    def unready(self) -> str | None:
        if self._failure is not None:
            return f"it has stopped: {self._failure}"
        if not self._loaded:
            return LOADING
        if self._lock is None and self._settings.waiting is not None:
            return "it is a spare: it waits for the process that runs the folder to end"
        return None if self._running is not None else "it starts: it folds what the folder holds"

    async def stats(self) -> Stats:
        about = self.about
        parts = [await each.stats(relay.handed) for each, relay in zip(self._partitions, self._relays, strict=True)]
        return Stats(
            app=about.descriptor.app,
            generation=about.generation,
            bundle=about.bundle.hex(),
            durability=about.durability.name.lower(),
            seconds=self._world.seconds() - self._started,
            settled_per_second=sum(partition.rate.per_second for partition in self._partitions),
            memory_bytes=resident_bytes(),
            partitions=tuple(parts),
        )


class _Neighbour:
    """A partition as the relays of the same engine see it: mmsb.streams.relay.Target."""

    def __init__(self, partition: Partition[FolderJournal]) -> None:
        self._partition = partition

    def counted(self, source: int) -> int:
        return self._partition.counted(source)

    async def caught_up(self) -> None:
        await self._partition.caught_up()

    def hand(self, ticket: Ticket) -> None:
        """Whatever clients have in flight."""
        self._partition.journal.inbox.put_always(ticket)
