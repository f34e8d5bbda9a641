"""Processors over topics of a real broker: each message leads to its intents once, whatever dies or moves."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

import mmsb
from mmsb.schemas.statuses import Status
from mmsb.streams.kafka.batches.foreign import read_foreign
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.client import open_broker
from tests.edges.tally import Count, Tally, fresh_app
from tests.kafka.contract import make
from tests.kafka.processing import Life, begin

LIMIT_S = 180
PARTITIONS = 3


def hosts(url: str) -> str:
    return url.removeprefix("kafka://")


async def topic_of(url: str, *values: bytes, partitions: int = PARTITIONS) -> str:
    """A new topic, with these values dealt to its partitions in turn."""
    name = f"orders-{uuid.uuid4().hex}"
    async with open_broker(url) as broker:
        await make(broker, name, partitions)
    await produce(url, name, values, partitions)
    return name


async def produce(url: str, topic: str, values: tuple[bytes, ...], partitions: int = PARTITIONS) -> None:
    async with AIOKafkaProducer(bootstrap_servers=hosts(url)) as producer:
        sent = [
            await producer.send(topic, value, key=b"key", partition=number % partitions)
            for number, value in enumerate(values)
        ]
        await asyncio.gather(*sent)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.02)


async def processed(bus: mmsb.Bus, *processors: mmsb.Processor, messages: int) -> Mapping[str, Any]:
    """Until so many messages have been dealt with; then it is told to stop."""
    seen: dict[str, Any] = {}
    processing = asyncio.create_task(bus.process(*processors, tell=seen.update))
    waiting = asyncio.create_task(until(lambda: sum(each.messages for each in seen.values()) >= messages))
    await asyncio.wait([processing, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    assert bus._stop is not None
    bus._stop._event.set()  # as SIGTERM does
    return await processing


def run(act: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(LIMIT_S):
            await act()

    asyncio.run(main())


@pytest.mark.slow
def test_messages_of_a_topic_become_intents_and_a_restart_goes_on(kafka_url: str, tmp_path: Path) -> None:
    async def act() -> None:
        values = [json.dumps({"key": n % 5, "amount": n}).encode() for n in range(300)]
        values[7], values[8] = b"no JSON", b"null"
        topic = await topic_of(kafka_url, *values)
        app = fresh_app(f"tally-{uuid.uuid4().hex}")

        @app.processor(source=mmsb.Topic(topic, at=kafka_url), attempts=1)
        async def place(message: mmsb.Message) -> Count:
            await asyncio.sleep(0)
            return Count(message.value["key"], message.value["amount"])

        async with app.run(data=tmp_path / "data", interpreted=True) as bus:
            counts = (await processed(bus, place, messages=300))[place.name]
            assert (counts.messages, counts.rejected, counts.outcomes) == (300, 2, {Status.APPLIED: 298})
            totals = [(await bus.get(Tally, key)).total for key in range(5)]
            assert totals == [sum(n for n in range(300) if n % 5 == key and n not in (7, 8)) for key in range(5)]
        async with app.run(data=tmp_path / "data", interpreted=True) as bus:
            await produce(kafka_url, topic, (b'{"key": 9, "amount": 1}',))
            again = (await processed(bus, place, messages=1))[place.name]
            assert (again.messages, again.outcomes) == (1, {Status.APPLIED: 1})
        await check_set_aside(kafka_url, f"{app.name}.place.rejects", topic)

    run(act)


async def check_set_aside(url: str, rejects: str, topic: str) -> None:
    async with open_broker(url) as broker:
        assert (await broker.topics([rejects]))[rejects] == PARTITIONS
        found: dict[bytes | None, dict[str, bytes | None]] = {}
        for partition in (7 % PARTITIONS, 8 % PARTITIONS):
            following = broker.read(TopicPartition(rejects, partition), 0)
            for rows in read_foreign(await following.take(), 0):
                assert rows.records is not None
                found |= {record.value: dict(record.headers) for record in rows.records}
                assert all(record.key == b"key" for record in rows.records)
            following.close()
    assert found[b"no JSON"]["mmsb-source"] == f"{topic}/{7 % PARTITIONS}".encode()
    assert found[b"no JSON"]["mmsb-position"] == str(7 // PARTITIONS).encode()
    assert (found[b"no JSON"]["mmsb-reason"] or b"").startswith(b"its value cannot be decoded: JSONDecodeError")
    assert b"TypeError" in (found[b"null"]["mmsb-reason"] or b"")


@pytest.mark.slow
def test_batches_of_a_topic_behind_kafka_and_what_was_aborted_is_not_seen(kafka_url: str, tmp_path: Path) -> None:
    async def act() -> None:
        topic = await topic_of(kafka_url, *(b"%d" % n for n in range(1_000)), partitions=1)
        for commit in (False, True):
            producer = AIOKafkaProducer(bootstrap_servers=hosts(kafka_url), transactional_id=f"{topic}-{commit}")
            await producer.start()
            await producer.begin_transaction()
            for _ in range(10):
                await producer.send(topic, b"7000")
            await (producer.commit_transaction() if commit else producer.abort_transaction())
            await producer.stop()
        app = fresh_app(f"tally-{uuid.uuid4().hex}")

        @app.processor(source=mmsb.Topic(topic, decode=int), batch=64)
        async def place(messages: mmsb.Messages) -> mmsb.Columns:
            assert len(messages) <= 64
            return mmsb.Columns(Count, {"key": 1, "amount": [int(value) for value in messages.values]})

        async with app.run(data=tmp_path / "data", log=kafka_url, partitions=2, interpreted=True) as bus:
            counts = (await processed(bus, place, messages=1_010))[place.name]
            assert (counts.messages, counts.outcomes) == (1_010, {Status.APPLIED: 1_010})
            page = await bus.get(Tally, 1)
            assert (page.count, page.total) == (1_010, sum(range(1_000)) + 70_000)

    run(act)


@pytest.mark.slow
def test_a_topic_that_is_not_there_is_said(kafka_url: str, tmp_path: Path) -> None:
    async def act() -> None:
        app = fresh_app()

        @app.processor(source=mmsb.Topic("nosuch", at=kafka_url))
        async def place(message: mmsb.Message) -> None:
            """Nothing."""

        async with app.run(data=tmp_path / "data", interpreted=True) as bus:
            with pytest.raises(mmsb.EnvironmentFailed, match="expected the topic 'nosuch'"):
                await bus.process(place)

    run(act)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [None, 32])
def test_kills_lose_and_repeat_nothing(kafka_url: str, tmp_path: Path, batch: int | None) -> None:
    """Two processes share a topic's partitions, and die at random."""
    count, kills, random = 3_000, 6, Random(7)

    async def act() -> None:
        topic = await topic_of(kafka_url)
        app = fresh_app(f"tally-{uuid.uuid4().hex}")
        life = Life(kafka_url, app.name, topic, batch, tmp_path / "output")
        lives: list[BaseProcess] = []
        try:
            async with app.run(data=tmp_path / "data", log=kafka_url, partitions=2, interpreted=True) as bus:
                lives += [begin(life), begin(life)]
                for part in range(kills):
                    wave = range(part * count // kills, (part + 1) * count // kills)
                    await produce(kafka_url, topic, tuple(b"%d" % n for n in wave))
                    await asyncio.sleep(random.random() * 1.5)
                    victim = lives[part % 2]
                    victim.kill()
                    victim.join()
                    assert victim.exitcode == -9, life.output.read_text()
                    lives[part % 2] = begin(life)
                good = [n for n in range(count) if n % 50 != 49]
                await settled(bus, len(good), life)
                assert [(await bus.get(Tally, key)).total for key in range(10)] == [
                    sum(n for n in good if n % 10 == key) for key in range(10)
                ]
                assert [(await bus.get(Tally, 10 + key)).count for key in range(3)] == [
                    sum(n % 3 == key for n in good) for key in range(3)
                ]
                for each in lives:
                    each.terminate()
                    each.join(30)
                    assert each.exitcode == 0, life.output.read_text()
                assert await set_aside(kafka_url, f"{app.name}.place{'-batch' * (batch is not None)}.rejects") == {
                    b"%d" % n for n in range(count) if n % 50 == 49
                }
        finally:
            for each in lives:
                each.kill()

    run(act)


async def settled(bus: mmsb.Bus, count: int, life: Life) -> None:
    """Until all are counted; more would be counted by whoever repeats something, right after."""
    while True:
        pages = await bus.get_many(Tally, [10, 11, 12])
        if sum(page.count for page in pages if page is not None) >= count:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)


async def set_aside(url: str, topic: str) -> set[bytes | None]:
    async with open_broker(url) as broker:
        found: set[bytes | None] = set()
        for partition in range(PARTITIONS):
            at = TopicPartition(topic, partition)
            end, following, offset = (await broker.span(at)).end, broker.read(at, 0), 0
            while offset < end:
                for rows in read_foreign(await following.take(), offset):
                    assert rows.records is not None
                    found |= {record.value for record in rows.records}
                    offset = rows.next
            following.close()
        return found
