"""A real cluster behind the protocol of mmsb.streams.kafka.cluster.broker.

async with open_broker("kafka://host:port", Security(user="ann", password="...")) as broker: ...
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from mmsb.streams.kafka.cluster.administration import Administration
from mmsb.streams.kafka.cluster.broker import Following, Member, Span, TopicPartition
from mmsb.streams.kafka.cluster.connections import Connections
from mmsb.streams.kafka.cluster.fetching import Lane
from mmsb.streams.kafka.cluster.leaders import Leaders
from mmsb.streams.kafka.cluster.member import GroupMember
from mmsb.streams.kafka.cluster.offsets import Notes
from mmsb.streams.kafka.cluster.routing import Routes
from mmsb.streams.kafka.cluster.security import OPEN, Security
from mmsb.streams.kafka.cluster.url import parse_url

_FOREIGN: Final = "foreign topics"


@asynccontextmanager
async def open_broker(url: str, security: Security = OPEN) -> AsyncGenerator["KafkaBroker"]:
    """Raises EnvironmentFailed if no broker answers, or if they do not take who we are."""
    connections = Connections(security)
    routes = Routes(connections, parse_url(url))
    broker = KafkaBroker(connections, routes)
    try:
        await routes.open()
        yield broker
    finally:
        await broker.close()


class KafkaBroker:
    def __init__(self, connections: Connections, routes: Routes) -> None:
        self._connections = connections
        self._routes = routes
        self._administration = Administration(connections, routes)
        self._leaders = Leaders(connections, routes)
        self._notes = Notes(connections, routes)
        self._lanes: dict[str, Lane] = {}

    @property
    def cluster(self) -> str:
        return self._routes.cluster

    async def topics(self, names: Sequence[str]) -> dict[str, int]:
        return await self._administration.topics(names)

    async def topic_id(self, topic: str) -> UUID:
        """Which one of those that had its name since the cluster was made."""
        return await self._administration.topic_id(topic)

    async def settings(self, topics: Sequence[str]) -> dict[str, dict[str, str]]:
        return await self._administration.settings(topics)

    async def create(self, topic: str, partitions: int, replicas: int, settings: Mapping[str, str]) -> None:
        await self._administration.create(topic, partitions, replicas, settings)

    async def alter(self, topic: str, settings: Mapping[str, str]) -> None:
        await self._administration.alter(topic, settings)

    async def span(self, at: TopicPartition) -> Span:
        return await self._leaders.span(at)

    def follow(self, at: TopicPartition, offset: int, lane: str) -> Following:
        if lane not in self._lanes:
            self._lanes[lane] = Lane(lane, self._connections, self._routes, self._leaders)
        return self._lanes[lane].follow(at, offset)

    def read(self, at: TopicPartition, offset: int) -> Following:
        """Follow a partition of a topic that is not ours: of transactions, what was committed; it may have gaps."""
        if _FOREIGN not in self._lanes:
            self._lanes[_FOREIGN] = Lane(_FOREIGN, self._connections, self._routes, self._leaders, foreign=True)
        return self._lanes[_FOREIGN].follow(at, offset)

    async def append(self, at: TopicPartition, batch: bytes, timeout: float) -> int | None:
        return await self._leaders.append(at, batch, timeout)

    async def trim(self, at: TopicPartition, offset: int) -> None:
        await self._leaders.trim(at, offset)

    async def commit(self, group: str, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        await self._notes.commit(group, offsets)

    async def committed(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, str]]:
        return await self._notes.committed(group, partitions)

    async def join(self, group: str, topic: str, prefers: frozenset[int], name: str) -> Member:
        member = GroupMember(self._connections, self._routes, group, topic, prefers, name)
        await member.start()
        return member

    async def close(self) -> None:
        for lane in self._lanes.values():
            await lane.close()
        await self._routes.close()
        await self._connections.close()
