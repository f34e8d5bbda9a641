"""Intents of programs that know nothing of MMSB, written as docs/kafka.md has it; what is no intent is rejected."""

import asyncio
import re
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import Producer  # pyright: ignore[reportMissingTypeStubs]

import mmsb
from examples.bank import Account, Deposit
from mmsb.schemas.partitions import partition_of
from tests.crash.applications import APPLICATIONS
from tests.crash.told import Told
from tests.kafka.judging import judge_topics, said
from tests.kafka.programs import java
from tests.kafka.working import WAIT_S, Order, Worker, ask, restored_names
from tests.project.tree import ROOT

pytestmark = pytest.mark.slow

PARTITIONS: Final = 3
ACCOUNTS: Final = 8  # that are opened
CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with restored_names():
        yield


def by_console(order: Order) -> None:
    """As the page says, with the topic's name here."""
    page = (ROOT / "docs" / "kafka.md").read_text()
    found = re.search(r"\$ echo '(.*)' \|\n +kafka-console-producer.sh (.*?) \\\n +(.*)\n", page)
    assert found is not None, "the page has it"
    line, place, options = found.groups()
    assert place == "--bootstrap-server localhost:9092 --topic bank.intents"
    server, topic = order.url.removeprefix("kafka://"), f"{order.name}.intents"
    command = [
        *java("org.apache.kafka.tools.ConsoleProducer"), "--bootstrap-server", server,
        "--topic", topic, *options.replace("'", "").split(),
    ]  # fmt: skip
    done = subprocess.run(command, input=f"{line}\n", capture_output=True, text=True, check=True, timeout=WAIT_S)
    assert "WARN" not in done.stdout + done.stderr, done


def deposit(account: int, amount: int = 1) -> bytes:
    return b'{"@type": "Deposit", "@id": "%s", "account": %d, "amount": %d}' % (
        uuid.uuid4().hex.encode(), account, amount,
    )  # fmt: skip


def by_librdkafka(order: Order, values: dict[int, bytes | None], **settings: Any) -> Counter[bool]:
    """Under the key of an account each; gives how many came into that account's partition, and how many did not."""
    producer = Producer({"bootstrap.servers": order.url.removeprefix("kafka://"), **settings})
    right = Counter[bool]()

    def told(error: Any, message: Any) -> None:
        assert error is None, error
        right[message.partition() == partition_of([message.key()], PARTITIONS)] += 1

    for account, value in values.items():
        producer.produce(f"{order.name}.intents", value, str(account).encode(), on_delivery=told)
    assert producer.flush(WAIT_S) == 0
    return right


def foreign() -> dict[int, bytes | None]:
    """What is no intent, each in its own way."""
    return {
        0: None,
        1: b"",
        2: b"\x00\xff garbage",
        3: b"MMX is not how it begins",
        4: b"{ no json",
        5: deposit(5)[:-1],
        6: b'{"@type": "Nobody"}',
        7: deposit(7).replace(b"}", b'  "' + bytes(300_000) + b'"}'),
    }


async def settled(bus: mmsb.Bus, balance: int) -> None:
    """So much of all accounts."""
    async with asyncio.timeout(WAIT_S):
        while (found := sum(each.balance for each in await bus.get_many(Account, range(ACCOUNTS)) if each)) != balance:
            assert found < balance, "nothing counts twice"
            await asyncio.sleep(0.1)


def produce(order: Order) -> Counter[str]:
    """All of it; gives what has to become of it."""
    by_console(order)
    by_console(order)  # its id is known
    expected = Counter(applied=1, duplicate=1)
    for codec in CODECS:
        right = by_librdkafka(
            order, {number: deposit(number) for number in range(ACCOUNTS)},
            **{"partitioner": "murmur2_random", "compression.type": codec},
        )  # fmt: skip
        assert right == {True: ACCOUNTS}, "as the page says"
    by_default = by_librdkafka(order, {number: deposit(number) for number in range(ACCOUNTS)})
    assert by_default[False], "its own partitioner is another"
    expected += Counter(applied=len(CODECS) * ACCOUNTS + by_default[True], wrong_partition=by_default[False])
    by_librdkafka(order, foreign(), partitioner="murmur2_random")
    return expected + Counter(not_an_intent=3, malformed=1, json_syntax=2, unknown_type=1, intent_too_large=1)


def test_any_producer_will_do(kafka_url: str, tmp_path: Path) -> None:
    order = Order(kafka_url, tmp_path / "worker", f"bank-{uuid.uuid4().hex[:12]}", "bank", PARTITIONS)
    openings = APPLICATIONS["bank"].openings

    async def main() -> Counter[str]:
        async with mmsb.connect(kafka_url, order.named()) as bus:
            await asyncio.gather(*(ask(bus, each, f"open-{n}", told.append) for n, each in enumerate(openings)))
            expected = await asyncio.to_thread(produce, order)
            await settled(bus, 5 + expected["applied"] - 1)
            for number in range(PARTITIONS):  # behind what was rejected
                await bus.submit(deposits[number], id=f"last-{number}")
            return expected + Counter(applied=len(openings) + PARTITIONS)

    told = list[Told]()
    deposits = {partition_of([str(number).encode()], PARTITIONS): Deposit(number, 1) for number in range(ACCOUNTS)}
    worker = Worker(order)
    try:
        worker.wait()
        expected = asyncio.run(main())
        worker.stop()
    finally:
        worker.kill()
    said("log", "copy", f"{order.url}/{order.name}", tmp_path / "log")
    found = Counter(row["rejection"] or row["status"] for row in said("log", tmp_path / "log", "--from", "0"))
    assert found == expected
    judge_topics(order, told, PARTITIONS, tmp_path)
