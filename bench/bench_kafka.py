"""The engine behind a real broker, which shares the machine with it: keyed sums, transfers, submits, rebuilds.

Needs Kafka's own programs (`make kafka`). Records are in the topic before a worker starts; rates count from the first
look at which it has settled something to the last record settled.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

import mmsb
from bench.bank import Transfer
from bench.bank import app as bank
from bench.engine_bank import Transfers, check_money, draw, open_accounts
from bench.engine_folder import data_folder, rest
from bench.engine_loads import Latencies, many, open_loop, repeated
from bench.figures import Figure, figure, times
from bench.harness import progress, report, show
from bench.home_pages import Small, change
from bench.home_pages import app as pages
from bench.kafka_sums import RECORDS, as_json, by_hand, make_app, packed
from bench.machine import ROOT, load_average
from mmsb.processors.columns import pack_columns
from mmsb.schemas.classes import layout_of
from mmsb.streams.bus import Bus
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.client import open_broker
from tests.kafka.cluster import running_cluster

TURNS: Final = 5
TRANSFERS: Final = 1_000_000
TRANSFER_CALLS: Final = 4  # after one that warms up
OPEN_RATE: Final = 5_000
OPEN_SECONDS: Final = 5
OPEN_SUBMITS: Final = OPEN_RATE * OPEN_SECONDS
ALONE: Final = 200  # submits
PAGES: Final = 1_000_000
FILLED_AT_ONCE: Final = 100_000
TAKEOVERS: Final = 3
SESSION_SECONDS: Final = 10.0  # after which the broker takes a worker for dead
TOUCHED: Final = 2 << 30  # bytes of memory for the files that a turn writes, here and at the broker
LOOK_SECONDS: Final = 0.01
APPEND_SECONDS: Final = 30.0
OFFSET_BYTES: Final = 8
NEEDED: Final = 16 << 30  # bytes of disk


def main() -> None:
    with data_folder(NEEDED) as folder, running_cluster(folder / "kafka") as cluster:
        found = asyncio.run(measured(cluster.url, folder))
    report("kafka", {"broker": "Apache Kafka, one node, the same machine", "load": load_average()}, found)


async def measured(url: str, folder: Path) -> list[Figure]:
    found = await sums(url, folder, "JSON", lambda _: as_json(), at_least=1e6)
    found += await sums(url, folder, "packed", packed, at_least=1.5e6)
    async with bank.run(data=folder / "bank", log=url, events="none") as bus:
        await open_accounts(bus)
    found += await submitting(url, folder)
    found += await transfers(url, folder)
    found += await rebuilding(url, folder)
    found += await taking_over(url, folder)
    return found


# Keyed sums


async def sums(
    url: str, folder: Path, shape: str, batches: Callable[[type[Any]], Iterator[bytes]], at_least: float
) -> list[Figure]:
    ours, theirs = list[float](), list[float]()
    for turn in range(1 + TURNS):
        app, intent, page = make_app(f"sums-{shape.lower()}-{turn}")
        data = folder / app.name
        async with app.run(data=data, log=url):
            progress(f"{turn}/{TURNS} keyed sums, {shape}: topics")
        last = await fill(url, app.name, batches(intent))
        progress(f"{turn}/{TURNS} keyed sums, {shape}: ours")
        rest(folder, TOUCHED)
        async with app.run(data=data, log=url, events="none") as bus:
            ours.append(await settled_rate(bus, last))
            assert sum([found.count async for _, found in bus.scan(page)]) == RECORDS, "each record counts once"
        progress(f"{turn}/{TURNS} keyed sums, {shape}: by hand")
        servers = url.removeprefix("kafka://")
        theirs.append(await asyncio.to_thread(by_hand, servers, f"{app.name}.intents", packed=shape == "packed"))
    condition = f"{RECORDS:,} records in one partition, 100,000 keys"
    mine = figure(f"keyed sums, {shape}", "records/s", ours[1:], condition=f"{condition}; exactly once, TLog written",
                  at_least=at_least)  # fmt: skip
    hand = figure(f"keyed sums, {shape}, by hand", "records/s", theirs[1:],
                  condition=f"{condition}; confluent-kafka, a dict, nothing durable")  # fmt: skip
    ratio = times(f"keyed sums, {shape}, beside the loop by hand", mine, hand, at_least=4 if shape == "JSON" else None)
    return show(mine, hand, ratio)


async def fill(url: str, app: str, batches: Iterator[bytes]) -> int:
    """Append all of them; gives the offset of the last record."""
    async with open_broker(url) as broker:
        at = TopicPartition(f"{app}.intents", 0)
        for batch in batches:
            unplaced = bytes(OFFSET_BYTES) + batch[OFFSET_BYTES:]  # brokers refuse a batch that says where it belongs
            assert await broker.append(at, unplaced, APPEND_SECONDS) is not None, "the broker is healthy"
        return (await broker.span(at)).end - 1


async def settled_rate(bus: Bus, last: int) -> float:
    """Records a second, from the first look at which one of the last RECORDS has settled."""
    begun_at = await settled(bus, last - RECORDS + 1)
    begun = time.perf_counter()
    return (await settled(bus, last) - begun_at) / (time.perf_counter() - begun)


async def settled(bus: Bus, offset: int) -> int:
    """How far intents have settled, once that one has."""
    while True:
        at = max([part.settled for part in (await bus.stats()).partitions], default=-1)
        if at >= offset:
            return at
        await asyncio.sleep(LOOK_SECONDS)


# Transfers, and single submits


async def transfers(url: str, folder: Path) -> list[Figure]:
    rng, data = np.random.default_rng(1), folder / "bank"
    async with bank.run(data=data, log=url, events="none") as bus:
        together = list[float]()
        for call in range(1 + TRANSFER_CALLS):
            progress(f"{call}/{TRANSFER_CALLS} transfers, produced and settled")
            rest(folder, TOUCHED)
            together.append((await many(bus, draw(rng, TRANSFERS)))[0])
    rates = list[float]()
    for turn in range(1 + TURNS):
        progress(f"{turn}/{TURNS} transfers")
        last = await fill(url, bank.name, packed_transfers(draw(rng, RECORDS)))
        rest(folder, TOUCHED)
        async with bank.run(data=data, log=url, events="none") as bus:
            rates.append(await settled_rate(bus, last))
            await check_money(bus)
    return show(
        figure("bank transfers", "transfers/s", rates[1:], at_least=1e6,
               condition=f"{RECORDS:,} packed records with ids in one partition; exactly once, TLog written"),
        figure("bank transfers, produced as well", "transfers/s", together[1:],
               condition=f"{TRANSFERS:,} in a call, produced, stepped and settled by one process"),
    )  # fmt: skip


def packed_transfers(drawn: Transfers) -> Iterator[bytes]:
    intents = pack_columns(layout_of(Transfer), drawn.columns, ids=drawn.ids)
    return (bytes(batch.data) for batch in intents.batches(0, int(1e3 * time.time())))


async def submitting(url: str, folder: Path) -> list[Figure]:
    """From a process that owns nothing, to a worker that is another and publishes events."""
    owner = await worker(url, folder / "bank")
    rng, turns = np.random.default_rng(3), list[tuple[Latencies, Latencies]]()
    try:
        async with mmsb.connect(url, bank) as client:
            for turn in range(1 + TURNS):
                progress(f"{turn}/{TURNS} submits")
                alone = await repeated([partial(client.submit, each, id=id) for each, id in draw(rng, ALONE).intents()])
                turns.append((alone, await open_loop(client, draw(rng, OPEN_SUBMITS).intents(), OPEN_RATE)))
    finally:
        owner.terminate()
        await owner.wait()
    idle, loads = zip(*turns[1:], strict=True)
    lone = f"{ALONE}, one after another, from a client's process to a worker's, to settled"
    open_ = f"{OPEN_RATE:,} a second for {OPEN_SECONDS} s, from when each was to be sent, on a client, to settled"
    return show(
        figure("a submit on a client, idle, p50", "ms", percentiles(idle, 50), condition=lone, at_most=10),
        figure("a submit on a client, idle, p99", "ms", percentiles(idle, 99), condition=lone),
        figure("open loop of submits on a client, p50", "ms", percentiles(loads, 50), condition=open_),
        figure("open loop of submits on a client, p99", "ms", percentiles(loads, 99), condition=open_, at_most=50),
    )


def percentiles(turns: Sequence[Latencies], percent: float) -> list[float]:
    """In milliseconds, of each turn."""
    return [1e3 * turn.percentile(percent) for turn in turns]


# Rebuilding


async def rebuilding(url: str, folder: Path) -> list[Figure]:
    async with pages.run(data=folder / "pages", log=url, events="none") as bus:
        for start in range(0, PAGES, FILLED_AT_ONCE):
            progress(f"{start:,}/{PAGES:,} pages")
            await change(bus, Small, np.arange(start, start + FILLED_AT_ONCE))
        size = (await bus.stats()).partitions[0].tlog_bytes
    rates = list[float]()
    for turn in range(1 + TURNS):
        progress(f"{turn}/{TURNS} rebuild")
        rest(folder, TOUCHED)
        async with mmsb.connect(url, pages, data=folder / f"rebuilt-{turn}") as client:
            begun = time.perf_counter()
            assert (await client.get(Small, PAGES - 1)).second == 1, "it was made once"
            rates.append(size / 1e6 / (time.perf_counter() - begun))
    condition = f"{PAGES:,} pages of 64 bytes, {size / 1e6:,.0f} MB of TLog, into an empty folder, to the first answer"
    return show(figure("rebuild from the TLog topic", "MB/s", rates[1:], condition=condition, at_least=200))


# Taking over


async def taking_over(url: str, folder: Path) -> list[Figure]:
    """One worker is killed, another follows; a client's submits wait until that one owns."""
    beyond = list[float]()
    workers = [await worker(url, folder / "worker-0", "--events", "none")]
    try:
        async with mmsb.connect(url, bank) as client:
            source = draw(np.random.default_rng(2), 1_000).intents()
            await client.submit(next(source)[0])
            for turn in range(TAKEOVERS):
                progress(f"{turn}/{TAKEOVERS} taking over")
                workers.append(await worker(url, folder / f"worker-{1 + turn}", "--events", "none"))
                await client.submit(next(source)[0])
                begun = time.perf_counter()
                workers[turn].send_signal(signal.SIGKILL)
                await workers[turn].wait()
                await client.submit(next(source)[0], timeout=60)
                beyond.append(time.perf_counter() - begun - SESSION_SECONDS)
    finally:
        for each in workers:
            if each.returncode is None:
                each.kill()
                await each.wait()
    condition = (
        f"from SIGKILL of the owner to the next receipt, less the broker's session timeout of {SESSION_SECONDS:g} s"
    )
    return show(figure("taking over by a standby", "s", beyond, condition=condition, at_most=1))


async def worker(url: str, data: Path, *more: str) -> asyncio.subprocess.Process:
    """One that is ready, and follows what it does not own."""
    found = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mmsb", "run", "bench.bank:app", "--data", str(data), "--log", url, "--standby", "--json",
        *more, cwd=ROOT, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert found.stdout is not None, "it is a pipe"
    assert b"ready" in await found.stdout.readline(), "it says on its standard error why not"
    await asyncio.sleep(2)
    return found


if __name__ == "__main__":
    main()
