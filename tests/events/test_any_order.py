"""Whatever happens in whatever order, each reader ends with the events that it was promised, and nothing twice."""

import asyncio
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsb.processors import projector
from mmsb.processors.packed_events import place_of
from mmsb.schemas.events import Event
from mmsb.streams.door import EventFilter, Position
from mmsb.streams.events import events as door
from mmsb.streams.events import feed, follower
from mmsb.streams.events.events import Events
from mmsb.streams.events.reader import Reader
from mmsb.streams.world import RealWorld
from tests.events.apps import Account
from tests.events.owner import BUNDLE, Owner

TYPES = {page.name: page.type_id for page in BUNDLE.descriptor.pages}
FILTERS = (
    EventFilter(),
    EventFilter(TYPES["Note"]),
    EventFilter(TYPES["Account"], Account[3].packed_key),
    EventFilter(TYPES["Account"], fields=(1,)),
)
ACTIONS = ("step", "step", "accept", "subscribe", "now", "pull", "pull", "pull", "cancel", "resume", "restart")


def place(event: Event) -> int:
    return place_of(event.offset, event.ordinal)


@dataclass
class Consumer:
    """`sure` is where its events begin for sure; those behind `first` may come, too."""

    reader: Reader
    wanted: EventFilter
    first: int
    sure: int
    seen: list[Event] = field(default_factory=list)

    def promised(self, found: list[Event]) -> list[Event]:
        """Of some events, those that it is to get, given those that it has got."""
        begin = self.sure
        if self.seen and place(self.seen[0]) <= self.sure:
            begin = place(self.seen[0]) - 1
            assert begin >= self.first
        return [event for event in found if place(event) > begin and self.wants(event)]

    def wants(self, event: Event) -> bool:
        wanted = self.wanted
        return (
            wanted.page_type in (None, event.page_type)
            and wanted.key in (None, event.key)
            and (wanted.fields is None or bool(set(wanted.fields) & set(event.fields)))
        )


class Run:
    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.owner = Owner()
        self.events = Events(self.owner, RealWorld(), "events-any")
        self.consumers: list[Consumer] = []

    async def do(self, action: str) -> None:
        rng, owner = self.rng, self.owner
        if action == "step":
            owner.traffic(rng, rng.choice((1, 5, 30)), 6)
        elif action == "accept":
            owner.accept(rng.randint(0, len(owner.stepped)))
        elif action == "restart" and not owner.stepped:
            owner.restart()
        elif action in ("subscribe", "now"):
            await self.subscribe(now=action == "now")
        elif self.consumers:
            await self.use(rng.choice(self.consumers), action)

    async def subscribe(self, *, now: bool) -> None:
        wanted, owner = self.rng.choice(FILTERS), self.owner
        if now:
            first, sure = place_of(owner.accepted, 7), place_of(owner.writer.machine.settled, 7)
            self.consumers.append(Consumer(self.events.subscribe(None, wanted), wanted, first, sure))
            await asyncio.sleep(0)  # nothing can be stepped before the loop has had its turn
            return
        known = [Position(event.offset, event.ordinal) for event in self.accepted()]
        position = self.rng.choice([Position(-1, 0), *known])
        begin = place_of(position.offset, position.ordinal)
        self.consumers.append(Consumer(self.events.subscribe(position, wanted), wanted, begin, begin))

    def accepted(self) -> list[Event]:
        return [event for event in self.owner.expected if event.offset <= self.owner.accepted]

    async def use(self, consumer: Consumer, action: str) -> None:
        if action == "pull" and len(consumer.promised(self.accepted())) > len(consumer.seen):
            consumer.seen += await anext(consumer.reader)
        elif action == "cancel":
            waiting = asyncio.ensure_future(anext(consumer.reader))
            for _ in range(self.rng.randrange(8)):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            if not waiting.cancelled():
                consumer.seen += waiting.result()
        elif action == "resume" and consumer.seen:
            last = consumer.seen[-1]
            await consumer.reader.aclose()
            consumer.reader = self.events.subscribe(Position(last.offset, last.ordinal), consumer.wanted)

    async def finish(self) -> None:
        self.owner.accept()
        for consumer in self.consumers:
            while len(consumer.seen) < len(consumer.promised(self.owner.expected)):
                consumer.seen += await anext(consumer.reader)
            assert consumer.seen == consumer.promised(self.owner.expected)
        await self.events.close()


async def run(seed: int, actions: list[str]) -> None:
    state = Run(seed)
    for action in actions:
        await state.do(action)
    await state.finish()


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(ACTIONS), min_size=10, max_size=80))
def test_every_consumer_gets_what_it_was_promised(seed: int, actions: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "EVENTS_BYTES_MAX", 6_000)  # more than is taken at once, with its last piece
        patch.setattr(follower, "TAKE_BYTES", 2_000)
        patch.setattr(follower, "READ_BYTES", 3_000)
        patch.setattr(door, "LAG_MAX", 2)
        patch.setattr(projector, "PIECE_BYTES", 1_000)
        asyncio.run(asyncio.wait_for(run(seed, actions), 30))
