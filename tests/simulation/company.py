"""Who comes to a running engine: clients and consumers in its own process, and others over its socket."""

import asyncio
from collections.abc import Coroutine
from contextvars import copy_context
from pathlib import Path
from random import Random
from typing import Any

from mmsb.streams.door import Door
from mmsb.streams.engine import Engine
from tests.simulation.clients import Client, Town, Visitor
from tests.simulation.consumers import Consumer, subscription
from tests.simulation.past import Subscription
from tests.simulation.upkeep import Operator, Upkeep
from tests.simulation.wire import OUTSIDE
from tests.simulation.world import SimWorld

CONSUMERS_MAX = 3


class Company:
    """`random` decides of clients within the process, and `seed` of everybody else."""

    def __init__(self, town: Town, folder: Path, random: Random, seed: int, upkeep: Upkeep) -> None:
        self._town = town
        self._upkeep = upkeep
        self._operating = Random(f"operator {seed}")
        self._folder = folder
        self._random = random
        self._abroad = Random(f"abroad {seed}")
        self._inside: list[asyncio.Task[None]] = []
        self._outside: list[asyncio.Task[None]] = []

    def wires(self) -> Random:
        """What decides of a process's connections."""
        return Random(self._abroad.getrandbits(64))

    def lag(self) -> int:
        """How many records behind a feed of events is far behind."""
        return self._abroad.choice((1, 8, 64))

    async def meet(self, engine: Engine, *, last: bool) -> None:
        """Return when the engine may close, which some may hear of. `last`: consumers see all that there was."""
        count = self._random.choice((1, 3, 6))
        clients = [Client(self._town, engine, f"client {number}") for number in range(count)]
        self._begin(engine, last=last)
        self._operate(engine)
        await asyncio.gather(*(client.run(self._random.randint(0, 12)) for client in clients))
        if last or self._abroad.random() < 0.5:
            await self.leave()

    async def leave(self) -> None:
        """Return when all have gone; raises what went wrong."""
        while waiting := [task for task in (*self._inside, *self._outside) if not task.done()]:
            await asyncio.wait(waiting)
        for task in (*self._inside, *self._outside):
            task.result()

    def outlive(self, world: SimWorld) -> None:
        """The process has crashed: let others hear what was on the way, and then of the end."""
        world.loop.crash()
        self._inside = []
        world.loop.run_until_complete(self.leave())

    def _begin(self, engine: Door, *, last: bool) -> None:
        abroad = self._abroad
        self._inside, self._outside = [], []
        for number in range(abroad.choice((0, 0, 1, 2))):
            self._start(Visitor(self._town, self._folder, f"visitor {number}", abroad.randint(0, 9)).run())
        for number, each in enumerate(self._subscriptions()):
            if last or abroad.random() < 0.7:
                past = self._town.court.partitions[each.partition].past
                until = past.missing(each) if last and each.after is not None else None
                consumer = Consumer(self._town, each, f"consumer {number}", until, stays=last)
                if abroad.random() < 0.5:
                    self._start(consumer.visit(self._folder))
                else:
                    self._inside.append(asyncio.get_running_loop().create_task(consumer.run(engine)))

    def _operate(self, engine: Engine) -> None:
        if self._upkeep.asked:
            operator = Operator(self._town, engine, self._upkeep, Random(self._operating.getrandbits(64)))
            self._inside.append(asyncio.get_running_loop().create_task(operator.run()))

    def _subscriptions(self) -> list[Subscription]:
        """Those of earlier lives, and perhaps a new one."""
        found = [each for judge in self._town.court.partitions for each in judge.subscriptions]
        if len(found) < CONSUMERS_MAX and self._abroad.random() < 0.6:
            found.append(subscription(self._town, self._abroad))
        return found

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """As another process."""
        context = copy_context()
        context.run(OUTSIDE.set, True)
        self._outside.append(asyncio.get_running_loop().create_task(work, context=context))
