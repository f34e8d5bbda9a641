"""Numbers that are appended one after the other while something happens to the brokers, and what is heard of them."""

import asyncio

from mmsb.streams.kafka.cluster.broker import Broker, Following, TopicPartition
from tests.kafka.contract import batch, take_values


async def append_numbers(broker: Broker, at: TopicPartition, stop: asyncio.Event) -> dict[int, bytes]:
    """One after the other, until it is enough; gives what is certain."""
    certain: dict[int, bytes] = {}
    number = 0
    while not stop.is_set():
        value = b"%d" % number
        offset = await broker.append(at, batch(value), 2.0)
        if offset is not None:
            assert offset not in certain
            certain[offset] = value
        number += 1
    return certain


async def hear(following: Following, heard: list[bytes | None]) -> None:
    while True:
        heard += await take_values(following, len(heard), len(heard) + 1)


async def check_heard(certain: dict[int, bytes], heard: list[bytes | None]) -> None:
    """What was said to be appended is heard, each where it was said to be, in the order of appending."""
    while len(heard) <= max(certain):
        await asyncio.sleep(0.01)
    assert {offset: heard[offset] for offset in certain} == certain
