"""Processors over topics of a real broker when something goes on beneath them: members, topics, commits, the worker."""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions  # type: ignore[import-untyped]

import mmsb
from examples.bank import Account, Deposit, Open
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.schemas.statuses import Status
from mmsb.streams.edges import delivering, topics
from mmsb.streams.kafka.batches.foreign import read_foreign
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.client import open_broker
from mmsb.streams.kafka.cluster.coordinator import Coordinator
from tests.edges.tally import Count, Tally, fresh_app
from tests.kafka.contract import make
from tests.kafka.test_processing import hosts, processed, produce, run, topic_of, until
from tests.kafka.working import Order, Worker, restored_names

pytestmark = pytest.mark.slow
IN_EACH_PARTITION = 8


def tally_app() -> mmsb.App:
    return fresh_app(f"tally-{uuid.uuid4().hex}")


async def remade(url: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=hosts(url))
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with open_broker(url) as broker:
            while topic in await broker.topics([topic]):
                await asyncio.sleep(0.05)
            await make(broker, topic, 1)
    finally:
        await admin.close()


@pytest.mark.parametrize("settles_in_time", [True, False])
def test_what_was_begun_settles_before_a_partition_goes_elsewhere(
    kafka_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settles_in_time: bool
) -> None:
    """Whether it does or not, each message counts once; if it does, nobody else calls the function with it."""
    monkeypatch.setattr(topics, "REST_SECONDS", 20.0 if settles_in_time else 0.3)
    partitions, count = 3, 3 * IN_EACH_PARTITION

    async def act() -> None:
        topic = await topic_of(kafka_url, *(b"%d" % n for n in range(count)), partitions=partitions)
        app, calls, released = tally_app(), Counter[int](), asyncio.Event()

        @app.processor(source=mmsb.Topic(topic, at=kafka_url))
        async def place(message: mmsb.Message) -> Count:
            calls[message.value] += 1
            await released.wait()
            return Count(message.value, 1)

        async with app.run(data=tmp_path / "data", interpreted=True) as bus:
            first = asyncio.create_task(bus.process(place))
            await until(lambda: len(calls) == count)
            second = asyncio.create_task(bus.process(place))
            if settles_in_time:
                await asyncio.sleep(1.0)
                released.set()
            else:
                await until(lambda: max(calls.values()) > 1)
                released.set()
            while any(page is None for page in await bus.get_many(Tally, list(range(count)))):
                await asyncio.sleep(0.05)
            assert bus._stop is not None
            bus._stop._event.set()
            done = [(await each)["place"] for each in (first, second)]
            outcomes = sum((Counter(each.outcomes) for each in done), Counter[Status]())
            assert outcomes[Status.APPLIED] == count
            assert [page.count for page in await bus.get_many(Tally, list(range(count))) if page] == [1] * count
            if settles_in_time:
                assert set(calls.values()) == {1}, calls
                assert sum(each.messages for each in done) == count

    run(act)


def test_a_commit_that_was_not_taken_is_made_again(
    kafka_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "COMMIT_SECONDS", 0.1)
    taken, refused = Coordinator.commit, [0]

    async def commit(self: Coordinator, *given: Any) -> bool:
        if refused[0] < 3:
            refused[0] += 1
            return False
        return await taken(self, *given)

    monkeypatch.setattr(Coordinator, "commit", commit)

    async def act() -> None:
        topic, app = await topic_of(kafka_url, b"1", b"2", b"3", partitions=1), tally_app()

        @app.processor(source=mmsb.Topic(topic, at=kafka_url))
        async def place(message: mmsb.Message) -> Count:
            return Count(1, 1)

        async with app.run(data=tmp_path / "data", interpreted=True) as bus, open_broker(kafka_url) as broker:
            processing, at = asyncio.create_task(bus.process(place)), TopicPartition(topic, 0)
            while (noted := await broker.committed(f"{app.name}.place", [at])).get(at, (0, ""))[0] < 3:
                assert not processing.done()
                await asyncio.sleep(0.05)
            assert refused == [3]
            assert noted[at][1] == (await broker.topic_id(topic)).hex
            processing.cancel()

    run(act)


