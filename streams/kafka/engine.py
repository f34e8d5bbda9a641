"""An application behind topics: this process owns partitions as the group gives them, or follows what it is asked for.

data folder locked ─▶ code compiled ─▶ topics made or checked ─▶ TLogs begun ─▶ door, worker ─▶ member of the group
"""

import asyncio
import gc
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final

from mmsb.processors.bundle import Bundle
from mmsb.schemas.errors import EnvironmentFailed, MmsbError
from mmsb.schemas.tlog.claims import Durability
from mmsb.streams.beginning import Wanted
from mmsb.streams.building import build, build_folding
from mmsb.streams.checkpointing import KEEP_ALL, Keeping
from mmsb.streams.completing import complete
from mmsb.streams.files import Files, make_folders, write_new
from mmsb.streams.folder import MEMORY_MIN, Progress
from mmsb.streams.kafka import beginning, topics
from mmsb.streams.kafka.clients.door import KafkaDoor
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition
from mmsb.streams.kafka.cluster.security import OPEN, Security
from mmsb.streams.kafka.outputs.projecting import Form
from mmsb.streams.kafka.partitions.mirror import check_not_embedded, is_mirror
from mmsb.streams.kafka.partitions.opening import Opening
from mmsb.streams.kafka.partitions.replica import Replica
from mmsb.streams.kafka.partitions.worker import Worker
from mmsb.streams.opening import Code
from mmsb.streams.partition import Partition
from mmsb.streams.stats import machine_bytes
from mmsb.streams.terminal import say
from mmsb.streams.watching.meters import Meter
from mmsb.streams.watching.watchable import LOADING, Seen
from mmsb.streams.world import World

NAME: Final = "worker"
"""This file of a data folder has the name under which its worker is a member of groups, across its restarts."""

_NAME_BYTES: Final = 64

Connect = Callable[[], AbstractAsyncContextManager[Broker]]


@dataclass(frozen=True)
class KafkaSettings:
    """How an application runs. What is fixed for ever when its topics are made is None to take it as it is."""

    partitions: int | None = None
    window: int | None = None
    replicas: int | None = None  # of topics that are made; None: as many as the brokers make by themselves
    interpreted: bool = False
    dev: bool = False
    keeping: Keeping = KEEP_ALL
    memory: int | None = None  # bytes that pages and their indexes may take; None: half of what the machine has
    standby: bool = False  # follow what others own, so as to take over without folding first
    form: Form | None = Form.PACKED  # of what is published in the topics of events and rejects; None: nothing is
    shared: Path | None = None  # where workers put checkpoints, and find those of others
    metered: bool = False  # count by type what settles here


