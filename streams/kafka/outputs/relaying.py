"""Carries a partition's follow-ups into the intents topic of an application, whoever owns the partitions they are for.

The TLog is the queue, and the topic is where they arrive: what it has acknowledged has arrived, once or more often. A
target counts each number once, so two relays at once, one of which does not know yet that it is another's turn, do no
harm: each begins behind numbers that are in the topic, and leaves none out.

How far it is, is noted as offsets of a group: `<app>.intents`, a target: the highest number that is durable in its log;
`<app>.tlog`, the source: the TLog offset below which all follow-ups are (mmsb.streams.kafka.cluster.noting).
"""

import asyncio
from bisect import bisect_left
from contextlib import suppress
from typing import Final

from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.grouping import batches_of
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition
from mmsb.streams.kafka.cluster.noting import Notes, Position
from mmsb.streams.kafka.topics import Topic
from mmsb.streams.relay import BLOCKS_AT_ONCE, Source, next_follow_ups
from mmsb.streams.tickets import Ticket
from mmsb.streams.world import World

LOOK_SECONDS: Final = 10.0  # between two looks of a follower at what its owner has noted


class TopicRelay:
    """`run` while the source is owned here, `follow` while another owns it; each until cancelled."""

    def __init__(self, world: World, broker: Broker, appending: Appending, genesis: Genesis, source: Source) -> None:
        app, count = genesis.app, genesis.partition_count
        self._world = world
        self._appending = appending
        self._source = source
        self._notes = Notes(world, broker, f"{app}.relay-{source.number}", genesis.log_id)
        self._targets = [TopicPartition(Topic.INTENTS.of(app), target) for target in range(count)]
        self._tlog = TopicPartition(Topic.TLOG.of(app), source.number)
        self._below = 0  # all follow-ups of blocks below this TLog offset have arrived
        self._arrived: dict[int, int] = {}  # the highest numbers that were noted
        self._sent: dict[int, int] = {}  # and those that are in the topic by this relay's hand

    @property
    def handed(self) -> dict[int, int]:
        """The highest number that each target's log has for certain, as far as it is known."""
        return {**self._arrived, **self._sent}

    @property
    def idle(self) -> bool:
        """Whether nothing that was accepted is still to be sent."""
        return self._source.all_relayed.is_set()

    async def until_idle(self) -> None:
        await self._source.all_relayed.wait()

    async def run(self) -> None:
        await self._begin()
        try:
            while True:
                await self._wait()
                await self._carry()
                if not self._notes.due_in(self._position):
                    await self._notes.note(self._position)
        finally:
            await self._notes.note_last(self._position)

    async def follow(self) -> None:
        """Forget, of what the source still has to send, what whoever owns it says to have arrived."""
        while True:
            await self._begin()
            await asyncio.sleep(LOOK_SECONDS)

    async def _begin(self) -> None:
        """Behind what is noted. What the source's list lacks has arrived, though perhaps nobody has noted it."""
        self._arrived, self._sent = self.handed, {}
        for at, offset in (await self._notes.read([*self._targets, self._tlog])).items():
            if at == self._tlog:
                self._below = max(self._below, offset)
            else:
                self._arrived[at.partition] = max(self._arrived.get(at.partition, 0), offset)
        blocks = self._source.follow_up_blocks
        del blocks[: bisect_left(blocks, self._below)]

    async def _wait(self) -> None:
        """For something to send; meanwhile nothing is left unnoted."""
        source = self._source
        while not source.follow_up_blocks:
            source.new_follow_ups.clear()
            source.all_relayed.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._notes.due_in(self._position)):
                    await source.new_follow_ups.wait()
                    return
            await self._notes.note(self._position)

    async def _carry(self) -> None:
        """Send what the next blocks hold; a target takes one append at a time, all targets do so at once."""
        source, sent = self._source, dict(self._sent)
        blocks = source.follow_up_blocks[:BLOCKS_AT_ONCE]
        wanted, taken = await next_follow_ups(source, blocks, sent, self._arrived)
        await asyncio.gather(*(self._send(target, intents) for target, intents in wanted.items()))
        self._sent, self._below = sent, blocks[taken - 1] + 1
        del source.follow_up_blocks[:taken]

    async def _send(self, target: int, intents: list[bytes]) -> None:
        ticket = Ticket(intents, len(intents), sum(map(len, intents)))
        for batch in batches_of([ticket], 0, self._world.time_ms()):
            await self._appending.append(self._targets[target], bytes(batch.data))

    @property
    def _position(self) -> Position:
        """True for ever."""
        position = {self._targets[target]: number for target, number in self.handed.items()}
        return {**position, self._tlog: self._below} if self._below else position
