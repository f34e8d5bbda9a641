"""Where a TLog stands is noted at rest, too: who begins then need not read what came before."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from examples.bank import Open
from mmsb.processors.requests import pack
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.clients.standing import group_of, read_words
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.partitions import announcing
from tests.kafka.small import Hand, Lone, lone, until

OPENS = [pack(Open(number, f"owner {number}")) for number in range(100)]


@pytest.fixture(autouse=True)
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcing, "ANNOUNCE_SECONDS", 3_600)


async def settled_worker(bench: Lone) -> Hand:
    worker, member = bench.worker("a"), Hand()
    bench.run(worker, member)
    member.give(0)
    await until(lambda: worker.seats[0].owned)
    await until(lambda: bool(bench.logs.noted))  # when it begins
    await bench.produce(OPENS)
    replica = worker.seats[0].replica
    assert replica is not None
    await bench.settled(replica)
    return member


def check_noted(bench: Lone) -> None:
    offset, words = bench.logs.noted[group_of(bench.of.app), bench.of.tlog]
    noted = read_words(bench.of.app, bench.of.partition, offset, words)
    assert (noted.settled, noted.next) == (99, bench.logs.end(bench.of.tlog))


def test_a_standing_is_noted_at_hand_over(tmp_path: Path) -> None:
    async def check() -> None:
        async with lone(tmp_path) as bench:
            await (await settled_worker(bench)).take_back()
            check_noted(bench)

    asyncio.run(check())


def test_a_standing_is_noted_when_its_owner_ends(tmp_path: Path) -> None:
    async def check() -> None:
        async with lone(tmp_path) as bench:
            await settled_worker(bench)
            await bench.end()
            check_noted(bench)

    asyncio.run(check())


def test_nobody_waits_for_a_note_that_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcing, "LAST_NOTE_SECONDS", 0.1)

    async def refused(group: str, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        raise EnvironmentFailed(f"{group}: {offsets}")

    async def unheard(group: str, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        del group, offsets
        await asyncio.Event().wait()

    async def check() -> None:
        async with lone(tmp_path) as bench:
            member = await settled_worker(bench)
            for commit in (refused, unheard):
                monkeypatch.setattr(bench.logs, "commit", commit)
                await asyncio.wait_for(member.take_back(), 5)
                member.give(0)

    asyncio.run(check())