def test_a_topic_made_anew_ends_a_processor_and_is_read_from_its_first_message(kafka_url: str, tmp_path: Path) -> None:
    async def act() -> None:
        topic, app = await topic_of(kafka_url, partitions=1), tally_app()

        @app.processor(source=mmsb.Topic(topic, at=kafka_url))
        async def place(message: mmsb.Message) -> Count:
            return Count(1, message.value)

        async with app.run(data=tmp_path / "data", interpreted=True) as bus:
            processing = asyncio.create_task(bus.process(place))
            await asyncio.sleep(0.5)  # it waits for a message at offset 0, which will be there
            await remade(kafka_url, topic)
            await produce(kafka_url, topic, (b"7",) * 3, partitions=1)
            with pytest.raises(EnvironmentFailed, match="made anew"):
                await processing
            at, group = TopicPartition(topic, 0), f"{app.name}.place"
            async with open_broker(kafka_url) as broker:  # as a process would leave it that went on
                await broker.commit(group, {at: (2, uuid.uuid4().hex)})
            again = (await processed(bus, place, messages=3))["place"]
            assert again.outcomes == {Status.APPLIED: 3}
            assert (await bus.get(Tally, 1)).total == 3 * 7
        async with app.run(data=tmp_path / "data", interpreted=True) as bus:
            async with open_broker(kafka_url) as broker:  # as Kafka's own tool does
                await broker.commit(group, {at: (4, "")})
            await produce(kafka_url, topic, (b"100", b"1"), partitions=1)
            assert (await processed(bus, place, messages=1))["place"].outcomes == {Status.APPLIED: 1}
            assert (await bus.get(Tally, 1)).total == 3 * 7 + 1

    run(act)


def test_a_topic_that_gets_more_partitions_ends_a_processor_and_a_restart_has_all_of_them(
    kafka_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "COMMIT_SECONDS", 0.1)

    async def act() -> None:
        topic, app = await topic_of(kafka_url, b"1", partitions=1), tally_app()

        @app.processor(source=mmsb.Topic(topic, at=kafka_url), attempts=1)
        async def place(message: mmsb.Message) -> Count:
            return Count(1, message.value)

        async with app.run(data=tmp_path / "data", interpreted=True) as bus:
            processing = asyncio.create_task(bus.process(place))
            admin = AIOKafkaAdminClient(bootstrap_servers=hosts(kafka_url))
            await admin.start()
            try:
                await admin.create_partitions({topic: NewPartitions(3)})
            finally:
                await admin.close()
            with pytest.raises(EnvironmentFailed, match=r"found 3: start it again, and it has all of them"):
                await processing
            await produce(kafka_url, topic, (b"2", b"3", b"poison"), partitions=3)
            seen: dict[str, Any] = {}
            processing = asyncio.create_task(bus.process(place, tell=seen.update))
            await until(lambda: bool(seen) and seen["place"].rejected == 1)
            while (await bus.get_many(Tally, [1]))[0] is None or (await bus.get(Tally, 1)).total < 6:
                await asyncio.sleep(0.02)
            assert (await bus.get(Tally, 1)).total == 6
            processing.cancel()
            await asyncio.gather(processing, return_exceptions=True)
        assert [record.value for record in await all_of(kafka_url, f"{app.name}.place.rejects")] == [b"poison"]

    run(act)


