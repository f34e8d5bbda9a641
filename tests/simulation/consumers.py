"""Consumers of events: each goes on where it stopped, in one process after another, quickly, slowly, or not at all."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from random import Random

from mmsb.processors.requests import pack
from mmsb.schemas.classes import page_layout_of
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.schemas.events import Event
from mmsb.streams.door import Door, EventFilter
from mmsb.streams.serving.client import Remote
from tests.simulation.apps import pages_of
from tests.simulation.claims import require
from tests.simulation.clients import GONE, Town
from tests.simulation.past import FROM_THE_START, Subscription


def subscription(town: Town, random: Random) -> Subscription:
    """Of all events of a partition, those of one page, or those that touch some field."""
    count = len(town.court.partitions)
    partition, layout = random.randrange(count), page_layout_of(town.app.page)
    key = fields = None
    pages = pages_of(town.app, partition, count)
    if pages and random.random() < 0.3:
        key = random.choice(pages)[1]
    if random.random() < 0.3:
        fields = (random.randrange(len(layout.fields)),)
    begin = FROM_THE_START if random.random() < 0.6 else None
    found = Subscription(partition, EventFilter(layout.type_id, key, fields), begin)
    town.court.partitions[partition].subscriptions.append(found)
    return found


class Consumer:
    """One life of it."""

    def __init__(self, town: Town, subscription: Subscription, name: str, until: Event | None, *, stays: bool) -> None:
        """Who stays waits for an event, if there is one that it lacks; others leave at some time."""
        self._town = town
        self._subscription = subscription
        self._judge = town.court.partitions[subscription.partition]
        self._name = name
        self._until = until
        self._stays = stays
        self._random = Random(town.random.getrandbits(64))

    async def visit(self, folder: Path) -> None:
        """Come from another process."""
        try:
            async with Remote(folder) as door:
                await self.run(door)
        except EnvironmentFailed as error:
            self._note(f"finds nobody: {error}")
            require("nothing fails without a reason", self._town.excused, f"{self._name}: {error!r}")

    async def run(self, door: Door) -> None:
        subscription = self._subscription
        self._note(f"begins {subscription.after} in partition {subscription.partition}: {subscription.wanted}")
        try:
            if subscription.after is None:
                subscription.lower, subscription.upper = self._judge.released, None
            events = door.events(subscription.partition, subscription.after, subscription.wanted)
            try:
                if subscription.after is None:
                    await self._ask_first(door)
                await self._read(events)
            finally:
                if isinstance(events, AsyncGenerator):
                    await events.aclose()
        except InvalidValue as error:
            self._note(f"is refused: {error}")
            self._judge.refuses_events(subscription)
        except GONE as error:
            self._note(f"stops: {type(error).__name__}: {error}")
            require("nothing fails without a reason", self._town.excused, f"{self._name}: {error!r}")

    async def _ask_first(self, door: Door) -> None:
        """What is submitted now, it has to see."""
        value = pack(self._town.app.request(self._random), actor=self._town.tag())
        self._town.court.submitted[value] += 1
        receipt = await door.submit(value, "settled", None)
        self._town.court.partitions[receipt.partition].told_settled(receipt, value)
        self._subscription.upper = receipt.offset if receipt.partition == self._subscription.partition else None

    async def _read(self, events: AsyncIterator[list[Event]]) -> None:
        """Until it has seen enough, or no more comes, or it loses patience."""
        patience = None if self._stays else self._random.expovariate(1.0) * self._random.choice((0.1, 2.0))
        try:
            async with asyncio.timeout(patience):
                while not self._has_seen_all():
                    some = await anext(events, None)
                    if some is None:
                        self._note("hears that no more comes")
                        self._subscription.ended = self._subscription.after is not None
                        require("nothing fails without a reason", self._town.excused, f"{self._name}: it ended")
                        return
                    self._note(f"sees {[each.offset for each in some]}")
                    self._judge.told_events(self._subscription, some)
                    if self._random.random() < 0.2:
                        await asyncio.sleep(self._random.expovariate(1.0))
        except TimeoutError:
            self._note("loses patience")

    def _has_seen_all(self) -> bool:
        until, seen = self._until, self._subscription.seen
        if until is None:
            return self._stays
        return bool(seen) and (seen[-1].offset, seen[-1].ordinal) >= (until.offset, until.ordinal)

    def _note(self, text: str) -> None:
        self._town.trace.add(f"{self._name} {text}")
