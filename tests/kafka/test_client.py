"""The client in a bad world: brokers killed, frozen and replaced, answers lost, appends refused."""

import asyncio
import os
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster import fetching, routing
from mmsb.streams.kafka.cluster.answers import APPENDING, NAMES, Means, means_of_append
from mmsb.streams.kafka.cluster.broker import FETCH_AHEAD_BYTES, Broker, Refused, TopicPartition
from mmsb.streams.kafka.cluster.client import KafkaBroker, open_broker
from tests.kafka.cluster import Cluster, Listener, free_ports, running_cluster
from tests.kafka.contract import append, batch, make, read, take_values
from tests.kafka.numbers import append_numbers, check_heard, hear
from tests.kafka.proxy import Proxy
from tests.model.batch import decode_batch

LIMIT_S = 60


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[tuple[Broker, str]]:
    async with asyncio.timeout(LIMIT_S), open_broker(url) as broker:
        yield broker, f"client-{uuid.uuid4().hex}"


@pytest.mark.slow
def test_a_killed_broker_is_waited_for(own_kafka: Cluster) -> None:
    async def main() -> None:
        async with opened(own_kafka.url) as (broker, topic):
            at = await make(broker, topic)
            heard: list[bytes | None] = []
            stop = asyncio.Event()
            hearing = asyncio.create_task(hear(broker.follow(at, 0, "lane"), heard))
            appending = asyncio.create_task(append_numbers(broker, at, stop))
            await asyncio.sleep(0.5)
            own_kafka.kill()
            own_kafka.start()
            before = len(heard)
            while len(heard) <= before + 10:
                await asyncio.sleep(0.05)
            stop.set()
            await check_heard(await appending, heard)
            assert (await broker.span(at)).end == len(heard)
            hearing.cancel()

    asyncio.run(main())


@pytest.mark.slow
def test_what_a_frozen_broker_took_is_left_open(own_kafka: Cluster) -> None:
    async def main() -> None:
        async with opened(own_kafka.url) as (broker, topic):
            at = await make(broker, topic, 2)
            await append(broker, at, b"first")
            [node] = own_kafka.nodes
            node.freeze()
            began = asyncio.get_running_loop().time()
            assert await broker.append(at, batch(b"open"), 1.0) is None
            assert await broker.append(TopicPartition(topic, 1), batch(b"nobody connects"), 1.0) is None
            assert asyncio.get_running_loop().time() - began < 3.0
            node.resume()
            end = await append(broker, at, b"last") + 1
            values = await read(broker, at, 0, end)
            assert values in ([b"first", b"open", b"last"], [b"first", b"last"], [b"first", b"last", b"open"])

    asyncio.run(main())


@pytest.mark.slow
def test_an_answer_that_is_lost_leaves_an_append_open(programs: None, tmp_path: Path) -> None:
    async def main() -> None:
        async with Proxy() as proxy:
            far = Listener("FAR", advertised=proxy.port)
            with running_cluster(tmp_path / "kafka", listeners=[far]) as cluster:
                proxy.target = cluster.nodes[0].ports["FAR"]
                async with (
                    opened(f"kafka://127.0.0.1:{proxy.port}") as (broker, topic),
                    open_broker(cluster.url) as near,
                ):
                    await check_lost_answers(proxy, broker, near, topic)

    asyncio.run(main())


async def check_lost_answers(proxy: Proxy, broker: Broker, near: Broker, topic: str) -> None:
    at = await make(broker, topic)
    following = broker.follow(at, 0, "lane")
    await append(broker, at, b"a")
    assert await take_values(following, 0, 1) == [b"a"], "all know the leader now: nobody would hear of it"
    proxy.mute = True
    appending = asyncio.create_task(broker.append(at, batch(b"b"), 20.0))
    while (await near.span(at)).end < 2:
        await asyncio.sleep(0.01)
    proxy.cut()  # it is there, and the answer is on its way
    proxy.mute = False
    assert await appending is None
    assert await take_values(following, 1, 2) == [b"b"], "followers go on, over new connections"
    proxy.refusing = True
    proxy.cut()
    appending = asyncio.create_task(broker.append(at, batch(b"c"), 10.0))
    await asyncio.sleep(0.5)
    assert not appending.done(), "nothing was sent: it is tried again"
    proxy.refusing = False
    assert await appending == 2
    proxy.refusing = True
    proxy.cut()
    assert await broker.append(at, batch(b"d"), 0.3) is None
    proxy.refusing = False
    assert await take_values(following, 2, 3) == [b"c"]


def test_damaged_batches_are_refused(kafka_url: str) -> None:
    async def main() -> None:
        async with opened(kafka_url) as (broker, topic):
            at = await make(broker, topic)
            damaged = batch(b"a")[:-1] + b"\xff"
            with pytest.raises(Refused, match="CORRUPT_MESSAGE"):
                await broker.append(at, damaged, 5.0)
            foreign = encode_batch(0, [Record(b"key", b"value", 1)], control=True)
            with pytest.raises(Refused, match="INVALID_RECORD"):
                await broker.append(at, foreign, 5.0)
            assert await append(broker, at, b"a") == 0

    asyncio.run(main())


def test_transactions_are_followed_before_they_end_and_whatever_becomes_of_them(kafka_url: str) -> None:
    async def main() -> None:
        async with opened(kafka_url) as (broker, topic):
            at = await make(broker, topic)
            following = broker.follow(at, 0, "lane")
            producer = AIOKafkaProducer(
                bootstrap_servers=kafka_url.removeprefix("kafka://"), transactional_id=topic, enable_idempotence=True
            )
            await producer.start()
            await producer.begin_transaction()
            await producer.send_and_wait(topic, b"never")
            assert await take_values(following, 0, 1) == [b"never"]
            await producer.abort_transaction()
            await producer.stop()
            [marker], _ = decode_batch((await following.take()).data)
            assert (marker.offset, marker.control, marker.transactional) == (1, True, True)
            assert await append(broker, at, b"next") == 2
            assert await take_values(following, 2, 3) == [b"next"]

    asyncio.run(main())


