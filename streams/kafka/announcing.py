"""Announces where a partition's TLog stands, to those who want to hear of outcomes without reading what came before."""

import asyncio
from typing import Final

from mmsb.streams.kafka.broker import Broker
from mmsb.streams.kafka.mirror import Mirrored
from mmsb.streams.kafka.standing import group_of, standing_of
from mmsb.streams.opening import Opened

ANNOUNCE_SECONDS: Final = 2.0
"""Between two notes of an owner: what it accepts meanwhile, a client that begins has to read."""


async def announce_standing(broker: Broker, of: Mirrored, opened: Opened, claimed_at: int) -> None:
    """While a partition is owned here; what is noted was accepted."""
    noted = -1
    while True:
        fold = opened.fold
        if fold.next != noted and not fold.pending:
            noted = fold.next
            words = standing_of(fold, claimed_at).words()
            if words is not None:  # with very many page types, clients read from the TLog's begin
                await broker.commit(group_of(of.app), {of.tlog: (noted, words)})
        await asyncio.sleep(ANNOUNCE_SECONDS)