def test_what_is_too_large_for_the_rejects_topic_is_told_there_without_its_value(
    kafka_url: str, tmp_path: Path
) -> None:
    async def act() -> None:
        large, small = b"x" * 50_000, [b"%d" % n * 400 for n in range(20)]
        topic, app = await topic_of(kafka_url, large, *small, partitions=1), tally_app()

        @app.processor(source=mmsb.Topic(topic, at=kafka_url, decode=None), attempts=1)
        async def place(message: mmsb.Message) -> None:
            raise ValueError("no")

        rejects = f"{app.name}.place.rejects"
        async with open_broker(kafka_url) as broker:
            await make(broker, rejects, 1, max_message_bytes="3000")
        async with app.run(data=tmp_path / "data", interpreted=True) as bus:
            done = (await processed(bus, place, messages=21))["place"]
            assert (done.messages, done.rejected) == (21, 21)
        told = await all_of(kafka_url, rejects)
        assert [record.value for record in told] == [None, *small]
        headers: Mapping[str, bytes | None] = dict(told[0].headers)
        assert headers["mmsb-left-out-value"] == b"50000 bytes"
        assert headers["mmsb-position"] == b"0"

    run(act)


async def all_of(url: str, topic: str) -> Sequence[Record]:
    async with open_broker(url) as broker:
        at = TopicPartition(topic, 0)
        end, following, found = (await broker.span(at)).end, broker.read(at, 0), list[Record]()
        while len(found) < end:
            for rows in read_foreign(await following.take(), len(found)):
                assert rows.records is not None
                found += rows.records
        following.close()
        return found


def test_messages_of_many_small_batches_are_given_together(kafka_url: str, tmp_path: Path) -> None:
    async def act() -> None:
        topic, app, sizes = await topic_of(kafka_url, partitions=1), tally_app(), list[int]()
        async with open_broker(kafka_url) as broker:
            for n in range(200):
                batch = encode_batch(0, [Record(None, b"%d" % n, 0)])
                assert await broker.append(TopicPartition(topic, 0), batch, 10.0) == n

        @app.processor(source=mmsb.Topic(topic, at=kafka_url), batch=1_000)
        async def place(messages: mmsb.Messages) -> mmsb.Columns:
            sizes.append(len(messages))
            return mmsb.Columns(Count, {"key": 1, "amount": list(messages.values)})

        async with app.run(data=tmp_path / "data", interpreted=True) as bus:
            assert (await processed(bus, place, messages=200))["place"].outcomes == {Status.APPLIED: 200}
            assert (await bus.get(Tally, 1)).total == sum(range(200))
        assert len(sizes) < 20, sizes

    run(act)


def test_a_worker_that_is_killed_beneath_a_processor_is_waited_for(
    kafka_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "AGAIN_SECONDS", 0.05)

    async def act() -> None:
        name = f"bank-{uuid.uuid4().hex}"
        order = Order(kafka_url, tmp_path / "worker", name, "bank", 1)
        worker = await asyncio.to_thread(Worker, order)
        try:
            await asyncio.to_thread(worker.wait)
            app = order.named()
            app.processors.clear()
            topic = await topic_of(kafka_url, partitions=1)

            @app.processor(source=mmsb.Topic(topic))
            async def pay(message: mmsb.Message) -> Deposit:
                return Deposit(1, message.value["amount"])

            async with mmsb.connect(kafka_url, app) as bus:
                await bus.submit(Open(1, "ann"))
                seen: dict[str, Any] = {}
                processing = asyncio.create_task(bus.process(pay, tell=seen.update))
                for life in range(3):
                    wave = tuple(json.dumps({"amount": 1 + n}).encode() for n in range(100))
                    await produce(kafka_url, topic, wave, partitions=1)
                    await asyncio.sleep(0.1 * life)
                    await asyncio.to_thread(worker.kill)
                    worker = await asyncio.to_thread(Worker, order)
                    await asyncio.to_thread(worker.wait)
                await until(lambda: processing.done() or (bool(seen) and seen["pay"].messages == 300))
                assert not processing.done(), processing
                assert (await bus.get(Account, 1)).balance == 3 * sum(range(1, 101))
                processing.cancel()
                await asyncio.gather(processing, return_exceptions=True)
            await asyncio.to_thread(worker.stop)
        finally:
            await asyncio.to_thread(worker.kill)
            order.named().processors.clear()

    with restored_names():
        run(act)
