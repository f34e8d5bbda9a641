"""Whoever may write to the intents topic cannot stop it: all that a broker stores settles, and a copy is the same."""

import asyncio
import struct
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from mmsb.cli.main import main as command
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.varints import encode_varint
from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition
from mmsb.streams.kafka.cluster.client import open_broker
from tests.cli.running import objects
from tests.kafka.compressing import FRAMINGS, compressed, sealed, with_content
from tests.kafka.naming import new_bank
from tests.kafka.test_local_form import LOOSE, record, with_records

APPEND_SECONDS = 10.0
BOMB_RECORDS = 200


def bomb(framing: str) -> bytes:
    """Some kilobytes that expand to 20 MB of records."""
    contents = (
        b"\0\0" + encode_varint(index) + b"\1" + encode_varint(100_000) + bytes(100_000) + b"\0"
        for index in range(BOMB_RECORDS)
    )
    header = bytearray(encode_batch(0, [Record(None, None, 1_000)])[:61])
    struct.pack_into(">i", header, 23, BOMB_RECORDS - 1)
    struct.pack_into(">i", header, 57, BOMB_RECORDS)
    content = b"".join(encode_varint(len(content)) + content for content in contents)
    return compressed(sealed(bytes(header) + content), framing)


async def attack(broker: Broker, url: str, at: TopicPartition) -> Counter[str]:
    """Gives how many intents have to be rejected as what."""
    expected, begun = Counter[str](), (await broker.span(at)).end
    for loose, _ in LOOSE.values():
        assert await broker.append(at, with_records(0, record(), loose), APPEND_SECONDS) is not None
        expected["not_an_intent"] += 2
    plain = encode_batch(0, [Record(None, b"{}", 5)] * 3)
    for framing in ("gzip", "lz4"):
        batch = with_content(plain, FRAMINGS[framing][0], compressed(plain, framing)[61:] + b"abcdefgh")
        assert await broker.append(at, batch, APPEND_SECONDS) is not None
        assert await broker.append(at, bomb(framing), APPEND_SECONDS) is not None
        expected["malformed"] += 3 + BOMB_RECORDS
    async with AIOKafkaProducer(
        bootstrap_servers=url.removeprefix("kafka://"), transactional_id=uuid.uuid4().hex
    ) as producer:
        for commits in (True, False):
            await producer.begin_transaction()
            await producer.send_and_wait(at.topic, b"{}", partition=at.partition)
            await (producer.commit_transaction() if commits else producer.abort_transaction())
            expected["transactional"] += 1
            expected["noop"] += 1  # the marker
    async with asyncio.timeout(60):  # markers come after their producer has its answer
        while (await broker.span(at)).end < begun + expected.total():
            await asyncio.sleep(0.01)
    return expected


def test_all_that_a_broker_stores_settles(kafka_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bank = new_bank(tmp_path)
    name = bank.app.name

    async def run() -> tuple[Counter[str], str]:
        async with bank.app.run(log=kafka_url, data=tmp_path / "worker", interpreted=True) as bus:
            await bus.submit(bank.Open(1, "ann"))
            async with open_broker(kafka_url) as broker:
                expected = await attack(broker, kafka_url, TopicPartition(f"{name}.intents", 0))
            await bus.submit(bank.Deposit(1, 5))
            assert (await bus.get(bank.Account, 1)).balance == 5
            return expected, (await bus.stats()).partitions[0].digest

    def said(*given: object) -> list[dict[str, Any]]:
        assert command([*map(str, given), "--json"]) == 0
        return objects(capsys.readouterr().out)

    expected, digest = asyncio.run(run())
    said("log", "copy", f"{kafka_url}/{name}", tmp_path / "copy")
    for data in (tmp_path / "worker", tmp_path / "copy"):
        rows = said("log", data, "--from", "0")
        found = Counter(row["rejection"] or row["status"] for row in rows)
        assert found == expected + Counter(applied=2)
        assert [row["digest"] for row in said("replay", data)] == [digest]
    said("verify", tmp_path / "copy")
    asyncio.run(_go_on(bank, tmp_path / "copy"))


async def _go_on(bank: Any, data: Path) -> None:
    """Without Kafka."""
    async with bank.app.run(data=data, interpreted=True) as bus:
        await bus.submit(bank.Deposit(1, 7))
        assert (await bus.get(bank.Account, 1)).balance == 12
