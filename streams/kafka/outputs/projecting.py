"""Publishes what came of a partition's accepted intents: events and rejects, each in a topic, in order, none left out.

    TLog, accepted ─▶ feed: events, block by block ─▶ packed, or JSON ─▶ <app>.events, <app>.rejects
                                                                           (the source's partition)

Nobody waits for it. Where to go on is what the topics' ends say, and what is noted in group `<app>.published`
(`<app>.intents`, the partition: the offset before which all has arrived). Both may be older than the truth, never
newer; so two publishers at once, one of which does not know yet that it is another's turn, repeat each other and leave
nothing out. A consumer that drops what its high-water mark covers sees everything once (docs/operations.md).
"""

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Final

import numpy as np

from mmsb.processors.outputs import Output, Place, json_events, json_rejects, packed_events, packed_rejects
from mmsb.processors.packed_events import PackedEvents, last_event_of, last_place_of, offset_of, place_of
from mmsb.processors.packed_rejects import rejects_of_block
from mmsb.schemas.errors import EnvironmentFailed, MmsbError
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.events.events import Events
from mmsb.streams.events.follower import BlockEnd, Piece
from mmsb.streams.events.source import Cut, Source
from mmsb.streams.events.tail import blocks_from_behind
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition
from mmsb.streams.kafka.cluster.noting import Notes, Position
from mmsb.streams.kafka.outputs.tails import last_place
from mmsb.streams.kafka.topics import Topic
from mmsb.streams.past.bases import Bases
from mmsb.streams.watermark import Watermark
from mmsb.streams.world import World, finish

TAKE_BYTES: Final = 4 << 20
"""So much of what a feed tells is made into batches at once, while what was made before is appended."""

LOOKED_BACK: Final = 1_024
"""TLog records in which a publisher looks for what is not published yet, before pages are folded for it."""


class Form(StrEnum):
    """Of the values in the output topics."""

    PACKED = "packed"
    JSON = "json"


