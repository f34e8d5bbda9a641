"""Clients of a running engine: what they ask is drawn from a seed, and what they hear goes to the judge."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from mmsb.processors.columns import pack_columns
from mmsb.processors.requests import metadata, pack, pack_json
from mmsb.schemas.classes import Intent, layout_of
from mmsb.schemas.errors import EnvironmentFailed, OutcomeUnknown, Overloaded
from mmsb.streams.door import Door
from mmsb.streams.serving.client import Remote
from tests.simulation.apps import SimApp
from tests.simulation.claims import require
from tests.simulation.court import Court
from tests.simulation.reading import Reader
from tests.simulation.world import Trace

CLOCK_TICK = 1e-6  # that a timer may come early, by rounding
GARBAGE = (
    b"{",
    b'{"@type": "Deposit"}',
    b'{"@type": "Nothing", "x": 1}',
    b'{"a": 01}',
    b"garbage",
    b"MMI\x01",
    b"\xff",
)
ROWS_MAX = 30
GONE = (OutcomeUnknown, EnvironmentFailed)  # what a client hears when the engine stops


@dataclass
class Town:
    """What all clients of a simulation share, over all of its processes."""

    app: SimApp
    court: Court
    trace: Trace
    random: Random
    ids: list[str] = field(default_factory=list[str])  # used before
    count: int = 0
    excused: bool = True  # whether something may go wrong now

    def tag(self) -> str:
        """Different each time: no two submissions have the same bytes."""
        self.count += 1
        return f"n{self.count}"

    def id(self) -> str | None:
        """A new one, one that was used before, or none."""
        kind = self.random.random()
        if kind < 0.3:
            return None
        if kind < 0.5 and self.ids:
            return self.random.choice(self.ids[-20:])
        self.ids.append(f"id-{len(self.ids)}")
        return self.ids[-1]

    def intent(self) -> bytes:
        """One intent as bytes: packed, as JSON, or neither."""
        kind, request = self.random.random(), self.app.request(self.random)
        if kind < 0.1:
            garbage = self.random.choice(GARBAGE)
            return garbage + b" " * self.count if garbage[:1] == b"{" else garbage + self.tag().encode()
        if kind < 0.3 and isinstance(request, Intent):
            return pack_json(request, id=self.id(), actor=self.tag())
        return pack(request, id=self.id(), actor=self.tag())


class Client:
    """One after another, it does what comes to its mind; ends when it has done enough, or the engine stops."""

    def __init__(self, town: Town, door: Door, name: str) -> None:
        self._town = town
        self._door = door
        self._name = name
        self._random = Random(town.random.getrandbits(64))
        self._reader = Reader(town.app, town.court, door, self._random)
        self._pause = self._random.choice((0.0, 0.001, 0.02))

    async def run(self, actions: int) -> None:
        try:
            for _ in range(actions):
                if self._pause:
                    await asyncio.sleep(self._random.expovariate(1.0) * self._pause)
                await self._pick()()
        except GONE as error:
            self._note(f"stops: {type(error).__name__}: {error}")
            require("nothing fails without a reason", self._town.excused, f"{self._name}: {error!r}")

    def _pick(self) -> Callable[[], Awaitable[None]]:
        return self._random.choices(
            (self._submit, self._submit_nowait, self._submit_many, self._cancel, self._many_at_once, self._look),
            (6, 2, 1, 1, 2, 6),
        )[0]

    async def _look(self) -> None:
        self._note(await self._reader.look())

    def _note(self, text: str) -> None:
        self._town.trace.add(f"{self._name} {text}")

    def _expect(self, value: bytes, count: int = 1) -> bytes:
        self._town.court.submitted[value] += count
        return value

    # Submitting

    async def _submit(self) -> None:
        logged, hurry = self._random.random() < 0.2, self._random.random() < 0.2
        await self._submit_value(self._town.intent(), logged, self._random.expovariate(50) if hurry else None)

    async def _submit_value(self, value: bytes, logged: bool = False, timeout: float | None = None) -> None:
        """Until it is settled, or logged, or it took too long."""
        self._expect(value)
        self._note(f"submits {value[-16:]!r}{' until logged' if logged else ''} timeout={timeout}")
        court, loop = self._town.court, asyncio.get_running_loop()
        started = loop.time()
        try:
            receipt = await self._door.submit(value, "logged" if logged else "settled", timeout)
        except OutcomeUnknown:
            self._note(f"{value[-16:]!r}: unknown")
            if timeout is None or loop.time() < started + timeout - CLOCK_TICK:
                raise
        except EnvironmentFailed:
            self._note(f"{value[-16:]!r}: not logged")
            court.submitted[value] -= 1
            raise
        except TimeoutError:
            self._note(f"{value[-16:]!r}: too late, and not logged")
            court.submitted[value] -= 1
        else:
            self._note(f"{value[-16:]!r}: {receipt}")
            if logged:
                court.partitions[receipt.partition].told_logged(receipt.offset, value)
            else:
                court.partitions[receipt.partition].told_settled(receipt, value)

    async def _submit_nowait(self) -> None:
        value = self._expect(self._town.intent())
        self._note(f"submits {value[-16:]!r} without waiting")
        try:
            future = self._door.submit_nowait(value)
        except Overloaded:
            self._note(f"{value[-16:]!r}: overloaded")
            self._town.court.submitted[value] -= 1
            return
        except EnvironmentFailed:
            self._town.court.submitted[value] -= 1
            raise
        receipt = await future
        self._note(f"{value[-16:]!r}: {receipt}")
        self._town.court.partitions[receipt.partition].told_settled(receipt, value)

    async def _submit_many(self) -> None:
        town, count = self._town, self._random.choice((1, 3, ROWS_MAX))
        intent, columns = town.app.columns(town.random, count)
        ids = None if town.random.random() < 0.5 else [town.id() or f"row {n} {town.count}" for n in range(count)]
        about = metadata(town.tag(), None, None, None, None).pack()
        intents = pack_columns(layout_of(intent), columns, ids=ids, metadata=about)
        values = [self._expect(intents.value(row)) for row in range(count)]
        self._note(f"submits {count} as columns")
        receipts = await self._door.submit_many(intents)
        self._note(f"{receipts!r}")
        town.court.told_many(receipts, values)

    async def _many_at_once(self) -> None:
        values = [self._town.intent() for _ in range(self._random.randint(2, 12))]
        results = await asyncio.gather(*(self._submit_value(value) for value in values), return_exceptions=True)
        for result in results:
            if result is not None:
                raise result

    async def _cancel(self) -> None:
        """Lose interest. It may happen or not."""
        task = asyncio.ensure_future(self._submit_value(self._town.intent()))
        await asyncio.sleep(self._random.expovariate(100))
        self._note("loses interest")
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


class Visitor:
    """A client in another process: it has only the socket of the data folder."""

    def __init__(self, town: Town, folder: Path, name: str, actions: int) -> None:
        self._town = town
        self._folder = folder
        self._name = name
        self._actions = actions

    async def run(self) -> None:
        try:
            async with Remote(self._folder) as door:
                await Client(self._town, door, self._name).run(self._actions)
        except EnvironmentFailed as error:
            self._town.trace.add(f"{self._name} finds nobody: {error}")
            require("nothing fails without a reason", self._town.excused, f"{self._name}: {error!r}")
