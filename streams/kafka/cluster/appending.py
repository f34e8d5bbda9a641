"""Appends to topics that several parts of a process write to, until they are there for certain.

What comes twice by that is known again by whoever reads it: follow-ups by their numbers, events by their places.
"""

import asyncio
from collections import defaultdict
from typing import Final

from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition

APPEND_SECONDS: Final = 10.0
"""After so long without an answer an append is sent again."""

AGAIN_SECONDS: Final = 0.1  # before that, so that a connection that breaks at once is no busy loop


class Appending:
    """One for each process and cluster: a partition takes one append of it at a time."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._turns: defaultdict[TopicPartition, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def append(self, at: TopicPartition, batch: bytes) -> None:
        """Return when the batch is in the topic, once or more often. Raises Refused."""
        async with self._turns[at]:
            while await self._broker.append(at, batch, APPEND_SECONDS) is None:
                await asyncio.sleep(AGAIN_SECONDS)

    async def attempt(self, at: TopicPartition, batch: bytes) -> int | None:
        """Append it once: gives its offset, or None if it may or may not be there. Raises Refused."""
        async with self._turns[at]:
            return await self._broker.append(at, batch, APPEND_SECONDS)
