"""What callers notice of flushes and checkpoints: how much slower the engine gets, how long its loop stands still.

Small pages change at random, all of them between two flushes, beside large ones that a checkpoint reads and nobody
changes. A flush writes the pages that changed, and the ids since the one before.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from bench.engine_folder import data_folder, rest
from bench.engine_loads import ticking
from bench.figures import Figure, figure
from bench.harness import progress, report, show
from bench.home_pages import Bump, Large, Small, app, change, filled
from bench.machine import load_average
from mmsb.schemas.statuses import Status
from mmsb.streams import flushing
from mmsb.streams.bus import Bus
from mmsb.streams.flushing import Flushing

SEED: Final = 1
SMALL: Final = 100_000  # pages that change
LARGE_MEGABYTES: Final = 300
AT_ONCE: Final = 1_000_000  # intents in one submit_many
TURNS: Final = 9  # of each way, after one that warms up
FLUSHES: Final = 120
EVERY: Final = 0.25  # seconds between those of which the pauses are looked at
STEADY: Final = 2_000  # intents in each step meanwhile
NEVER: Final = 1e9
TOUCHED: Final = 2 << 30  # bytes of memory for the files of a turn
NEEDED: Final = 16 << 30  # bytes of disk

SLOWER_AT_MOST: Final = 15  # percent
PAUSE_99_AT_MOST: Final = 20
PAUSE_AT_MOST: Final = 60

Asked = tuple[dict[str, Any], Any]
"""Columns, and an id for each row."""

Way = Callable[[Bus, Flushing, asyncio.Event], Coroutine[Any, Any, None]]


def main() -> None:
    with data_folder(NEEDED) as folder:
        rest(folder, TOUCHED)
        progress(f"fill {LARGE_MEGABYTES} MB")
        data = filled(folder / "data", Large, LARGE_MEGABYTES)
        found = asyncio.run(measured(data))
    settings = {"small pages": SMALL, "large pages": f"{LARGE_MEGABYTES} MB", "seed": SEED, "load": load_average()}
    report("flushing", settings, found)


async def measured(folder: Path) -> list[Figure]:
    with watched() as watch:
        async with app.run(data=folder) as bus:
            await change(bus, Small, np.arange(SMALL))
            found = compared(await rates_of(bus, watch.flushing, folder))
            return found + await pausing(bus, watch)


# How fast meanwhile


async def rates_of(bus: Bus, flushing: Flushing, folder: Path) -> dict[str, list[float]]:
    """Intents a second, each way; the ways take turns."""
    ways: dict[str, Way] = {
        "alone": nothing, "with a flush every second": each_second, "while a checkpoint is made": checkpoints
    }  # fmt: skip
    rng = np.random.default_rng(SEED)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(1 + TURNS):
        for name, way in ways.items():
            progress(f"{turn}/{TURNS} submit_many {name}")
            asked = drawn(rng, AT_ONCE)
            await flushing.flush()
            rest(folder, TOUCHED)
            rates[name].append(await rate_beside(bus, flushing, way, asked))
    return {name: taken[1:] for name, taken in rates.items()}


async def rate_beside(bus: Bus, flushing: Flushing, way: Way, asked: Asked) -> float:
    ended = asyncio.Event()
    beside = asyncio.create_task(way(bus, flushing, ended))
    begun = perf_counter()
    await bump(bus, asked)
    rate = AT_ONCE / (perf_counter() - begun)
    ended.set()
    await beside
    return rate


async def nothing(bus: Bus, flushing: Flushing, ended: asyncio.Event) -> None:
    """What the others are compared with."""


async def each_second(bus: Bus, flushing: Flushing, ended: asyncio.Event) -> None:
    """A second's changes, half a second from the begin on."""
    await asyncio.sleep(0.5)
    while not ended.is_set():
        await asyncio.gather(flushing.flush(), asyncio.sleep(1))


async def checkpoints(bus: Bus, flushing: Flushing, ended: asyncio.Event) -> None:
    while not ended.is_set():
        await bus.checkpoint()


def compared(rates: dict[str, list[float]]) -> list[Figure]:
    alone = rates["alone"]
    found = [figure(f"submit_many {name}", "intents/s", taken, condition=f"{AT_ONCE:,} intents with ids in a call")
             for name, taken in rates.items()]  # fmt: skip
    for name, taken in rates.items():
        if taken is not alone:
            slower = [100 * (1 - beside / by_itself) for beside, by_itself in zip(taken, alone, strict=True)]
            found.append(figure(f"slower {name}", "%", slower, condition="in turns", at_most=SLOWER_AT_MOST))
    return show(*found)


# How long the loop stands still


@dataclass
class Watch:
    """The flushes of the one partition that runs: the longest pause in each of those that are looked at."""

    flushes: list[Flushing] = field(default_factory=list[Flushing])
    pauses: list[float] = field(default_factory=list[float])

    @property
    def flushing(self) -> Flushing:
        return self.flushes[-1]


@contextmanager
def watched() -> Generator[Watch]:
    """Have no flush but those that are asked for."""
    watch, run = Watch(), Flushing.run

    async def noted(self: Flushing) -> None:
        watch.flushes.append(self)
        await run(self)

    with patch.object(Flushing, "run", noted), patch.object(flushing, "FLUSH_SECONDS", NEVER), patch.object(
        flushing, "FLUSH_LOG_BYTES", NEVER
    ):  # fmt: skip
        yield watch


async def pausing(bus: Bus, watch: Watch) -> list[Figure]:
    """The longest pause in each flush under a steady load, and in the time between two of them."""
    rng, ended = np.random.default_rng(SEED), asyncio.Event()
    traffic = asyncio.create_task(steady(bus, rng, ended))
    flushed, between = list[float](), list[float]()
    for turn in range(FLUSHES):
        progress(f"{turn}/{FLUSHES} flushes")
        for found, work in ((between, asyncio.sleep(EVERY)), (flushed, watch.flushing.flush())):
            with ticking() as pauses:
                await work
            found.append(1e3 * pauses.longest)
    ended.set()
    await traffic
    condition = f"{FLUSHES} flushes, some {EVERY} s apart, of an engine that settles {STEADY:,} intents at a time"
    return show(
        figure("longest pause of the loop, 99th percentile of flushes", "ms", [float(np.quantile(flushed, 0.99))],
               condition=condition, at_most=PAUSE_99_AT_MOST),
        figure("longest pause of the loop in any flush", "ms", [max(flushed)],
               condition=condition, at_most=PAUSE_AT_MOST),
        figure("longest pause in a flush", "ms", flushed, condition=condition),
        figure("longest pause between flushes", "ms", between, condition="the same load, and what the machine does"),
    )  # fmt: skip


async def steady(bus: Bus, rng: np.random.Generator, ended: asyncio.Event) -> None:
    while not ended.is_set():
        await bump(bus, drawn(rng, STEADY))
        await asyncio.sleep(0.01)


def drawn(rng: np.random.Generator, count: int) -> Asked:
    columns = {"key": rng.integers(0, SMALL, count, np.uint64), "value": rng.integers(0, 1 << 40, count)}
    return columns, rng.integers(0, 2**64, (count, 2), np.uint64)


async def bump(bus: Bus, asked: Asked) -> None:
    columns, ids = asked
    receipts = await bus.submit_many(Bump, columns, ids=ids)
    assert receipts.counts == {Status.APPLIED: len(ids)}, "nothing speaks against it"


if __name__ == "__main__":
    main()
