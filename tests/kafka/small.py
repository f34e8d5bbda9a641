"""The smallest cluster that replicas can run on: topics in memory, gates to hold appends back, and a group by hand."""

import asyncio
import struct
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from examples.bank import app
from mmsb.processors.batching import batch_of
from mmsb.schemas.tlog.claims import Durability
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.beginning import Wanted
from mmsb.streams.checkpointing import KEEP_ALL
from mmsb.streams.kafka import beginning
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import Assignment, Fetched, Gone, Member, Span, TopicPartition
from mmsb.streams.kafka.partitions.mirror import Mirrored
from mmsb.streams.kafka.partitions.opening import Opening
from mmsb.streams.kafka.partitions.replica import Replica
from mmsb.streams.kafka.partitions.worker import Worker
from mmsb.streams.opening import Code
from mmsb.streams.world import RealWorld

Append = Callable[[TopicPartition, bytes], Awaitable[int | None]]


class Logs:
    """Implements Broker, for one partition of each topic."""

    cluster = "small"

    def __init__(self) -> None:
        self.batches: defaultdict[TopicPartition, list[tuple[int, int, bytes]]] = defaultdict(list)
        self.begins: defaultdict[TopicPartition, int] = defaultdict(int)
        self.grown = asyncio.Condition()
        self.appends: Append = self.put
        self.noted: dict[tuple[str, TopicPartition], tuple[int, str]] = {}

    def end(self, at: TopicPartition) -> int:
        return self.batches[at][-1][0] + self.batches[at][-1][1] if self.batches[at] else 0

    async def put(self, at: TopicPartition, batch: bytes) -> int:
        await asyncio.sleep(0)
        end, count = self.end(at), int.from_bytes(batch[57:61], "big")
        self.batches[at].append((end, count, struct.pack(">q", end) + batch[8:]))
        async with self.grown:
            self.grown.notify_all()
        return end

    async def append(self, at: TopicPartition, batch: bytes, timeout: float) -> int | None:
        del timeout
        return await self.appends(at, batch)

    async def span(self, at: TopicPartition) -> Span:
        return Span(self.begins[at], self.end(at))

    def follow(self, at: TopicPartition, offset: int, lane: str) -> "LogFollowing":
        del lane
        return LogFollowing(self, at, offset)

    async def trim(self, at: TopicPartition, offset: int) -> None:
        self.begins[at] = offset

    async def topics(self, names: Sequence[str]) -> dict[str, int]:
        return dict.fromkeys(names, 1)

    async def settings(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        return {topic: {} for topic in topics}

    async def create(self, topic: str, partitions: int, replicas: int, settings: Mapping[str, str]) -> None: ...

    async def alter(self, topic: str, settings: Mapping[str, str]) -> None: ...

    async def commit(self, group: str, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        self.noted |= {(group, at): noted for at, noted in offsets.items()}

    async def committed(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, str]]:
        return {at: self.noted[group, at] for at in partitions if (group, at) in self.noted}

    async def join(self, group: str, topic: str, prefers: frozenset[int], name: str) -> Member:
        del group, topic, prefers, name
        return Hand()

    async def close(self) -> None: ...


class LogFollowing:
    def __init__(self, logs: Logs, at: TopicPartition, offset: int) -> None:
        self._logs, self._at, self._offset = logs, at, offset

    async def take(self) -> Fetched:
        logs, at = self._logs, self._at
        async with logs.grown:
            await logs.grown.wait_for(lambda: logs.end(at) != self._offset or logs.begins[at] > self._offset)
        span = await logs.span(at)
        if not span.first <= self._offset <= span.end:
            raise Gone(at, self._offset, span)
        data = b"".join(data for first, count, data in logs.batches[at] if first + count > self._offset)
        self._offset = span.end
        return Fetched(data, span)

    def close(self) -> None: ...


class Hand:
    """Implements Member: the test is the group."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[Assignment | None] = asyncio.Queue()
        self._ready: asyncio.Queue[None] = asyncio.Queue()
        self._generation = 0
        self.silent = 0.0

    def give(self, *partitions: int) -> None:
        self._generation += 1
        self._said.put_nowait(Assignment(self._generation, frozenset(partitions)))

    def ask_back(self) -> None:
        self._said.put_nowait(None)

    async def take_back(self) -> None:
        """Returns when all is at rest."""
        self.ask_back()
        await self._ready.get()

    async def next(self) -> Assignment | None:
        return await self._said.get()

    def ready(self) -> None:
        self._ready.put_nowait(None)

    async def settled(self, offsets: Mapping[int, int], words: str = "") -> bool:
        return True

    @property
    def silent_seconds(self) -> float:
        return self.silent

    async def leave(self) -> None: ...


class Lone:
    """Workers over one partition of the bank, each in a data folder of its own."""

    def __init__(self, folder: Path, logs: Logs, genesis: Genesis) -> None:
        self.logs = logs
        self.of = Mirrored(logs.cluster, app.name, 0)
        self.world = RealWorld()
        self.memory = 64 << 20
        self._folder = folder
        self._genesis = genesis
        self._code = Code(app.bundle(), None, Durability.REPLICATED)
        self._tasks: list[asyncio.Task[None]] = []

    def opening(self, name: str) -> Opening:
        return Opening(
            self.world, self.logs, Appending(self.logs), self._genesis, self._folder / name, self.memory,
            lambda done, total: None, lambda number, first, last, receipts: None, KEEP_ALL, None,
        )  # fmt: skip

    async def replica(self, name: str) -> Replica:
        return await self.opening(name).replica(0)

    async def own(self, replica: Replica, wanted: Callable[[], bool] = lambda: True) -> None:
        await replica.own(self._code, wanted)

    async def hand_over(self, replica: Replica) -> None:
        await replica.disown()

    def worker(self, name: str, *, standby: bool = False) -> Worker:
        follows = (0,) if standby else ()
        return Worker(1, lambda number: self.opening(name).replica(number), self.own, self.hand_over, follows)

    def run(self, worker: Worker, member: Hand) -> asyncio.Task[None]:
        self._tasks.append(asyncio.create_task(worker.run(member)))
        return self._tasks[-1]

    async def owning(self, name: str) -> tuple[Worker, Hand, asyncio.Task[None]]:
        """A worker, once it owns the partition; what gives and takes it; and its running."""
        worker, member = self.worker(name), Hand()
        task = self.run(worker, member)
        member.give(0)
        await until(lambda: worker.seats[0].owned or task.done())
        return worker, member, task

    async def owner(self, name: str) -> Replica:
        """A worker of its own, which owns the partition."""
        worker, _, _ = await self.owning(name)
        replica = worker.seats[0].replica
        assert replica is not None
        return replica

    async def produce(self, values: list[bytes]) -> None:
        await self.logs.put(self.of.intents, batch_of(values, 0, 1_700_000_000_000))

    async def settled(self, replica: Replica) -> None:
        await until(lambda: replica.partition.settled.at == self.logs.end(self.of.intents) - 1)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def lone(folder: Path) -> AsyncGenerator[Lone]:
    """Nothing has happened yet."""
    logs, wanted = Logs(), Wanted(app.name, 0, 1, 1 << 16)
    genesis = await beginning.begin(RealWorld(), logs, Mirrored(logs.cluster, app.name, 0).tlog, wanted)
    assert genesis is not None
    bench = Lone(folder, logs, genesis)
    for name in "abc":
        (folder / name).mkdir()
    try:
        yield bench
    finally:
        await bench.end()
