"""The world of a simulated process: disk, threads, clock and chance, all drawn from a seed (see mmsb.streams.world).

A thread is a queue of calls. Each runs at some later moment, whole, and its caller hears of it later still; those of
one thread keep their order, those of several come in any. The process can end at any file operation, before it or in
the middle of a write, and at any moment.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from mmsb.schemas.errors import FolderInUse
from mmsb.state.store import Snapshot, Store
from mmsb.streams.store.model import MemoryStore, load_checkpoint
from tests.simulation.disk import VirtualFiles
from tests.simulation.loop import Crash, VirtualLoop

T = TypeVar("T")

START_MS = 1_800_000_000_000
DELAYS = (0.0, 0.0001, 0.001, 0.01, 0.1)  # mean seconds that a thread lets a call wait


@dataclass
class Trace:
    """What happened, in order: with the virtual second at which it did."""

    lines: list[str] = field(default_factory=list[str])
    now: Callable[[], float] = lambda: 0.0

    def add(self, text: str) -> None:
        self.lines.append(f"{self.now():11.6f}  {text}")


class SimFiles(VirtualFiles):
    """A disk that can take the process with it."""

    def __init__(self, seed: int = 0, capacity: int | None = None) -> None:
        super().__init__(seed, capacity)
        self.trace = Trace()
        self.operations_left = -1  # that go well, of those on such a path, before the process crashes; -1: all
        self.crash_on = ""  # a part of the path
        self.dead = False

    def operate(self, path: Path, operation: str, on_failure: Callable[[], None] = lambda: None) -> None:
        if self.dead:
            raise Crash
        counts = self.operations_left >= 0 and self.crash_on in str(path)
        self.operations_left -= counts
        if counts and self.operations_left < 0:
            torn = operation == "write" and self.random.random() < 0.5
            if torn:
                on_failure()
            self.trace.add(f"CRASH {'in' if torn else 'before'} {operation} {path}")
            self.dead = True
            raise Crash
        try:
            super().operate(path, operation, on_failure)
        except Exception as error:
            self.trace.add(f"  disk: {operation} {path} FAILS: {error}")
            raise
        self.trace.add(f"  disk: {operation} {path}")

    def crashed(self) -> "SimFiles":
        after = self.crash()
        assert isinstance(after, SimFiles)
        return after

    def killed(self) -> "SimFiles":
        after = self.kill()
        assert isinstance(after, SimFiles)
        return after

    def _successor(self) -> "SimFiles":
        after = super()._successor()
        assert isinstance(after, SimFiles)
        after.trace = self.trace
        return after


class SimWorld:
    """Implements mmsb.streams.world.World."""

    def __init__(self, random: Random, files: SimFiles, holders: set[Path], wires: Random) -> None:
        self.random = random
        self.files = files
        self.loop = VirtualLoop(self._call_in_thread, wires)
        self._holders = holders  # of locks: they end with the process
        self._wall = START_MS + random.randint(-(10**9), 10**9)
        self._default = self.worker("default")
        files.trace.now = self.loop.time

    def time_ms(self) -> int:
        """A wall clock that somebody sets now and then, forwards or back."""
        if self.random.random() < 0.02:
            self._wall += self.random.choice((-1, 1)) * self.random.choice((5, 5000, 86_400_000))
        return self._wall + int(self.loop.time() * 1000)

    def seconds(self) -> float:
        return self.loop.time()

    def nonce(self) -> bytes:
        return self.random.randbytes(16)

    def worker(self, name: str) -> "SimThread":
        return SimThread(self, name, self.random.choice(DELAYS))

    def lock(self, folder: Path) -> "SimLock":
        return SimLock(self._holders, folder)

    def store(self, folder: Path) -> Store:
        return MemoryStore(self.files, folder)

    def open_checkpoint(self, folder: Path) -> Snapshot:
        return load_checkpoint(self.files, folder)

    def crash(self) -> None:
        """From now on nothing of this process happens."""
        self.files.dead = True

    def end(self) -> None:
        """Whatever way the process went: leave nothing of it behind."""
        self.loop.abandon()
        self.loop.close()
        self._holders.clear()

    def _call_in_thread(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        return self._default.call(function, *arguments)


class SimLock:
    def __init__(self, holders: set[Path], folder: Path) -> None:
        if folder in holders:
            raise FolderInUse(f"{folder}: another simulated process writes this data folder")
        holders.add(folder)
        self._holders, self._folder = holders, folder

    def close(self) -> None:
        self._holders.discard(self._folder)


@dataclass(eq=False)
class Call:
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    result: "asyncio.Future[Any]"


class SimThread:
    """Implements mmsb.streams.world.Worker."""

    def __init__(self, world: SimWorld, name: str, delay: float) -> None:
        self._world = world
        self._name = name
        self._delay = delay  # on average
        self._calls: deque[Call] = deque()
        self._told_at = 0.0  # the last caller: the next hears no earlier
        self._busy = False

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        return await self.call(function, *arguments)

    def call(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        if self._world.files.dead:
            raise Crash
        result: asyncio.Future[Any] = self._world.loop.create_future()
        self._calls.append(Call(function, arguments, result))
        self._start()
        return result

    def close(self) -> None:
        """As a real one: return once all is done."""
        while self._calls:
            self._do(self._calls.popleft())

    def _start(self) -> None:
        if self._calls and not self._busy:
            self._busy = True
            self._world.loop.call_later(self._wait(), self._next)

    def _next(self) -> None:
        self._busy = False
        if self._calls:
            self._do(self._calls.popleft())
        self._start()

    def _do(self, call: Call) -> None:
        """A caller who has gone may have taken the call with it, if it had not begun."""
        if call.result.cancelled() and self._world.random.random() < 0.5:
            return
        try:
            outcome, failed = call.function(*call.arguments), False
        except Exception as error:
            outcome, failed = error, True
        loop = self._world.loop
        self._told_at = max(self._told_at, loop.time() + self._wait())
        loop.call_at(self._told_at, _tell, call.result, outcome, failed)

    def _wait(self) -> float:
        random = self._world.random
        return 0.0 if random.random() < 0.4 else random.expovariate(1.0) * self._delay


def _tell(result: asyncio.Future[Any], outcome: Any, failed: bool) -> None:
    if not result.done():
        (result.set_exception if failed else result.set_result)(outcome)
