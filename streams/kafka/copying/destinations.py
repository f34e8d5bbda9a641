"""What a log is copied into: a data folder, or the topics of an application.

Nobody runs on half a copy. A folder that is being filled says that it is a mirror until all is there, and intents whose
topic is being filled have the producer's times: `topics.ensure` refuses that until it is switched.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Final, Protocol

from mmsb.processors.batching import RawBatch
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue, OutcomeUnknown
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.files import Files, make_folders
from mmsb.streams.folder import HOME, INTENTS, MARK, TLOG, TOPIC
from mmsb.streams.kafka.cluster.broker import Broker, Refused, TopicPartition
from mmsb.streams.kafka.copying.resending import sendable
from mmsb.streams.kafka.copying.tapes import FolderTape, OpenTape, Tape, TopicTape
from mmsb.streams.kafka.partitions.mirror import Mirrored
from mmsb.streams.kafka.topics import COPIED, COPYING, Topic, ensure_for_copying
from mmsb.streams.log import Durable, Log, Mark
from mmsb.streams.world import World

APPEND_SECONDS: Final = 60.0
"""A broker that answers later than this has a disk that one should look at first."""

Told = Callable[[int], None]
"""Hears how many more records are there."""

Batches = AsyncGenerator[RawBatch, None]


class Destination(Protocol):
    async def prepare(self, genesis: Genesis, partitions: Sequence[int]) -> None:
        """Have a place for some partitions; what is there already stays."""
        ...

    def tape(self, partition: int, log: str) -> Tape:
        """What is there of a log."""
        ...

    def compared_from(self, found: int) -> int:
        """From which of the records that are there on they are held against the source."""
        ...

    async def begin(self) -> None:
        """From now on it is not whole."""
        ...

    async def write(self, partition: int, log: str, batches: Batches, told: Told) -> None:
        """Put batches behind what is there."""
        ...

    async def finish(self, *, whole: bool) -> None:
        """Make all durable; and if all partitions are there, let it be run."""
        ...

    def close(self) -> None: ...


class FolderDestination:
    """Holds the folder's lock from `prepare` on."""

    def __init__(self, world: World, data: Path, cluster: str) -> None:
        """`cluster` is where the records come from."""
        self._world = world
        self._files: Files = world.files
        self._data = data
        self._cluster = cluster
        self._open = ExitStack()
        self._logs: dict[int, dict[str, Log]] = {}
        self._marks: dict[int, Mark] = {}
        self._mirrored: dict[int, Mirrored] = {}

    async def prepare(self, genesis: Genesis, partitions: Sequence[int]) -> None:
        make_folders(self._files, self._data)
        self._open.callback(self._world.lock(self._data).close)
        for number in partitions:
            self._mirrored[number] = Mirrored(self._cluster, genesis.app, number)
            self._prepare(number)

    def _prepare(self, number: int) -> None:
        folder = self._data / str(number)
        if self._files.exists(folder / TOPIC) and self._files.exists(folder / HOME):
            raise InvalidValue(
                f"{folder}: expected nothing, or a copy that was begun, found a worker's mirror; name another "
                "data folder"
            )
        make_folders(self._files, folder)
        mark = Mark.open(self._files, folder / MARK)
        self._open.callback(mark.close)
        logs = dict[str, Log]()
        for name, durable in ((INTENTS, mark.durable.intents), (TLOG, mark.durable.tlog)):
            logs[name] = Log.open(self._files, folder / name, durable)
            self._open.callback(logs[name].close)
            logs[name].mend()
        self._marks[number], self._logs[number] = mark, logs

    def tape(self, partition: int, log: str) -> Tape:
        if partition in self._logs:
            return OpenTape(str(self._data / str(partition) / log), self._logs[partition][log])
        return FolderTape(self._files, self._data / str(partition), log)

    def compared_from(self, found: int) -> int:
        return 0

    async def begin(self) -> None:
        for number, mirrored in self._mirrored.items():
            folder = self._data / str(number)
            if not self._files.exists(folder / TOPIC):
                file = self._files.create(folder / TOPIC)
                file.write(0, mirrored.pack())
                file.sync()
                file.close()
                self._files.sync_folder(folder)

    async def write(self, partition: int, log: str, batches: Batches, told: Told) -> None:
        to = self._logs[partition][log]
        async for batch in batches:
            to.append(batch.data, batch.first, batch.count)
            told(batch.count)

    async def finish(self, *, whole: bool) -> None:
        """Each partition for itself: a folder in which some are missing is refused by whoever runs it."""
        for number, logs in self._logs.items():
            for log in logs.values():
                log.sync()
            self._marks[number].write(Durable(logs[INTENTS].durable, logs[TLOG].durable))
            self._let_run(self._data / str(number) / TOPIC)

    def _let_run(self, topic: Path) -> None:
        if self._files.exists(topic):
            self._files.remove(topic)
            self._files.sync_folder(topic.parent)

    def close(self) -> None:
        self._open.close()


