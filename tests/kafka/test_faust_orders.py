"""examples/orders as its readers run it: all three programs killed again and again, and exact in the end."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer  # type: ignore[import-untyped]

import mmsb
from examples.orders import shop
from examples.orders.enrich import PRICES
from examples.orders.settings import PARTITIONS
from mmsb.streams.kafka.cluster.client import open_broker
from tests.kafka.running import Program, faust_command, mmsb_command

SEED: Final = 8
ORDERS: Final = 600
CUSTOMERS: Final = 7
KILLS_EACH: Final = 2
SENDING_S: Final = 12.0
SETTLED_S: Final = 120.0


def orders(random: Random) -> list[bytes]:
    """Now and then something that is none."""
    products = [*PRICES, "gold"]
    return [
        b"rubbish %d" % number if random.random() < 0.03 else json.dumps(
            {
                "customer": random.randrange(CUSTOMERS), "order": number,
                "product": random.choices(products, (9, 9, 9, 1))[0], "quantity": random.choice((0, 1, 2, 3)),
            }
        ).encode()
        for number in range(ORDERS)
    ]  # fmt: skip


def judged(values: list[bytes]) -> tuple[dict[int, tuple[int, int]], Counter[str], set[bytes]]:
    """Orders and totals by customer, how many intents settle how, and what is put aside."""
    customers: dict[int, tuple[int, int]] = {}
    settled: Counter[str] = Counter()
    refused: set[bytes] = set()
    for value in values:
        order = {} if value.startswith(b"rubbish") else json.loads(value)
        if order.get("product") not in PRICES:
            refused.add(value)
        elif order["quantity"] < 1:
            settled["rejected"] += 1
        else:
            settled["applied"] += 1
            count, total = customers.get(order["customer"], (0, 0))
            customers[order["customer"]] = count + 1, total + order["quantity"] * PRICES[order["product"]]
    return customers, settled, refused


@contextmanager
def programs(url: str, folder: Path) -> Generator[list[Program]]:
    """All three, each started again where it left off."""
    commands = {
        "shop": mmsb_command("run", "examples.orders.shop:app", "--log", url, "--data", str(folder / "worker"),
                             "--partitions", str(PARTITIONS), "--interpreted"),
        "enrich": faust_command("examples.orders.enrich"),
        "revenue": faust_command("examples.orders.revenue"),
    }  # fmt: skip
    started: list[Program] = []
    try:
        for name, command in commands.items():
            started.append(Program(name, command, folder, {"ORDERS_KAFKA": url}))
            if name == "shop":
                started[0].wait("ready")  # it has made its topics
        yield started
    finally:
        for program in started:
            program.kill()


@pytest.mark.slow
def test_totals_are_exact_whoever_is_killed(kafka_url: str, tmp_path: Path) -> None:
    random = Random(SEED)
    values = orders(random)
    customers, settled, refused = judged(values)
    asyncio.run(make_topics(kafka_url))
    with programs(kafka_url, tmp_path) as running:
        asyncio.run(kill_while_sending(kafka_url, values, running, random))
        asyncio.run(until_all_is_there(kafka_url, customers, running))
        for program in running[:0:-1]:
            assert program.stop() == 0, program.said()
        assert asyncio.run(pages(kafka_url)) == customers
        assert running[0].stop() == 0, running[0].said()
    assert asyncio.run(revenue(kafka_url)) == {customer: total for customer, (_, total) in customers.items()}
    assert {value for _, value in asyncio.run(read(kafka_url, "refused-orders"))} == refused
    assert statuses(kafka_url, tmp_path) >= settled


async def make_topics(url: str) -> None:
    async with open_broker(url) as broker:
        for topic in ("placed-orders", "refused-orders"):
            await broker.create(topic, PARTITIONS, 1, {})


async def kill_while_sending(url: str, values: list[bytes], running: list[Program], random: Random) -> None:
    victims = running * KILLS_EACH
    random.shuffle(victims)

    async def kill() -> None:
        for victim in victims:
            await asyncio.sleep(SENDING_S / len(victims) * random.uniform(0.5, 1.5))
            victim.kill()
            victim.start()

    killing = asyncio.create_task(kill())
    async with AIOKafkaProducer(bootstrap_servers=url.removeprefix("kafka://")) as producer:
        for value in values:
            await producer.send("placed-orders", value, partition=random.randrange(PARTITIONS))
            await asyncio.sleep(SENDING_S / len(values))
    await killing


async def until_all_is_there(url: str, customers: dict[int, tuple[int, int]], running: list[Program]) -> None:
    totals = {customer: total for customer, (_, total) in customers.items()}
    deadline = time.monotonic() + SETTLED_S
    async with mmsb.connect(url, shop.app) as bus:
        while await scanned(bus) != customers or await revenue(url) != totals:
            said = "\n".join(program.said() for program in running)
            assert time.monotonic() < deadline, (
                f"{await scanned(bus)}, {await revenue(url)}: expected {customers}; {said}"
            )
            await asyncio.sleep(0.2)
            for program in running:
                program.supervise()


async def pages(url: str) -> dict[int, tuple[int, int]]:
    async with mmsb.connect(url, shop.app) as bus:
        return await scanned(bus)


async def scanned(bus: mmsb.Bus) -> dict[int, tuple[int, int]]:
    return {key: (page.orders, page.spent) async for key, page in bus.scan(shop.Customer)}


async def revenue(url: str) -> dict[int, int]:
    """The table as its changelog has it, which is all that a restart knows."""
    found = await read(url, "orders-revenue-revenue-changelog")
    return {int(key): json.loads(value)["value"] for key, value in found}


async def read(url: str, topic: str) -> list[tuple[Any, bytes]]:
    """All keys and values of a topic, in the order of each partition."""
    found: list[tuple[Any, bytes]] = []
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=url.removeprefix("kafka://"), auto_offset_reset="earliest", enable_auto_commit=False
    )
    async with consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        for at, end in ends.items():
            while await consumer.position(at) < end:
                records: list[Any] = (await consumer.getmany(at, timeout_ms=1_000)).get(at, [])
                found += [(record.key, record.value) for record in records]
    return found


def statuses(url: str, folder: Path) -> Counter[str]:
    """How the intents settled; what was submitted again is a duplicate."""
    rows = Program(
        "log", mmsb_command("log", f"{url}/orders", "--from", "0", "--json"), folder, {"MMSB_CACHE": str(folder)}
    )
    assert rows.ended() == 0, rows.said()
    return Counter(json.loads(line)["status"] for line in rows.said().splitlines() if line.startswith("{"))