class KafkaEngine:
    """`async with KafkaEngine(…) as door:` runs until it is left."""

    _folder: Path
    _broker: Broker
    _appending: Appending
    _door: KafkaDoor

    def __init__(
        self, app: str, bundle: Bundle | None, connect: Connect, folder: Path | None,
        settings: KafkaSettings, world: World, tell: Progress, *, owns: bool,
    ) -> None:  # fmt: skip
        """Without a bundle nothing is owned, and only what needs no code can be asked or submitted.

        Without a folder there is one as long as the engine runs.
        """
        self._app = app
        self._bundle = bundle
        self._connect = connect
        self._lasting = folder
        self._settings = settings
        self._world = world
        self._tell = tell
        self._owns = owns
        self._stack = AsyncExitStack()
        self._code: Code | None = None
        self._loaded = False
        self._worker: Worker | None = None
        self._works = asyncio.Event()

    async def __aenter__(self) -> KafkaDoor:
        async with AsyncExitStack() as stack:
            self._folder = self._lasting or Path(stack.enter_context(TemporaryDirectory(prefix="mmsb-")))
            make_folders(self._world.files, self._folder)
            stack.callback(self._world.lock(self._folder).close)
            await self._load()
            self._broker = await stack.enter_async_context(self._connect())
            self._appending = Appending(self._broker)
            if self._owns:
                await self._begin()
            bundle = self._code.bundle if self._code is not None else self._bundle
            door = KafkaDoor(
                self._world,
                self._broker,
                self._appending,
                self._app,
                bundle,
                self._view,
                self._handed,
                self._work,
                self._here if self._owns else None,
                self._owned,
            )
            self._door = await stack.enter_async_context(door)
            if self._code is not None:
                door.decides(self._code.bundle)
            self._stack = stack.pop_all()
        gc.freeze()  # as the embedded engine does
        return self._door

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.unfreeze()
        await complete(self._stack.__aexit__(kind, error, trace))

    async def _load(self) -> None:
        worker = self._world.worker("compile")
        try:
            self._code = await worker.run(self._build)
        finally:
            worker.close()
        self._loaded = True

    def _build(self) -> Code | None:
        build_folding()
        if self._bundle is None or not self._owns:
            return None
        settings = self._settings
        compiled = None if settings.interpreted else build(self._bundle)
        return Code(self._bundle, compiled, Durability.REPLICATED, settings.dev, self._memory(1))

    async def _begin(self) -> None:
        """Topics and their first records, once the folder is known to be a worker's, whichever partitions it gets."""
        files, settings = self._world.files, self._settings
        for name in filter(str.isdecimal, files.names(self._folder)):
            check_not_embedded(files, self._folder / name)
        ready = await topics.ensure(self._broker, self._app, settings.partitions, settings.replicas or -1)
        for note in ready.notes:
            say(note)
        log_id: bytes | None = None
        for number in range(ready.partitions):
            at = TopicPartition(topics.Topic.TLOG.of(self._app), number)
            wanted = Wanted(self._app, number, ready.partitions, settings.window, log_id)
            genesis = await beginning.begin(self._world, self._broker, at, wanted)
            log_id = log_id if genesis is None else genesis.log_id

    # The worker, which the door runs

    async def _work(self) -> None:
        count = self._door.about.partition_count
        opening = Opening(
            self._world, self._broker, self._appending, self._door.genesis, self._folder, self._memory(count),
            self._tell, self._door.told, self._settings.keeping, self._settings.form, self._settings.shared,
        )  # fmt: skip
        follows = range(count) if self._settings.standby else ()
        self._worker = Worker(count, opening.replica, self._take_over, self._hand_over, follows)
        self._works.set()
        if not self._owns:
            await self._worker.run(None)
            return
        files = self._world.files
        here = frozenset(number for number in range(count) if is_mirror(files, self._folder / str(number)))
        name = member_name(files, self._folder, self._world.nonce())
        member = await self._broker.join(self._app, topics.Topic.INTENTS.of(self._app), here, name)
        try:
            await self._worker.run(member)
        finally:
            with suppress(EnvironmentFailed):  # the group finds out by itself
                await member.leave()

    async def _take_over(self, replica: Replica, wanted: Callable[[], bool]) -> None:
        assert self._code is not None, "who owns has code"
        if self._settings.metered and replica.partition.meter is None:
            replica.partition.meter = Meter()
        if await replica.own(self._code, wanted):
            claimed = replica.partition.opened.writer.bundle
            if claimed.generation > self._door.about.generation:  # with `dev` it takes the next one by itself
                self._door.decides(claimed)
            self._door.owned(replica.of.partition, replica.partition.settled.at)

    async def _hand_over(self, replica: Replica) -> None:
        await replica.disown()
        self._door.disowned(replica.of.partition, replica.fold, replica.journal.claimed_at)

    async def _view(self, number: int) -> Partition[Any]:
        await self._works.wait()
        assert self._worker is not None, "it works"
        replica = await self._worker.replica(number)
        if replica.owned:
            await replica.journal.look()
        return replica.partition

    def _here(self) -> list[int]:
        seats = {} if self._worker is None else self._worker.seats
        return [number for number, seat in seats.items() if seat.replica is not None]

    async def _owned(self) -> list[int]:
        if not self._owns:
            return []
        await self._works.wait()
        assert self._worker is not None, "it works"
        return sorted(await self._worker.working())

    def _handed(self, number: int) -> Mapping[int, int]:
        replica = None if self._worker is None else self._worker.seats[number].replica
        return {} if replica is None else replica.relay.handed

    # For whoever watches

    def seen(self) -> list[Seen]:
        seats = {} if self._worker is None else self._worker.seats
        open_here = [seat.replica for seat in seats.values() if seat.replica is not None]
        return [Seen(replica.partition, replica.owned, replica.relay.handed) for replica in open_here]

    def unready(self) -> str | None:
        if not self._loaded:
            return LOADING
        if self._worker is None:
            return "it starts: it asks its brokers what there is"
        try:
            self._door.check()
        except MmsbError as error:
            return str(error)
        return self._worker.unready()

    def _memory(self, count: int) -> int:
        memory = machine_bytes() // 2 if self._settings.memory is None else self._settings.memory
        return max(memory // count, MEMORY_MIN)


def member_name(files: Files, folder: Path, nonce: bytes) -> str:
    """What a data folder's worker is called in groups: made once."""
    path = folder / NAME
    if not files.exists(path):
        write_new(files, path, nonce.hex().encode())
    file = files.open(path, read_only=True)
    try:
        return file.read(0, _NAME_BYTES).decode()
    finally:
        file.close()


def behind(
    url: str, security: Security | None, app: str, bundle: Bundle | None, folder: Path | None, settings: KafkaSettings,
    world: World, tell: Progress, *, owns: bool,
) -> KafkaEngine:  # fmt: skip
    """The engine of a real cluster. Without a folder it has one that goes when the engine is left."""
    from mmsb.streams.kafka.cluster.client import open_broker  # loads aiokafka

    def connect() -> AbstractAsyncContextManager[Broker]:
        return open_broker(url, security or OPEN)

    return KafkaEngine(app, bundle, connect, folder, settings, world, tell, owns=owns)