class Publisher:
    """`run` until it is cancelled, while the partition is owned here; then `close`."""

    def __init__(
        self,
        world: World,
        broker: Broker,
        appending: Appending,
        genesis: Genesis,
        source: Source,
        events: Events,
        begins: Callable[[], int],
        form: Form,
    ) -> None:
        """`events` are those of the source. `begins` gives, on a thread, the place from which its log tells all; where
        nobody knows better, what was before has been published, or it would not have been trimmed."""
        app, partition = genesis.app, genesis.partition
        self._world = world
        self._broker = broker
        self._appending = appending
        self._genesis = genesis
        self._source = source
        self._feeds = events
        self._begins = begins
        self._form = form
        self._notes = Notes(world, broker, f"{app}.published", genesis.log_id)
        self._intents = TopicPartition(Topic.INTENTS.of(app), partition)
        self._events = TopicPartition(Topic.EVENTS.of(app), partition)
        self._rejects = TopicPartition(Topic.REJECTS.of(app), partition)
        self._event = self._reject = -1  # the places of the last that are in the topics for certain
        self._published = Watermark(-1)
        self._worker = world.worker(f"publish-{partition}")

    @property
    def published(self) -> int:
        """All that intents up to this offset came to is in the topics. What is behind it must not be trimmed."""
        return self._published.at

    @property
    def idle(self) -> bool:
        """Whether all that was accepted is published."""
        return self.published >= self._source.accepted

    async def reach(self, offset: int) -> None:
        """Return once all is published that an intent, and those before it, came to."""
        await self._published.reach(offset)

    async def until_idle(self) -> None:
        await self._published.reach(self._source.accepted)

    async def run(self) -> None:
        try:
            await self._begin()
            await self._go_on()
        except MmsbError as error:
            self._published.fail(error)
            raise

    async def _begin(self) -> None:
        """Find out how far whoever was before came."""
        noted = (await self._notes.read([self._intents])).get(self._intents)
        begins = await self._worker.run(self._begins)
        event, reject = [await last_place(self._broker, at, self._genesis) for at in (self._events, self._rejects)]
        known = begins if noted is None else last_place_of(noted - 1)
        self._event = max(known, _number(event), self._event)
        self._reject = max(known, _number(reject), self._reject)
        if min(self._event, self._reject) < begins:
            raise EnvironmentFailed(
                f"{self._events}: expected to publish what intents behind offset {noted} came to, found that what is "
                f"known here begins behind offset {offset_of(begins)}: it was trimmed before it was published; start a "
                f"worker that still has it, or delete the group {self._notes.group} to go on without it"
            )
        self._published.rise(max(self.published, offset_of(min(self._event, self._reject) + 1) - 1))

    async def _go_on(self) -> None:
        pieces = self._feeds.pieces(min(self._event, self._reject), self._has_seen)
        taking = asyncio.create_task(pieces.take(TAKE_BYTES))
        try:
            while True:
                await asyncio.wait([taking], timeout=self._notes.due_in(self._position))
                if taking.done():
                    taken, settled = taking.result(), pieces.settled
                    taking = asyncio.create_task(pieces.take(TAKE_BYTES))
                    await self._publish(taken)
                    self._published.rise(max(self.published, settled))
                if not self._notes.due_in(self._position):
                    await self._notes.note(self._position)
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            await self._notes.note_last(self._position)

    @property
    def _position(self) -> Position:
        return {self._intents: self.published + 1} if self.published >= 0 else {}

    def _has_seen(self, source: Source, cut: Cut, place: int) -> bool:
        """Whether all that came before a cut is in the topics, as far as the last records say it."""
        if cut.settled != cut.fold.settled:
            return False  # what is on its way may have events
        if last_place_of(cut.settled) <= place:
            return True
        for header, value in blocks_from_behind(source, cut, LOOKED_BACK):
            if last_place_of(header.last) <= place:
                return True
            event = last_event_of(value)
            rejects = rejects_of_block(value, header, self._genesis, 0)
            reject = place_of(int(rejects["offset"][-1]), 0) if len(rejects) else -1
            if (event is not None and event > self._event) or reject > self._reject:
                return False
        return False

    # Publishing

    async def _publish(self, pieces: Sequence[Piece]) -> None:
        if pieces:
            events, rejects = await self._worker.run(self._batches, pieces, self._world.time_ms())
            await asyncio.gather(self._append(self._events, events), self._append(self._rejects, rejects))

    async def _append(self, at: TopicPartition, batches: Sequence[bytes]) -> None:
        for batch in batches:
            await self._appending.append(at, batch)

    def _batches(self, pieces: Sequence[Piece], time_ms: int) -> tuple[list[bytes], list[bytes]]:
        told = [piece for piece in pieces if isinstance(piece, PackedEvents)]
        ends = [piece for piece in pieces if isinstance(piece, BlockEnd) and len(piece.rejects)]
        events = [self._of_events(told)] if told else []
        rejects = [self._of_rejects(list(some)) for _, some in groupby(ends, lambda end: id(end.claim))]
        return _joined(events, time_ms), _joined(rejects, time_ms)

    def _of_events(self, pieces: Sequence[PackedEvents]) -> Output:
        make = packed_events if self._form == Form.PACKED else json_events
        return make(pieces, self._genesis, self._event)

    def _of_rejects(self, ends: Sequence[BlockEnd]) -> Output:
        """Of blocks under one claim."""
        rejects, claim, after = np.concatenate([end.rejects for end in ends]), ends[0].claim, offset_of(self._reject)
        if self._form == Form.PACKED:
            return packed_rejects(rejects, self._genesis, after)
        assert claim is not None, "a block that counts was written under a claim"
        return json_rejects(rejects, claim, self._genesis, after)

    async def close(self) -> None:
        """Once `run` has ended."""
        self._published.fail(EnvironmentFailed("nothing more is published here; whoever owns the partition goes on"))
        await finish(self._worker)


def _number(place: Place | None) -> int:
    return -1 if place is None else place_of(*place)


def _joined(outputs: Sequence[Output], time_ms: int) -> list[bytes]:
    return [batch for output in outputs for batch in output.batches(time_ms)]


def first_place(tlog_first: int, bases: Bases) -> int:
    """The place from which a log tells all, which is that of its oldest base if it was trimmed."""
    try:
        base = bases.oldest_from(tlog_first) if tlog_first else None
        return -1 if base is None else last_place_of(base.settled)
    finally:
        bases.close()
