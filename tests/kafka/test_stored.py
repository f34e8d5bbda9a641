"""What a real broker stores, and how we read it: as Kafka's own consumer does."""

import asyncio
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from mmsb.processors.batching import RawBatch
from mmsb.processors.intake import read_batches
from mmsb.schemas.batches import Record, decode_batch, encode_batch
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.schemas.records import Records
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.batches.rewriting import MALFORMED
from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition
from mmsb.streams.kafka.cluster.client import open_broker
from mmsb.streams.kafka.topics import LOGS, SETTINGS, Topic, ensure
from tests.kafka.compressing import FRAMINGS, compressed, with_content
from tests.kafka.programs import java
from tests.kafka.test_local_form import LOOSE, record, with_records

APPEND_SECONDS = 10.0
TRANSACTIONAL, CONTROL = 0x10, 0x20  # of a batch's attributes


@dataclass(frozen=True)
class Stored:
    """All that is in a topic."""

    raw: list[bytes]  # batches as fetched
    local: list[RawBatch]

    @property
    def records(self) -> list[Records]:
        return [decode_batch(bytes(batch.data))[0] for batch in self.local]

    @property
    def codecs(self) -> set[int]:
        return {batch[22] & 7 for batch in self.raw}


async def read_all(broker: Broker, at: TopicPartition) -> Stored:
    end = (await broker.span(at)).end
    following, fetched = broker.follow(at, 0, "test"), bytearray()
    local = list[RawBatch]()
    try:
        while not local or local[-1].first + local[-1].count < end:
            data = (await following.take()).data
            fetched += data
            local += local_form(data)
    finally:
        following.close()
    return Stored(_parted(bytes(fetched)), local)


def _parted(data: bytes) -> list[bytes]:
    batches, at = list[bytes](), 0
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at + 8 : at + 12], "big")
        batches.append(data[at:end])
        at = end
    return batches


async def new_topic(broker: Broker, settings: Mapping[str, str] | None = None) -> TopicPartition:
    at = TopicPartition(f"stored-{uuid.uuid4().hex}", 0)
    await broker.create(at.topic, 1, -1, settings or {})
    return at


def hosts(url: str) -> str:
    return url.removeprefix("kafka://")


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("time", ["CreateTime", "LogAppendTime"])
def test_what_a_producer_sent_is_read_whatever_it_compressed_it_with(kafka_url: str, codec: str | None, time: str):
    sent = [(f"key {index}".encode() if index % 3 else None, b"value %d " % index * 20) for index in range(500)]

    async def main() -> tuple[Stored, list[int]]:
        async with open_broker(kafka_url) as broker:
            at = await new_topic(broker, {"message.timestamp.type": time})
            async with AIOKafkaProducer(
                bootstrap_servers=hosts(kafka_url), compression_type=codec, enable_idempotence=True
            ) as producer:
                told = await asyncio.gather(
                    *[
                        await producer.send(
                            at.topic, value, key, timestamp_ms=1_000_000 + index, headers=[("n", b"%d" % index)]
                        )
                        for index, (key, value) in enumerate(sent)
                    ]
                )
            return await read_all(broker, at), [each.timestamp for each in told]

    stored, times = asyncio.run(main())
    assert stored.codecs == {(None, "gzip", "snappy", "lz4", "zstd").index(codec)}
    found = [record for records in stored.records for record in records]
    if time == "CreateTime":
        times = list(range(1_000_000, 1_000_500))  # the producer tells only of each batch's first
    assert found == [
        Record(key, value, times[index], (("n", b"%d" % index),)) for index, (key, value) in enumerate(sent)
    ]
    assert len(read_batches(b"".join(batch.data for batch in stored.local))) == 500


def test_transactions_leave_their_markers_whether_they_were_committed_or_not(kafka_url: str):
    async def main() -> Stored:
        async with open_broker(kafka_url) as broker:
            at = await new_topic(broker)
            async with AIOKafkaProducer(
                bootstrap_servers=hosts(kafka_url), transactional_id=uuid.uuid4().hex, compression_type="lz4"
            ) as producer:
                for commits in (True, False):
                    await producer.begin_transaction()
                    for value in (b"one", b"two"):
                        await producer.send_and_wait(at.topic, value)
                    await (producer.commit_transaction() if commits else producer.abort_transaction())
                await producer.begin_transaction()
                await producer.send_and_wait(at.topic, b"last")
                await producer.commit_transaction()
            return await read_all(broker, at)

    stored = asyncio.run(main())
    pairs = list(zip(stored.local, stored.records, strict=True))
    data = [records for batch, records in pairs if not batch.data[22] & CONTROL]
    markers = [records.key(0) for batch, records in pairs if batch.data[22] & CONTROL]
    assert [record.value for records in data for record in records] == [b"one", b"two", b"one", b"two", b"last"]
    assert markers == [b"\0\0\0\1", b"\0\0\0\0", b"\0\0\0\1"], "committed, aborted, committed"
    assert all(batch.data[22] & TRANSACTIONAL for batch in stored.local)