class MirrorDestination(FolderDestination):
    """Stays a mirror, which nobody runs: it is to be read, and to be brought up to date again."""

    def compared_from(self, found: int) -> int:
        """The last one, as a worker does: topics only grow, and blocks are a chain."""
        return max(found - 1, 0)

    def _let_run(self, topic: Path) -> None:
        pass


class TopicDestination:
    def __init__(self, broker: Broker, app: str | None, replicas: int = -1) -> None:
        """Without an application it is the one whose logs they are."""
        self._broker = broker
        self._wanted = app
        self._app = ""
        self._replicas = replicas
        self._limits: dict[str, int] = {}

    async def prepare(self, genesis: Genesis, partitions: Sequence[int]) -> None:
        self._app = genesis.app
        if self._wanted not in (None, self._app):
            raise InvalidValue(
                f"expected the topics of {genesis.app!r}, whose log it is, found {self._wanted!r}; name those"
            )
        await ensure_for_copying(self._broker, self._app, genesis.partition_count, self._replicas)
        names = {log: self._at(0, log).topic for log in (INTENTS, TLOG)}
        settings = await self._broker.settings(list(names.values()))
        self._limits = {log: int(settings[name]["max.message.bytes"]) for log, name in names.items()}

    def _at(self, partition: int, log: str) -> TopicPartition:
        return TopicPartition(Topic(log).of(self._app), partition)

    def tape(self, partition: int, log: str) -> Tape:
        return TopicTape(self._broker, self._at(partition, log))

    def compared_from(self, found: int) -> int:
        return 0

    async def begin(self) -> None:
        await self._broker.alter(Topic.INTENTS.of(self._app), COPYING[Topic.INTENTS])

    async def write(self, partition: int, log: str, batches: Batches, told: Told) -> None:
        """Intents are sent together; blocks stay alone, each in a batch of its own, as their writer made them."""
        at = self._at(partition, log)
        async with aclosing(sendable(batches, self._limits[log], together=log == INTENTS)) as sent:
            async for batch in sent:
                await self._append(at, batch.first, batch.data)
                told(batch.count)

    async def _append(self, at: TopicPartition, offset: int, data: bytes) -> None:
        try:
            got = await self._broker.append(at, data, APPEND_SECONDS)
        except Refused as error:
            raise Refused(f"offset {offset}: the broker does not take it: {error}") from error
        if got is None:
            raise OutcomeUnknown(f"{at}: nobody knows whether offset {offset} was written; copy again, it goes on")
        if got != offset:
            raise EnvironmentFailed(
                f"{at}: expected a batch to be appended at offset {offset}, found it at {got}: somebody else writes to "
                "this topic; delete the application's topics, have nobody use them, and copy again"
            )

    async def finish(self, *, whole: bool) -> None:
        if whole:
            await self._broker.alter(Topic.INTENTS.of(self._app), COPIED)

    def close(self) -> None:
        """The cluster is somebody else's."""
