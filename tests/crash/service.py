"""A service that asks for one thing after another in several lanes, and says what it was told, until it ends.

It runs in a process of its own (nursery.py), over an engine whose steps are watched; `order` says what it is to do.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from mmsb.processors.requests import Request, pack
from mmsb.schemas.tlog.claims import Durability
from mmsb.streams.door import Door
from mmsb.streams.engine import Engine, Settings
from tests.crash.applications import APPLICATIONS
from tests.crash.segments import small_segments
from tests.crash.small import small_home
from tests.crash.steps import WatchedWorld, Watcher, watched_state
from tests.crash.told import Told

Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """One life of the service."""

    folder: str
    name: str  # of this life: its intents have ids of their own
    application: str = "bank"
    partitions: int = 1
    durability: str = "fsync"
    compiled: bool = False
    segment_bytes: int = 2_000
    lanes: int = 4
    rounds: int = 25  # for each lane; 0: for ever
    fresh: bool = False  # every request has an id of its own
    flush_seconds: float = 5.0
    memory: int = 64 << 20  # of each partition
    step: str | None = None  # where to die
    occurrence: int = 1


def live(order: Order, say: Say) -> Watcher:
    """Do what the order says; returns only if nothing kills it."""
    watcher = Watcher(order.step, order.occurrence)
    with small_segments(order.segment_bytes), small_home(order.flush_seconds), watched_state(watcher):
        asyncio.run(_serve(order, watcher, say))
    return watcher


async def _serve(order: Order, watcher: Watcher, say: Say) -> None:
    application = APPLICATIONS[order.application]
    settings = Settings(
        Durability[order.durability.upper()], order.partitions, interpreted=not order.compiled,
        memory=order.memory * order.partitions,
    )  # fmt: skip
    engine = Engine(application.app.bundle(), Path(order.folder), settings, WatchedWorld(watcher))
    async with engine as door:
        service = _Service(order, door, watcher, say)
        say("ready")
        await asyncio.gather(*(service.ask(request, f"open-{n}") for n, request in enumerate(application.openings)))
        await asyncio.gather(*(service.lane(lane) for lane in range(order.lanes)))


class _Service:
    def __init__(self, order: Order, door: Door, watcher: Watcher, say: Say) -> None:
        self._order = order
        self._door = door
        self._watcher = watcher
        self._say = say

    async def lane(self, lane: int) -> None:
        """One request after another, now and then several at once, and one again whose id is known."""
        random = Random(f"{self._order.name} {lane}")
        number = 0
        while number < self._order.rounds or not self._order.rounds:
            ids = [f"{self._order.name}-{lane}-{number}-{n}" for n in range(random.choice((1, 1, 1, 20)))]
            request = APPLICATIONS[self._order.application].request
            await asyncio.gather(*(self.ask(request(random), id) for id in ids))
            if not self._order.fresh and random.random() < 0.2:
                await self.ask(request(random), random.choice(ids))
            if not self._order.fresh and random.random() < 0.2:
                await self.ask(request(random), None, f"{self._order.name}-{lane}-{number}")
            number += 1

    async def ask(self, request: Request, id: str | None, reason: str | None = None) -> None:
        """Without an id a reason of its own makes it known again in the log."""
        value = pack(request, id=id, reason=reason)
        receipt = await self._door.submit(value, "settled", None)
        self._watcher.reached("released")
        assert receipt.status is not None, "it settled"
        told = Told(id, receipt.partition, receipt.offset, int(receipt.status), receipt.first_offset, value.hex())
        self._say(told.line())


def say_to(number: int) -> Say:
    """Lines on a pipe, each whole or cut by the end of this process."""

    def say(text: str) -> None:
        os.write(number, f"{text}\n".encode())

    return say