def test_a_topic_that_is_not_there_takes_nothing(kafka_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "ABSENT_SECONDS", 0.3)

    async def main() -> None:
        async with opened(kafka_url) as (broker, topic):
            with pytest.raises(Refused, match=f"topic '{topic}': expected it in the cluster"):
                await broker.append(TopicPartition(topic, 0), batch(b"a"), 10.0)
            assert await broker.topics([topic]) == {}
            following = broker.follow(TopicPartition(topic, 0), 0, "lane")
            with pytest.raises(EnvironmentFailed, match="expected it in the cluster"):
                await following.take()
            at = await make(broker, topic)
            assert await append(broker, at, b"a") == 0, "an append tries anew"

    asyncio.run(main())


def test_a_topic_that_nobody_has_asked_for_is_looked_up_at_once(
    kafka_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each start would wait a tenth of a second for each of its topics."""

    async def main() -> None:
        async with opened(kafka_url) as (broker, topic):
            topics = [await make(broker, f"{topic}-{name}") for name in "ab"]
            for at in topics:
                await append(broker, at, b"it is there")
        monkeypatch.setattr(routing, "APART_SECONDS", 2.0 * LIMIT_S)
        async with opened(kafka_url) as (broker, _):
            for at in topics:
                assert (await broker.span(at)).end == 1

    asyncio.run(main())


def test_a_topic_has_an_id_of_its_own(kafka_url: str) -> None:
    async def main() -> None:
        async with opened(kafka_url) as (broker, topic):
            assert isinstance(broker, KafkaBroker)
            for name in (topic, f"{topic}-other"):
                await make(broker, name)
            found = await broker.topic_id(topic)
            assert found.int, "brokers before 2.8 give none"
            assert found == await broker.topic_id(topic) != await broker.topic_id(f"{topic}-other")
            with pytest.raises(EnvironmentFailed, match=f"{topic}-missing"):
                await broker.topic_id(f"{topic}-missing")

    asyncio.run(main())


def test_nobody_at_the_address_is_said_at_once() -> None:
    [port] = free_ports(1)

    async def main() -> None:
        async with open_broker(f"kafka://127.0.0.1:{port}"):
            raise AssertionError("unreachable")

    with pytest.raises(EnvironmentFailed, match=rf"expected one of 127\.0\.0\.1:{port} to answer"):
        asyncio.run(main())


def test_one_living_broker_of_those_named_suffices(kafka_url: str) -> None:
    async def main() -> None:
        [port] = free_ports(1)
        async with opened(f"kafka://127.0.0.1:{port},{kafka_url.removeprefix('kafka://')}") as (broker, topic):
            assert await broker.topics([topic]) == {}

    asyncio.run(main())


def test_no_more_than_allowed_is_fetched_ahead(kafka_url: str) -> None:
    async def main() -> None:
        async with opened(kafka_url) as (broker, topic):
            at = await make(broker, topic)
            large = os.urandom(1 << 19)
            for _ in range(80):
                await append(broker, at, large)
            following = broker.follow(at, 0, "lane")
            assert isinstance(following, fetching.Follower)
            while following.has_room:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            assert FETCH_AHEAD_BYTES - fetching.PARTITION_BYTES < following._bytes <= FETCH_AHEAD_BYTES
            assert await take_values(following, 0, 80) == [large] * 80
            following.close()
            with pytest.raises(EnvironmentFailed, match="nobody follows it any more"):
                await following.take()

    asyncio.run(main())


def test_lanes_that_nobody_uses_any_more_are_left_alone(kafka_url: str) -> None:
    async def main() -> None:
        async with opened(kafka_url) as (broker, topic):
            assert isinstance(broker, KafkaBroker)
            at = await make(broker, topic)
            staying = broker.follow(at, 0, "stays")
            for number in range(20):
                await append(broker, at, b"%d" % number)
                assert await read(broker, at, number, number + 1, f"lane {number % 3}") == [b"%d" % number]
                leaving = broker.follow(at, number + 1, f"lane {number % 3}")
                await asyncio.sleep(0.01)
                leaving.close()
            assert await take_values(staying, 0, 20) == [b"%d" % number for number in range(20)]
            await asyncio.sleep(0.1)
            lanes = {lane for _, lane in broker._connections._open}
            assert ("stays", "waits") in lanes
            assert not any(f"lane {number}" in str(lane) for number in range(3) for lane in lanes)
            assert broker._routes.leader(at) is not None, "hanging up says nothing about who leads"

    asyncio.run(main())


def test_only_named_codes_prove_that_nothing_was_appended() -> None:
    sure = {code: meaning for code, meaning in APPENDING.items() if code}
    assert set(sure.values()) == {Means.AGAIN, Means.ABSENT, Means.REFUSED}
    for code in range(-1, 200):
        assert means_of_append(code, -1) is sure.get(code, Means.DONE if code == 0 else Means.OPEN)
        assert means_of_append(code, 7) is (Means.DONE if code == 0 else Means.OPEN), "a leader that stepped down"
    for name in (
        "REQUEST_TIMED_OUT",
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        "KAFKA_STORAGE_ERROR",
        "UNKNOWN_SERVER_ERROR",
    ):
        [code] = (code for code, known in NAMES.items() if known == name)
        assert means_of_append(code, -1) is Means.OPEN
