"""What was promised of the whole path, followed through a real broker: one intent by its id, one that is stored and not
run, and the logs that Kafka's own tool reads."""

import asyncio
import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from blake3 import blake3
from confluent_kafka import Producer  # pyright: ignore[reportMissingTypeStubs]

import mmsb
from mmsb.schemas.ids import id_text, make_id
from mmsb.schemas.tlog.blocks import unpack_block_header
from tests.cli.running import mmsb as command
from tests.kafka.cluster import Cluster
from tests.kafka.judging import said
from tests.kafka.programs import dump
from tests.kafka.shop import Shop
from tests.kafka.working import WAIT_S
from tests.model.batch import decode_batch

pytestmark = pytest.mark.slow

PARTITIONS: Final = 3


@pytest.fixture
def shop(kafka_url: str, tmp_path: Path) -> Shop:
    return Shop(kafka_url, tmp_path)


def by_client(shop: Shop, id: str) -> None:
    async def submit() -> None:
        async with mmsb.connect(shop.url, shop.module.app) as bus:
            await bus.submit(shop.module.Deposit(1, 5), id=id)

    asyncio.run(submit())


def by_command(shop: Shop, id: str) -> None:
    done = command("submit", shop.topics, "--app", shop.code, "Deposit", "account=2", "amount=5", "--id", id)
    assert done.returncode == 0, done


def by_lines(shop: Shop, id: str) -> None:
    line = json.dumps({"@type": "Deposit", "@id": id, "account": 3, "amount": 5})
    done = command("submit", shop.topics, "--app", shop.code, "--jsonl", "-", stdin=f"{line}\n")
    assert done.returncode == 0, done


def by_producer(shop: Shop, id: str) -> None:
    producer = Producer({"bootstrap.servers": shop.servers, "partitioner": "murmur2_random"})
    line = json.dumps({"@type": "Deposit", "@id": id, "account": 4, "amount": 5})
    producer.produce(f"{shop.name}.intents", key="4", value=line)
    assert producer.flush(WAIT_S) == 0


def by_packing_producer(shop: Shop, id: str) -> None:
    """Its bytes are those of docs/formats.md, section 4; a type's id is the begin of a hash of its text (section 1)."""
    type_id = int.from_bytes(blake3(b"intent Deposit{account:u64,amount:i64}").digest()[:8], "little")
    value = struct.pack("<4sBBHQ16sQq", b"MMI\x01", 1, 0, 2, type_id, make_id(id), 5, 5)
    producer = Producer({"bootstrap.servers": shop.servers, "partitioner": "murmur2_random"})
    producer.produce(f"{shop.name}.intents", key="5", value=value)
    assert producer.flush(WAIT_S) == 0


WAYS: Final[dict[str, Callable[[Shop, str], None]]] = {
    "a client": by_client, "the command line": by_command, "lines": by_lines, "a producer": by_producer,
    "a producer that packs": by_packing_producer,
}  # fmt: skip


def test_an_intent_is_followed_by_its_id_through_both_logs_into_page_and_event(shop: Shop) -> None:
    with shop.worker(PARTITIONS):
        for account, (way, submit) in enumerate(WAYS.items(), start=1):
            id = f"from {way}"
            submit(shop, id)
            entry = settled(shop, id)
            place = entry["partition"], entry["offset"]
            assert entry["status"] == "applied"

            [asked] = shop.read("intents", *place)
            value = asked.value()
            assert value is not None
            assert any(form in value for form in (id.encode(), bytes(make_id(id))))

            [done] = shop.read("tlog", entry["partition"], entry["tlog"])
            header = unpack_block_header(done.value() or b"")
            assert header is not None
            assert header.first <= entry["offset"] <= header.last

            [page] = said("get", shop.topics, "Account", account)
            assert (page["partition"], page["epoch"]) == (entry["partition"], entry["offset"] + 1)

            [event] = [each for each in events(shop, entry["partition"], account) if each["@offset"] == place[1]]
            assert (event["@cause"], event["@key"]) == (id_text(make_id(id)), account)
            assert (event["@epoch"], event["balance"]) == (page["epoch"], page["fields"]["balance"])


