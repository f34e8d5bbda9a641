"""One client of the modelled cluster: a process, or somebody who is none. Implements Broker."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from mmsb.streams.kafka.cluster.broker import Fetched, Gone, Member, Span, TopicPartition
from tests.simulation.kafka.groups import Group
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.theatre import Process

DEAF_SECONDS: Final = 20.0  # on average
ANSWER_SECONDS: Final = 30.0  # after so long without an answer a client asks again, over another connection
PIECES: Final = (1, 1, 3, 1000)  # batches that a fetch gives at most


class ModelFollowing:
    """Implements mmsb.streams.kafka.cluster.broker.Following."""

    def __init__(self, broker: "ModelBroker", at: TopicPartition, offset: int) -> None:
        self._broker = broker
        self._at = at
        self._offset = offset
        self._closed = False

    async def take(self) -> Fetched:
        assert not self._closed, "it was closed"
        await self._broker.travel(deaf=True)
        cluster, at = self._broker.cluster_model, self._at
        while True:
            log = cluster.log(at)
            if not log.start <= self._offset <= log.end:
                raise Gone(at, self._offset, cluster.span(at))
            found = log.visible(self._offset)
            if found:
                break
            await log.moved()
        some = found[: cluster.random.choice(PIECES)]
        span = cluster.span(at)
        await self._broker.travel()  # what comes was so when it was fetched
        self._offset = some[-1].end
        return Fetched(b"".join(batch.data for batch in some), span)

    def close(self) -> None:
        self._closed = True


class ModelBroker:
    """Implements mmsb.streams.kafka.cluster.broker.Broker, for one client process or for somebody who is none."""

    def __init__(self, cluster: Cluster, process: Process | None = None) -> None:
        self.cluster_model = cluster
        self._process = process
        self._appending: set[TopicPartition] = set()

    @property
    def cluster(self) -> str:
        return self.cluster_model.id

    async def travel(self, *, deaf: bool = False) -> None:
        """A request, or an answer, on its way."""
        self._check()
        weather = self.cluster_model.weather
        seconds = weather.wait()
        if deaf and weather.happens(weather.deaf):
            seconds += weather.random.expovariate(1.0) * DEAF_SECONDS
        await asyncio.sleep(min(seconds, ANSWER_SECONDS))

    def _check(self) -> None:
        if self._process is not None:
            self._process.check_lives()

    async def topics(self, names: Sequence[str]) -> dict[str, int]:
        await self.travel()
        cluster = self.cluster_model
        return {name: cluster.partitions(name) for name in names if name in cluster.topics}

    async def settings(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        await self.travel()
        known = self.cluster_model.topics
        return {name: dict(known[name].settings) for name in topics if name in known}

    async def create(self, topic: str, partitions: int, replicas: int, settings: Mapping[str, str]) -> None:
        await self.travel()
        self.cluster_model.create(topic, partitions, settings)
        await self.travel()

    async def alter(self, topic: str, settings: Mapping[str, str]) -> None:
        await self.travel()
        self.cluster_model.alter(topic, settings)
        await self.travel()

    async def span(self, at: TopicPartition) -> Span:
        await self.travel()
        span = self.cluster_model.span(at)
        await self.travel()
        return span

    def follow(self, at: TopicPartition, offset: int, lane: str) -> ModelFollowing:
        return ModelFollowing(self, at, offset)

    async def append(self, at: TopicPartition, batch: bytes, timeout: float) -> int | None:
        self._check()
        assert at not in self._appending, "one call at a time for a partition"
        self._appending.add(at)
        try:
            return await self._append(at, bytes(batch), timeout)
        finally:
            self._appending.discard(at)

    async def _append(self, at: TopicPartition, batch: bytes, timeout: float) -> int | None:
        cluster = self.cluster_model
        cluster.check(at, batch)
        cluster.hears(self._process, at, batch)
        answer: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        cluster.send(at, batch, answer)
        await asyncio.wait([answer], timeout=timeout)
        if not answer.done():
            answer.cancel()
            return None
        return answer.result()

    async def trim(self, at: TopicPartition, offset: int) -> None:
        await self.travel()
        self.cluster_model.log(at).trim(offset)

    async def commit(self, group: str, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        await self.travel()
        cluster, weather = self.cluster_model, self.cluster_model.weather
        if weather.happens(weather.notes_lost):
            return
        late = weather.random.expovariate(1.0) * weather.long if weather.happens(weather.notes_lost) else 0.0
        cluster.theatre.later(late, cluster.notes.update, {(group, at): noted for at, noted in offsets.items()})

    async def committed(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, str]]:
        await self.travel()
        notes = self.cluster_model.notes
        return {at: notes[group, at] for at in partitions if (group, at) in notes}

    async def join(self, group: str, topic: str, prefers: frozenset[int], name: str) -> Member:
        await self.travel()
        cluster = self.cluster_model
        known = cluster.groups.setdefault(group, Group(cluster, group, topic))
        return known.join(name, prefers, self._process)

    async def close(self) -> None:
        """There is nothing to close."""
