"""Processors at the edge: what one call for each message costs, what batches cost; over iterators and over topics.

Functions await nothing, so what is measured is ours: reading, calling, packing, submitting, settling. The engine works
in the same process; a broker shares the machine. Needs Kafka's own programs (`make kafka`). Rates count from the begin
of `process` to the last message settled.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

import mmsb
from bench.engine_folder import data_folder, rest
from bench.figures import Figure, figure
from bench.harness import progress, report, show
from bench.kafka_sums import BATCH as IN_EACH
from bench.kafka_sums import KEYS, as_json, make_app, packed
from bench.machine import load_average
from mmsb.streams.bus import Bus
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.client import open_broker
from tests.kafka.cluster import running_cluster

TURNS: Final = 3
ONES: Final = 200_000  # messages, a call for each
MANY: Final = 2_000_000  # messages, in batches
AT_ONCE: Final = 50_000  # of these
ONES_AT_LEAST: Final = 50_000
MANY_AT_LEAST: Final = 500_000
TOUCHED: Final = 1 << 30  # bytes of memory for the files of a turn
NEEDED: Final = 8 << 30  # bytes of disk
APPEND_SECONDS: Final = 30.0
OFFSET_BYTES: Final = 8
LOOK_SECONDS: Final = 0.02

Declare = Callable[[mmsb.App, type[Any]], mmsb.Processor]


def main() -> None:
    with data_folder(NEEDED) as folder, running_cluster(folder / "kafka") as cluster:
        found = asyncio.run(measured(cluster.url, folder))
    report("edges", {"broker": "Apache Kafka, one node, the same machine", "load": load_average()}, found)


async def measured(url: str, folder: Path) -> list[Figure]:
    begun = time.strftime("%H%M%S")
    json, numbers = f"edges-json-{begun}", f"edges-packed-{begun}"
    found = await rates(folder, "a call for each message", ONES, one_of_iterator(folder))
    found += await rates(folder, "batches", MANY, many_of_iterator(folder))
    await fill(url, json, islice(as_json(), ONES // IN_EACH))
    found += await rates(folder, "a call for each message of a topic", ONES, one_of_topic(json), url)
    await fill(url, numbers, packed(make_app("filling")[1]))
    return found + await rates(folder, "batches of a topic", MANY, many_of_topic(numbers), url)


async def rates(folder: Path, name: str, count: int, declare: Declare, url: str | None = None) -> list[Figure]:
    taken = list[float]()
    for turn in range(1 + TURNS):
        progress(f"{turn}/{TURNS} {name}")
        app, intent, page = make_app(f"{name.replace(' ', '-')}-{turn}")
        processor = declare(app, intent)
        rest(folder, TOUCHED)
        async with app.run(data=folder / app.name, log=url, events=None if url is None else "none") as bus:
            begun = time.perf_counter()
            await processed(bus, processor, count)
            taken.append(count / (time.perf_counter() - begun))
            assert sum([found.count async for _, found in bus.scan(page)]) == count, "each message counts once"
    what = "an iterator, embedded, fsync" if url is None else "one partition of a topic, behind Kafka"
    at_least = ONES_AT_LEAST if count == ONES else MANY_AT_LEAST
    return show(figure(name, "messages/s", taken[1:], condition=f"{count:,} messages of {what}", at_least=at_least))


async def processed(bus: Bus, processor: mmsb.Processor, count: int) -> None:
    """Until so many messages have settled: a topic has no end."""
    seen = {processor.name: mmsb.Counts()}
    processing = asyncio.create_task(bus.process(processor, tell=seen.update))
    while not processing.done() and not await all_settled(bus, count):
        await asyncio.sleep(LOOK_SECONDS)
    processing.cancel()
    await asyncio.gather(processing, return_exceptions=True)


async def all_settled(bus: Bus, count: int) -> bool:
    return sum(each.settled + 1 for each in (await bus.stats()).partitions) >= count


def one_of_iterator(folder: Path) -> Declare:
    async def numbers() -> AsyncIterator[tuple[int, int]]:
        for number in range(ONES):
            yield number, number

    def declare(app: mmsb.App, intent: type[Any]) -> mmsb.Processor:
        async def one(message: mmsb.Message) -> Any:
            return intent(message.value % KEYS, 1)

        return app.processor(source=numbers, rejects=folder / "rejects.jsonl")(one)

    return declare


def many_of_iterator(folder: Path) -> Declare:
    async def numbers() -> AsyncIterator[tuple[Any, Any]]:
        for start in range(0, MANY, AT_ONCE):
            positions = np.arange(start, start + AT_ONCE)
            yield positions, positions % KEYS

    def declare(app: mmsb.App, intent: type[Any]) -> mmsb.Processor:
        async def many(messages: mmsb.Messages) -> mmsb.Columns:
            return mmsb.Columns(intent, {"key": np.asarray(messages.values, np.uint64), "amount": 1})

        return app.processor(source=numbers, batch=AT_ONCE, rejects=folder / "rejects.jsonl")(many)

    return declare


def one_of_topic(topic: str) -> Declare:
    def declare(app: mmsb.App, intent: type[Any]) -> mmsb.Processor:
        async def one(message: mmsb.Message) -> Any:
            return intent(message.value["key"], message.value["amount"])

        return app.processor(source=mmsb.Topic(topic))(one)

    return declare


def many_of_topic(topic: str) -> Declare:
    def declare(app: mmsb.App, intent: type[Any]) -> mmsb.Processor:
        async def many(messages: mmsb.Messages) -> mmsb.Columns:
            words = np.frombuffer(b"".join(messages.values), np.int64).reshape(len(messages), -1)
            return mmsb.Columns(intent, {"key": words[:, 2].astype(np.uint64), "amount": words[:, 3]})

        return app.processor(source=mmsb.Topic(topic, decode=None), batch=AT_ONCE)(many)

    return declare


async def fill(url: str, topic: str, batches: Iterator[bytes]) -> None:
    async with open_broker(url) as broker:
        await broker.create(topic, 1, -1, {"retention.ms": "-1"})
        for batch in batches:
            sent = bytes(OFFSET_BYTES) + batch[OFFSET_BYTES:]  # offsets are the broker's to give
            assert await broker.append(TopicPartition(topic, 0), sent, APPEND_SECONDS) is not None


if __name__ == "__main__":
    main()