def settled(shop: Shop, id: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_S
    while not (found := said("log", shop.topics, "--id", id)):
        assert time.monotonic() < deadline, f"{id} does not settle"
    [entry] = found
    return entry


def events(shop: Shop, partition: int, account: int) -> list[dict[str, Any]]:
    """Of one account, from the topic's first record on; each was changed once."""
    before = 0
    while True:
        [message] = shop.read("events", partition, before)
        found: dict[str, Any] = json.loads(message.value() or b"")
        before += 1
        if found["@key"] == account:
            return [found]


def test_what_is_logged_is_stored_and_not_run_until_there_is_a_worker(shop: Shop) -> None:
    with shop.worker(1):
        by_client(shop, "before")

    async def ask() -> int:
        async with mmsb.connect(shop.url, shop.module.app) as bus:
            receipt = await bus.submit(shop.module.Deposit(1, 100), id="stored", until="logged")
            assert receipt.status is None
            assert (await bus.get(shop.module.Account, 1)).balance == 5
            return receipt.offset

    offset = asyncio.run(ask())
    [stored] = shop.read("intents", 0, offset)
    assert bytes(make_id("stored")) in (stored.value() or b"")
    assert not said("log", shop.topics, "--id", "stored")
    assert "a copy of what is in the topics" in command("stats", shop.topics).stdout
    assert said("get", shop.topics, "Account", 1)[0]["fields"]["balance"] == 5
    with shop.worker(1):
        assert settled(shop, "stored")["offset"] == offset
    by_hand = said("get", shop.topics, "Account", 1)[0]
    assert (by_hand["epoch"], by_hand["fields"]) == (offset + 1, {"owner": "", "balance": 105, "moves": 2})


def test_a_worker_that_has_no_partition_says_so(shop: Shop) -> None:
    with shop.worker(1):
        shop.data = shop.data.with_name("second")
        with shop.worker(1):
            assert said("stats", shop.data)[0]["partitions"] == []


def test_kafkas_tool_reads_the_brokers_tlog_and_the_mirror_alike(own_kafka: Cluster, tmp_path: Path) -> None:
    shop = Shop(own_kafka.url, tmp_path)
    with shop.worker(1):
        asyncio.run(deposits(shop, 300))
        listed = said("log", shop.topics, "--from", 100, "--to", 200)
    assert [entry["offset"] for entry in listed] == list(range(100, 201))
    broker = own_kafka.nodes[0].folder / "logs"
    for log in ("intents", "tlog"):
        kept, mirrored = broker / f"{shop.name}.{log}-0", shop.data / "0" / log
        there, here = (dump(sorted(folder.glob("*.log"))) for folder in (kept, mirrored))
        assert (there.complaints, here.complaints) == ([], [])
        assert batches(kept) == batches(mirrored)
        if log == "tlog":  # the tool's lines are read of batches with the times of their writers
            assert [batch.checksum for batch in there.batches] == [batch.checksum for batch in here.batches]
            assert all(batch.valid for batch in there.batches)
            assert [record.offset for record in there.records] == list(range(len(there.records)))


async def deposits(shop: Shop, count: int) -> None:
    async with mmsb.connect(shop.url, shop.module.app) as bus:
        for start in range(0, count, 50):
            await bus.submit_many(shop.module.Deposit, {"account": list(range(start, start + 50)), "amount": 1})


def batches(folder: Path) -> list[bytes]:
    """Each from behind its leader's epoch on, of which checksums do not speak either."""
    data, found = b"".join(path.read_bytes() for path in sorted(folder.glob("*.log"))), list[bytes]()
    while data:
        _, size = decode_batch(data)
        found.append(data[:12] + data[16:size])
        data = data[size:]
    return found
