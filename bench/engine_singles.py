"""One intent at a time: many callers, one caller, callers who do not wait; in the owner's process and beside it."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

import mmsb
from bench.bank import Account, Transfer, app
from bench.engine_bank import ACCOUNTS, check_money, draw, open_accounts, transfer
from bench.engine_child import ready
from bench.engine_loads import Latencies, Syncs, concurrent, events, one_by_one, open_loop, repeated
from bench.figures import Figure, figure
from bench.harness import progress, show
from mmsb.streams.bus import Bus

SEED: Final = 2
REPEATS: Final = 5
CALLERS: Final = 1_000
SUBMITS: Final = 30_000
ONE_BY_ONE: Final = 200
OPEN_RATE: Final = 5_000
OPEN_SECONDS: Final = 10
OPEN_REPEATS: Final = 3
READS: Final = 1_000
EVENTS: Final = 100_000
STATS: Final = 50

_CONCURRENT: Final = f"{CALLERS:,} callers, each with one on its way; {SUBMITS:,} in a repeat"
_ALONE: Final = f"one after another; {ONE_BY_ONE} in a repeat"
_OPEN: Final = f"{OPEN_RATE:,} a second for {OPEN_SECONDS} s, from when each was to be sent"


async def in_process(data: Path) -> list[Figure]:
    async with app.run(data=data) as bus:
        source = await _ready(bus)
        found = await _concurrent(bus, source, "", 30e3, 50)
        found += await _one_by_one(bus, source, data.parent)
        found += await _open_loop(bus, source)
        found += await _reads(bus, "")
        found += await _stats(bus)
        await check_money(bus)
    return found


async def through_the_socket(data: Path) -> list[Figure]:
    """Another process owns the folder; this one is its client."""
    with ready("serve", data):
        async with mmsb.connect(data, app) as bus:
            source = await _ready(bus)
            found = await _concurrent(bus, source, " through the socket", None, None)
            found += await _reads(bus, " through the socket")
            await check_money(bus)
    return found


class _Source:
    """Transfers that were not submitted before."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(SEED)

    def take(self, count: int) -> Iterator[tuple[Transfer, bytes]]:
        return draw(self._rng, count).intents()


async def _ready(bus: Bus) -> _Source:
    """All accounts are open, and the engine is warm."""
    await open_accounts(bus)
    source = _Source()
    await concurrent(bus, source.take(CALLERS), CALLERS)
    return source


async def _concurrent(bus: Bus, source: _Source, where: str, rate: float | None, p99: float | None) -> list[Figure]:
    taken: list[Latencies] = []
    for turn in range(REPEATS):
        progress(f"{turn}/{REPEATS} concurrent submits{where}")
        taken.append(await concurrent(bus, source.take(SUBMITS), CALLERS))
    progress("")
    name = f"concurrent submits{where}"
    rates = [each.rate for each in taken]
    return show(
        figure(name, "submits/s", rates, condition=_CONCURRENT, at_least=rate),
        *_latencies(name, taken, _CONCURRENT, {50: None, 99: p99}),
    )


async def _one_by_one(bus: Bus, source: _Source, folder: Path) -> list[Figure]:
    ours: list[Latencies] = []
    theirs: list[Latencies] = []
    syncs = Syncs(folder, await _batch_bytes(bus, source))
    for turn in range(REPEATS):
        progress(f"{turn}/{REPEATS} one submit after another")
        found = await one_by_one(bus, source.take(ONE_BY_ONE), syncs)
        ours.append(found[0])
        theirs.append(found[1])
    syncs.close()
    progress("")
    beyond = [1e3 * (mine.percentile(50) - bare.percentile(50)) for mine, bare in zip(ours, theirs, strict=True)]
    sizes = " and ".join(f"{size:,}" for size in syncs.sizes)
    return show(
        *_latencies("one submit after another", ours, _ALONE, {50: None, 99: None}),
        *_latencies("two writes and fdatasyncs", theirs, f"of {sizes} bytes, after each submit", {50: None, 99: None}),
        figure("a submit beyond two fdatasyncs, p50", "ms", beyond, condition="the p50s of each repeat", at_most=1),
    )


async def _batch_bytes(bus: Bus, source: _Source) -> tuple[int, int]:
    """What one submit alone adds to the intents log, and to the TLog."""
    [before] = (await bus.stats()).partitions
    [(intent, id)] = source.take(1)
    await bus.submit(intent, id=id)
    [after] = (await bus.stats()).partitions
    return after.intents_bytes - before.intents_bytes, after.tlog_bytes - before.tlog_bytes


async def _open_loop(bus: Bus, source: _Source) -> list[Figure]:
    taken: list[Latencies] = []
    for turn in range(OPEN_REPEATS):
        progress(f"{turn}/{OPEN_REPEATS} open loop")
        taken.append(await open_loop(bus, source.take(OPEN_RATE * OPEN_SECONDS), OPEN_RATE))
    progress("")
    return show(*_latencies("open loop of submits", taken, _OPEN, {50: 5, 99: 20}))


async def _reads(bus: Bus, where: str) -> list[Figure]:
    """Pages one by one, and events from the first on."""
    keys = iter(np.random.default_rng(SEED).integers(0, ACCOUNTS, REPEATS * READS).tolist())
    await transfer(bus, draw(np.random.default_rng(SEED + 1), EVENTS))
    got: list[Latencies] = []
    rates: list[float] = []
    for turn in range(REPEATS):
        progress(f"{turn}/{REPEATS} gets and events{where}")
        got.append(await repeated([partial(bus.get, Account, key) for key in islice(keys, READS)]))
        rates.append(await events(bus, EVENTS))
    progress("")
    return show(
        *_latencies(f"get{where}", got, f"one after another; {READS:,} in a repeat", {50: None, 99: None}),
        figure(f"events{where}", "events/s", rates, condition=f"the first {EVENTS:,} of the log, as objects"),
    )


async def _stats(bus: Bus) -> list[Figure]:
    asked = [await repeated([bus.stats] * STATS) for _ in range(REPEATS)]
    share = [100 * each.percentile(50) for each in asked]
    return show(figure("stats, asked once a second", "%", share, condition="of a second, p50 of a call", at_most=1))


def _latencies(name: str, taken: Sequence[Latencies], condition: str, wanted: dict[int, float | None]) -> list[Figure]:
    """Percentiles of each repeat, in milliseconds."""
    return [
        figure(
            f"{name}, p{percent}", "ms", [1e3 * each.percentile(percent) for each in taken],
            condition=condition, at_most=at_most,
        )
        for percent, at_most in wanted.items()
    ]  # fmt: skip
