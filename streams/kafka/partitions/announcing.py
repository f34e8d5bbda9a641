"""Announces where a partition's TLog stands, to those who want to hear of outcomes without reading what came before."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.clients.standing import Noted, group_of
from mmsb.streams.kafka.cluster.broker import Broker
from mmsb.streams.kafka.cluster.noting import LAST_NOTE_SECONDS
from mmsb.streams.kafka.partitions.mirror import Mirrored
from mmsb.streams.world import World

ANNOUNCE_SECONDS: Final = 2.0
"""Between two notes of an owner: what it accepts meanwhile, a client that begins has to read."""


AGAIN_SECONDS: Final = 3_600.0
"""Brokers forget what nobody noted for a while (offsets.retention.minutes, a week), though nothing has changed."""


class Announcing:
    """Of one partition, while it is owned here; what is noted was accepted."""

    def __init__(
        self, world: World, broker: Broker, of: Mirrored, standing: Callable[[], Awaitable[Noted | None]]
    ) -> None:
        self._world = world
        self._broker = broker
        self._of = of
        self._standing = standing
        self._noted = -1
        self._when = -math.inf

    async def run(self) -> None:
        while True:
            await self._note()
            await asyncio.sleep(ANNOUNCE_SECONDS)

    async def note_last(self) -> None:
        """At rest: whoever comes need read nothing that came before. Without it he reads a little more."""
        with suppress(EnvironmentFailed, TimeoutError):
            async with asyncio.timeout(LAST_NOTE_SECONDS):
                await self._note()

    async def _note(self) -> None:
        standing, now = await self._standing(), self._world.seconds()
        if standing is None or (standing.next == self._noted and now - self._when <= AGAIN_SECONDS):
            return
        words = standing.words()
        if words is not None:  # with very many page types, clients read from the TLog's begin
            await self._broker.commit(group_of(self._of.app), {self._of.tlog: (standing.next, words)})
        self._noted, self._when = standing.next, now
