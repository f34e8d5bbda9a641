"""Where what is: which brokers there are, and which of them leads a partition, as far as the cluster has told us."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.answers import ADMINISTERING, Means, means, refusal
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.connections import Connections, Unanswered, Unsent
from mmsb.streams.kafka.cluster.requests import Metadata, ask_metadata, read_metadata
from mmsb.streams.kafka.cluster.url import Address

LANE: Final = "metadata"
METADATA_SECONDS: Final = 3.0
"""After so long another broker is asked: this one may be frozen."""

APART_SECONDS: Final = 0.1
"""What was asked for is asked for again this long after the last time, at the earliest."""

ABSENT_SECONDS: Final = 5.0
"""Brokers may take so long to hear of a topic that was made."""


class Routes:
    def __init__(self, connections: Connections, first: Sequence[Address]) -> None:
        self._connections = connections
        self._first = tuple(first)
        self._brokers: dict[int, Address] = {}
        self._leaders: dict[TopicPartition, int] = {}
        self._absent: dict[str, float] = {}  # since when
        self._refused: dict[str, int] = {}
        self._asked = -APART_SECONDS
        self._asked_for = frozenset[str]()
        self._topics: set[str] = set()
        self._refreshing: asyncio.Task[None] | None = None
        self.cluster = ""

    async def open(self) -> None:
        """Ask once. Raises EnvironmentFailed if none of the brokers that were named answers."""
        try:
            self._learn(await self.ask([]))
        except Unsent as error:
            named = ", ".join(str(address) for address in self._first)
            raise EnvironmentFailed(
                f"expected one of {named} to answer as a broker of Kafka, found that none does: {error}; look "
                f"whether they listen there, and speak {self._connections.protocol}"
            ) from error

    def leader(self, at: TopicPartition) -> Address | None:
        """Who leads a partition, as far as is known. To be known, it must be looked for."""
        self._topics.add(at.topic)
        return self._brokers.get(self._leaders.get(at, -1))

    def forget(self, at: TopicPartition) -> None:
        """It does not lead it, or does not answer."""
        self._leaders.pop(at, None)

    async def look(self) -> None:
        """Ask again who leads what; who comes meanwhile waits for the same answer. It may still be unknown then."""
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh())
            self._refreshing.add_done_callback(self._refreshed)
        await asyncio.shield(self._refreshing)

    def check(self, topic: str) -> None:
        """Raise EnvironmentFailed if it is not to be seen, or if brokers have said for a while that it is not there."""
        if topic in self._refused:
            raise refusal(f"topic {topic!r}", self._refused[topic])
        since = self._absent.get(topic)
        if since is not None and _now() - since >= ABSENT_SECONDS:
            raise EnvironmentFailed(
                f"topic {topic!r}: expected it in the cluster, found that it is not there; was it deleted, or is this "
                "another cluster?"
            )

    def brokers(self) -> list[Address]:
        """All that we know of, those first that are known to be up, in no order: no broker is everyone's first."""
        known = random.sample(list(self._brokers.values()), len(self._brokers))
        return known + [address for address in self._first if address not in known]

    async def ask(self, topics: Iterable[str]) -> Metadata:
        """Ask one broker after the other. Raises Unsent if none answers."""
        request = ask_metadata(topics)
        last: Exception | None = None
        for address in self.brokers():
            try:
                return read_metadata(await self._connections.ask(address, LANE, request, METADATA_SECONDS))
            except (Unsent, Unanswered) as error:
                last = error
        raise Unsent(str(last))

    async def close(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    async def _refresh(self) -> None:
        if self._topics <= self._asked_for:
            await asyncio.sleep(self._asked + APART_SECONDS - _now())
        self._asked, self._asked_for = _now(), frozenset(self._topics)
        with suppress(Unsent):
            self._learn(await self.ask(self._topics))

    def _refreshed(self, done: asyncio.Task[None]) -> None:
        self._refreshing = None
        if not done.cancelled():
            done.exception()  # whoever waited has it

    def _learn(self, found: Metadata) -> None:
        self.cluster = found.cluster or self.cluster
        self._brokers = dict(found.brokers) or self._brokers
        self._leaders = {
            TopicPartition(topic, partition): leader
            for topic, leaders in found.topics.items()
            for partition, leader in leaders.items()
        }
        codes = {topic: (code, means(ADMINISTERING, code)) for topic, code in found.errors.items()}
        self._absent = {
            topic: self._absent.get(topic, _now()) for topic, (_, meaning) in codes.items() if meaning is Means.ABSENT
        }
        self._refused = {topic: code for topic, (code, meaning) in codes.items() if meaning is Means.REFUSED}


def _now() -> float:
    return asyncio.get_running_loop().time()