def test_kafkas_own_producer_is_read(kafka_url: str):
    async def main() -> Stored:
        async with open_broker(kafka_url) as broker:
            at = await new_topic(broker)
            command = [
                *java("org.apache.kafka.tools.ConsoleProducer"), "--bootstrap-server", hosts(kafka_url),
                "--topic", at.topic, "--compression-codec", "snappy",
                "--property", "parse.key=true", "--property", "key.separator==",
            ]  # fmt: skip
            lines = "".join(f'{index}={{"@type": "Deposit", "account": {index}}}\n' for index in range(100))
            await asyncio.to_thread(
                subprocess.run, command, input=lines, text=True, check=True, timeout=60, capture_output=True
            )
            return await read_all(broker, at)

    stored = asyncio.run(main())
    assert stored.codecs == {2}
    found = [(record.key, record.value) for records in stored.records for record in records]
    assert found == [(b"%d" % index, b'{"@type": "Deposit", "account": %d}' % index) for index in range(100)]


def test_loose_records_are_read_as_kafkas_own_consumer_reads_them(kafka_url: str):
    """Plain and compressed. Left out are a time that a topic takes only if it does not count, and another offset: that
    client skips records by it, and to us each offset is one record."""

    async def main() -> tuple[Stored, list[str]]:
        async with open_broker(kafka_url) as broker:
            at = await new_topic(broker)
            for what, (loose, _) in LOOSE.items():
                if what in ("a time beyond 64 bits", "another offset"):
                    continue
                plain = with_records(0, record(), loose)
                for batch in (plain, *(compressed(plain, framing) for framing in FRAMINGS)):
                    assert await broker.append(at, batch, APPEND_SECONDS) is not None
            stored = await read_all(broker, at)
            return stored, await asyncio.to_thread(_consume, kafka_url, at.topic, stored.local[-1])

    stored, lines = asyncio.run(main())
    assert lines == [_line(record) for records in stored.records for record in records]


def _line(record: Record) -> str:
    """As Kafka's console consumer prints it."""
    headers = ",".join(f"{name}:{'null' if value is None else value.decode()}" for name, value in record.headers)
    key, value = ("null" if part is None else part.decode() for part in (record.key, record.value))
    return f"CreateTime:{record.time}\t{headers or 'NO_HEADERS'}\t{key}\t{value}"


def _consume(url: str, topic: str, last: RawBatch) -> list[str]:
    command = [
        *java("org.apache.kafka.tools.consumer.ConsoleConsumer"), "--bootstrap-server", hosts(url), "--topic", topic,
        "--from-beginning", "--max-messages", str(last.first + last.count),
        *(word for name in ("timestamp", "headers", "key") for word in ("--property", f"print.{name}=true")),
    ]  # fmt: skip
    done = subprocess.run(command, text=True, check=True, timeout=60, capture_output=True)
    return done.stdout.splitlines()


def test_other_offsets_and_times_that_wrap_are_stored_too(kafka_url: str):
    """Where the broker's own time counts, and where nothing is compressed."""

    async def main() -> Stored:
        async with open_broker(kafka_url) as broker:
            at = await new_topic(broker, {"message.timestamp.type": "LogAppendTime"})
            for what in ("another offset", "a time beyond 64 bits"):
                assert await broker.append(at, with_records(0, record(), LOOSE[what][0]), APPEND_SECONDS) is not None
            return await read_all(broker, at)

    stored = asyncio.run(main())
    assert [(records.first, len(records)) for records in stored.records] == [(0, 2), (2, 2)]
    assert all(record.value == b"v" and record.time > 1_000 for records in stored.records for record in records)


@pytest.mark.parametrize("framing", ["gzip", "lz4"])
def test_what_a_broker_stores_and_nobody_can_expand_settles_as_malformed(kafka_url: str, framing: str):
    async def main() -> Stored:
        async with open_broker(kafka_url) as broker:
            at = await new_topic(broker)
            plain = encode_batch(0, [Record(None, b"{}", 5)] * 3)
            batch = compressed(plain, framing)
            assert (
                await broker.append(at, with_content(plain, FRAMINGS[framing][0], batch[61:] + b"abcdefgh"), 10.0) == 0
            )
            assert await broker.append(at, batch, APPEND_SECONDS) == 3
            return await read_all(broker, at)

    values = [record.value for records in asyncio.run(main()).records for record in records]
    assert values == [MALFORMED] * 3 + [b"{}"] * 3


def test_topics_are_made_checked_and_refused_by_name(kafka_url: str):
    app = f"app-{uuid.uuid4().hex}"

    async def main() -> None:
        async with open_broker(kafka_url) as broker:
            assert (await ensure(broker, app, 2)).partitions == 2
            assert (await ensure(broker, app)).partitions == 2
            found = await broker.settings([topic.of(app) for topic in Topic])
            for topic, settings in SETTINGS.items():
                assert {each.name: found[topic.of(app)][each.name] for each in settings} == {
                    each.name: each.value for each in settings
                }
            for topic in LOGS:
                await broker.alter(topic.of(app), {"retention.ms": "1000000", "compression.type": "gzip"})
            with pytest.raises(EnvironmentFailed) as refused:
                await ensure(broker, app)
            names = [line.split(", found")[0] for line in str(refused.value).splitlines()]
            wrong = ("retention.ms=-1", "compression.type=producer")
            assert names == [f"{topic.of(app)}: expected {setting}" for topic in LOGS for setting in wrong]

    asyncio.run(main())
