"""The client on three brokers, which keep everything three times: whoever leads dies, freezes, or steps down."""

import asyncio
import uuid
from collections.abc import Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]

from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.client import open_broker
from tests.kafka.cluster import Cluster, Node
from tests.kafka.contract import append, batch, make
from tests.kafka.numbers import append_numbers, check_heard, hear

pytestmark = pytest.mark.cluster

LIMIT_S = 120
AWAY_S = 20
"""A broker is missed after three seconds; a client that waited for an answer of half a minute would not go on."""


def on_three(cluster: Cluster, partitions: int, happen: Callable[[], object]) -> None:
    """Have something happen while each partition is appended to and followed; then all that was certain is there."""

    async def main() -> None:
        async with asyncio.timeout(LIMIT_S), open_broker(cluster.url) as broker:
            topic = f"three-{uuid.uuid4().hex}"
            await make(broker, topic, partitions)
            ats = [TopicPartition(topic, number) for number in range(partitions)]
            heard: list[list[bytes | None]] = [[] for _ in ats]
            stop = asyncio.Event()
            hearing = [
                asyncio.create_task(hear(broker.follow(at, 0, "lane"), values))
                for at, values in zip(ats, heard, strict=True)
            ]
            appending = [asyncio.create_task(append_numbers(broker, at, stop)) for at in ats]
            await _hear_more(heard)
            happen()
            async with asyncio.timeout(AWAY_S):
                await _hear_more(heard)
            _come_back(cluster)
            await _hear_more(heard)
            stop.set()
            for certain, values in zip(await asyncio.gather(*appending), heard, strict=True):
                await check_heard(certain, values)
            assert not any(task.done() for task in hearing)
            for task in hearing:
                task.cancel()

    asyncio.run(main())


def _come_back(cluster: Cluster) -> None:
    for node in cluster.nodes:
        if node.is_running:
            node.resume()
        else:
            node.start()


async def _hear_more(heard: list[list[bytes | None]]) -> None:
    """Of each partition, and what was appended after now: ten appends more."""
    before = [len(values) for values in heard]
    while any(len(values) < count + 10 for values, count in zip(heard, before, strict=True)):
        await asyncio.sleep(0.05)


def test_killed_leaders_are_followed_by_others(three_brokers: Cluster) -> None:
    on_three(three_brokers, 6, three_brokers.nodes[1].kill)


def test_frozen_leaders_are_not_waited_for(three_brokers: Cluster) -> None:
    on_three(three_brokers, 6, three_brokers.nodes[1].freeze)


def test_leaders_that_step_down_are_followed_by_others(three_brokers: Cluster) -> None:
    on_three(three_brokers, 6, three_brokers.nodes[2].stop)


async def follower_of(cluster: Cluster, topic: str) -> Node:
    """If the leader dies, brokers do not say how far the topic is until there are enough of them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.url.removeprefix("kafka://"))
    await admin.start()
    try:
        [described] = await admin.describe_topics([topic])
    finally:
        await admin.close()
    leader = described["partitions"][0]["leader"]
    return next(node for node in cluster.nodes if node.id != leader)


def test_too_few_replicas_are_waited_for(three_brokers: Cluster) -> None:
    async def main() -> None:
        async with asyncio.timeout(LIMIT_S), open_broker(three_brokers.url) as broker:
            at = await make(broker, f"few-{uuid.uuid4().hex}", min_insync_replicas="3")
            await append(broker, at, b"a")
            follower = await follower_of(three_brokers, at.topic)
            follower.kill()
            while await broker.append(at, batch(b"b"), 1.0) is not None:
                pass
            await asyncio.sleep(5)  # until it is missed: then the leader says at once that it has too few
            end = (await broker.span(at)).end
            assert await broker.append(at, batch(b"c"), 1.0) is None
            assert (await broker.span(at)).end == end
            appending = asyncio.create_task(broker.append(at, batch(b"d"), 60.0))
            follower.start()
            assert await appending is not None

    asyncio.run(main())
