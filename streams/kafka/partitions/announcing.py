"""Announces where a partition's TLog stands, to those who want to hear of outcomes without reading what came before."""

import asyncio
from typing import Final

from mmsb.streams.kafka.clients.standing import group_of, standing_of
from mmsb.streams.kafka.cluster.broker import Broker
from mmsb.streams.kafka.partitions.mirror import Mirrored
from mmsb.streams.opening import Opened
from mmsb.streams.world import World

ANNOUNCE_SECONDS: Final = 2.0
"""Between two notes of an owner: what it accepts meanwhile, a client that begins has to read."""


AGAIN_SECONDS: Final = 3_600.0
"""Brokers forget what nobody noted for a while (offsets.retention.minutes, a week), though nothing has changed."""


async def announce_standing(world: World, broker: Broker, of: Mirrored, opened: Opened, claimed_at: int) -> None:
    """While a partition is owned here; what is noted was accepted."""
    noted, when = -1, 0.0
    while True:
        fold, now = opened.fold, world.seconds()
        if opened.writer.reigns and not fold.pending and (fold.next != noted or now - when > AGAIN_SECONDS):
            noted, when = fold.next, now
            words = standing_of(fold, claimed_at).words()
            if words is not None:  # with very many page types, clients read from the TLog's begin
                await broker.commit(group_of(of.app), {of.tlog: (noted, words)})
        await asyncio.sleep(ANNOUNCE_SECONDS)
