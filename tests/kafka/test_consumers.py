"""Consumers that know nothing of us, while the worker is killed: each sees all that happened to each page, once."""

import asyncio
import struct
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import pytest

import mmsb
from tests.kafka.judging import said
from tests.kafka.shop import Shop
from tests.kafka.test_output_topics import consuming

pytestmark = pytest.mark.slow

PARTITIONS: Final = 2
ACCOUNTS: Final = 20
TURNS: Final = 4
LIMIT_S: Final = 90


class Told(NamedTuple):
    """One event, read as the table of docs/formats.md, section 12, has it, and nothing else."""

    place: tuple[int, int, int]  # partition, offset, ordinal
    key: int
    epoch: int
    before: int
    fields: dict[str, Any]


def read(value: bytes) -> Told:
    magic, _kind, _hops, partition, ordinal, offset, _page, epoch, before = struct.unpack_from("<4sHHIIqQqq", value)
    assert magic == b"MME\x01"
    key_words, mask_words, body_words = struct.unpack_from("<HHI", value, 80)
    assert (key_words, body_words) == (1, 5)
    assert len(value) == 88 + 8 * (key_words + mask_words + body_words)
    [key] = struct.unpack_from("<Q", value, 88)
    owner, balance, moves = struct.unpack_from("<24sqq", value, 88 + 8 * (key_words + mask_words))
    fields = {"owner": owner.rstrip(b"\0").decode(), "balance": balance, "moves": moves}
    return Told((partition, offset, ordinal), key, epoch, before, fields)


def pages_of(events: list[Told]) -> dict[int, tuple[int, dict[str, Any]]]:
    """What pages come to: nothing is left out of any page's changes, and nothing comes twice."""
    pages: dict[int, tuple[int, dict[str, Any]]] = {}
    for event in events:
        assert pages.get(event.key, (0, {}))[0] == event.before
        pages[event.key] = event.epoch, event.fields
    return pages


def test_one_that_was_killed_and_resumed_sees_what_the_other_sees_and_both_have_the_pages(
    kafka_url: str, tmp_path: Path
) -> None:
    shop, rng = Shop(kafka_url, tmp_path), Random(39)
    steady, killed = list[Told](), list[Told]()
    marks: dict[bytes, bytes] = {}
    topic = f"{shop.name}.events"

    async def main() -> None:
        worker = await asyncio.to_thread(shop.worker(PARTITIONS, "packed").__enter__)
        try:
            async with mmsb.connect(kafka_url, shop.module.app) as bus, consuming(kafka_url, topic, {}) as seen:
                for turn in range(TURNS):
                    asking = asyncio.create_task(ask(bus, turn))
                    async with consuming(kafka_url, topic, marks) as resumed:
                        while not resumed:
                            await asyncio.sleep(rng.random() * 0.2)
                    killed.extend(read(record.value) for record in resumed)
                    worker.process.kill()
                    await asyncio.to_thread(worker.process.communicate)
                    worker = await asyncio.to_thread(shop.worker(PARTITIONS, "packed").__enter__)
                    await asking
                await until(seen, ACCOUNTS * (1 + TURNS * 5))
                steady.extend(read(record.value) for record in seen)
                async with consuming(kafka_url, topic, marks) as resumed:
                    await until(resumed, len(steady) - len(killed))
                killed.extend(read(record.value) for record in resumed)
        finally:
            await asyncio.to_thread(worker.__exit__)

    async def ask(bus: mmsb.Bus, turn: int) -> None:
        """Each opens, the first time, and gets five deposits."""
        for account in range(ACCOUNTS if turn == 0 else 0):
            await bus.submit(shop.module.Open(account, f"owner {account}"), id=f"open-{account}")
        for number in range(5):
            deposits = [shop.module.Deposit(account, 1 + number) for account in range(ACCOUNTS)]
            await asyncio.gather(*(bus.submit(each, id=f"{turn}-{number}-{each.account}") for each in deposits))

    asyncio.run(asyncio.wait_for(main(), LIMIT_S))
    for partition in range(PARTITIONS):
        of_steady, of_killed = ([each for each in told if each.place[0] == partition] for told in (steady, killed))
        assert of_steady == of_killed
        assert of_steady == sorted(of_steady, key=lambda each: each.place)
    pages = {row["key"]: (row["epoch"], row["fields"]) for row in said("scan", shop.topics, "Account")}
    assert pages_of(steady) == pages
    assert len(pages) == ACCOUNTS


async def until(seen: list[Any], count: int) -> None:
    """So many, and no more."""
    while len(seen) < count:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    assert len(seen) == count
