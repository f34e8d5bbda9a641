"""What is true for ever, noted as offsets of a group without members, for whoever goes on from there.

The words beside each name the log that it is about, so that one that was made anew under the same name does not believe
what was noted of the one before. Notes may be old, or gone: what they say was true, and whoever comes does more again.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition
from mmsb.streams.world import World

NOTE_SECONDS: Final = 1.0
"""Between two notes: what was done since the last one is done again by the next who comes."""

NOTE_AGAIN_SECONDS: Final = 86_400.0
"""Brokers forget what nobody noted for a week (offsets.retention.minutes), though nothing has changed."""

LAST_NOTE_SECONDS: Final = 2.0  # that ending waits for the last note

Position = Mapping[TopicPartition, int]


class Notes:
    """Of one group, by one who goes on and another who may have gone before."""

    def __init__(self, world: World, broker: Broker, group: str, log_id: bytes) -> None:
        self._world = world
        self._broker = broker
        self.group = group
        self._words = log_id.hex()
        self._noted: Position = {}
        self._at = -math.inf

    async def read(self, partitions: Sequence[TopicPartition]) -> Position:
        """What was noted of this log."""
        found = await self._broker.committed(self.group, partitions)
        self._noted = {at: offset for at, (offset, words) in found.items() if words == self._words}
        return self._noted

    def due_in(self, position: Position) -> float:
        """Seconds until a position is to be noted."""
        wait = NOTE_AGAIN_SECONDS if position == self._noted else NOTE_SECONDS
        return max(0.0, self._at + wait - self._world.seconds())

    async def note(self, position: Position) -> None:
        self._at = self._world.seconds()
        if position:
            await self._broker.commit(self.group, {at: (offset, self._words) for at, offset in position.items()})
        self._noted = position

    async def note_last(self, position: Position) -> None:
        """When nothing more comes. Without it no harm is done, so it keeps nobody from ending."""
        with suppress(EnvironmentFailed, TimeoutError):
            async with asyncio.timeout(LAST_NOTE_SECONDS):
                await self.note(position)
