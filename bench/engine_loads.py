"""Ways to ask a running engine, each with what it measures: rates, latencies, pauses of the event loop."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.bank import Account, Transfer
from bench.engine_bank import Transfers, transfer
from mmsb.streams.bus import FROM_THE_START, Bus

TICK_SECONDS: Final = 0.001

Asked = Iterator[tuple[Transfer, bytes]]


@dataclass(frozen=True)
class Latencies:
    """In seconds, and how long all took together."""

    seconds: list[float]
    total: float

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.total

    def percentile(self, percent: float) -> float:
        return float(np.percentile(self.seconds, percent))


@dataclass
class Pauses:
    longest: float = 0.0


@contextmanager
def ticking() -> Generator[Pauses]:
    """A task that wants to run every millisecond; what it misses by is a pause of the event loop."""
    found = Pauses()
    task = asyncio.create_task(_tick(found))
    try:
        yield found
    finally:
        task.cancel()


async def _tick(found: Pauses) -> None:
    last = time.perf_counter()
    while True:
        await asyncio.sleep(TICK_SECONDS)
        now = time.perf_counter()
        found.longest = max(found.longest, now - last - TICK_SECONDS)
        last = now


async def many(bus: Bus, asked: Transfers) -> tuple[float, float]:
    """Columns, to settled: how many a second, and the longest pause of the event loop meanwhile."""
    with ticking() as pauses:
        started = time.perf_counter()
        await transfer(bus, asked)
        took = time.perf_counter() - started
    return len(asked) / took, pauses.longest


async def concurrent(bus: Bus, asked: Asked, callers: int) -> Latencies:
    """So many callers, each of which submits the next one when its last has settled."""
    seconds = list[float]()

    async def caller() -> None:
        for intent, id in asked:
            started = time.perf_counter()
            await bus.submit(intent, id=id)
            seconds.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return Latencies(seconds, time.perf_counter() - started)


async def one_by_one(bus: Bus, asked: Asked, beside: Callable[[], None]) -> tuple[Latencies, Latencies]:
    """One after another; after each of them `beside` runs, which is timed as well."""
    ours, theirs = list[float](), list[float]()
    for intent, id in asked:
        started = time.perf_counter()
        await bus.submit(intent, id=id)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        beside()
        theirs.append(time.perf_counter() - started)
    return Latencies(ours, sum(ours)), Latencies(theirs, sum(theirs))


async def open_loop(bus: Bus, asked: Asked, rate: float) -> Latencies:
    """So many a second, whether the engine keeps up or not; latencies count from when each was to be sent."""
    seconds = list[float]()
    waiting = set[asyncio.Task[None]]()
    started = time.perf_counter()

    async def send(intent: Transfer, id: bytes, intended: float) -> None:
        await bus.submit(intent, id=id)
        seconds.append(time.perf_counter() - intended)

    for number, (intent, id) in enumerate(asked):
        intended = started + number / rate
        while (ahead := intended - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        task = asyncio.create_task(send(intent, id, intended))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    await asyncio.gather(*waiting)
    return Latencies(seconds, time.perf_counter() - started)


async def repeated(calls: Sequence[Callable[[], Awaitable[object]]]) -> Latencies:
    """One call after another."""
    seconds = list[float]()
    for call in calls:
        started = time.perf_counter()
        await call()
        seconds.append(time.perf_counter() - started)
    return Latencies(seconds, sum(seconds))


async def events(bus: Bus, count: int) -> float:
    """So many events from the first on: how many a second."""
    started, seen = time.perf_counter(), 0
    async with aclosing(bus.events(Account, after=FROM_THE_START)) as found:
        async for _ in found:
            seen += 1
            if seen == count:
                break
    return seen / (time.perf_counter() - started)


class Syncs:
    """What one submit asks of the disk and nothing else: a batch at the end of a file and fdatasync, twice."""

    def __init__(self, folder: Path, sizes: tuple[int, int]) -> None:
        """`sizes` are those of an intent's batch and of its block's."""
        self._files = [os.open(folder / f"written-{index}", os.O_CREAT | os.O_RDWR) for index in range(2)]
        self.sizes = sizes
        self._blocks = [b"x" * size for size in sizes]
        self._ends = [0, 0]

    def __call__(self) -> None:
        for index, (file, block) in enumerate(zip(self._files, self._blocks, strict=True)):
            os.pwrite(file, block, self._ends[index])
            os.fdatasync(file)
            self._ends[index] += len(block)

    def close(self) -> None:
        for file in self._files:
            os.close(file)
