"""A worker is ready when it owns what the group gave it first, be that nothing."""

import asyncio
from pathlib import Path

import pytest

from mmsb.streams.kafka.partitions.replica import Replica
from tests.kafka.small import Hand, lone


def test_who_is_given_a_partition_works_once_it_is_owned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, start = asyncio.Event(), Replica.start

    async def slow(replica: Replica) -> None:
        await gate.wait()
        await start(replica)

    async def check() -> None:
        async with lone(tmp_path) as bench:
            monkeypatch.setattr(Replica, "start", slow)
            worker, member = bench.worker("a", standby=True), Hand()
            bench.run(worker, member)
            working = asyncio.create_task(worker.working())
            await asyncio.sleep(0.1)
            assert not working.done(), "nothing was given yet"
            assert "given it no partitions yet" in (worker.unready() or "")
            member.give(0)
            await asyncio.sleep(0.1)
            assert not working.done(), "it is being opened"
            assert worker.unready() == "it takes over partitions 0, and folds them first"
            gate.set()
            assert await asyncio.wait_for(working, 20) == {0}
            assert worker.unready() is None
            member.silent = 10.5
            assert "have not answered for 10 s: its session is over" in (worker.unready() or "")
            member.silent = 0.2
            assert worker.unready() is None
            await member.take_back()
            assert "are at rest" in (worker.unready() or "")
            member.give(0)
            await asyncio.wait_for(worker.working(), 20)
            assert worker.unready() is None

    asyncio.run(check())


def test_who_is_given_nothing_works_at_once(tmp_path: Path) -> None:
    async def check() -> None:
        async with lone(tmp_path) as bench:
            worker, member = bench.worker("a"), Hand()
            bench.run(worker, member)
            member.give()
            assert await asyncio.wait_for(worker.working(), 20) == frozenset()
            assert worker.unready() is None

    asyncio.run(check())


def test_a_standby_is_ready_once_it_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, start = asyncio.Event(), Replica.start

    async def slow(replica: Replica) -> None:
        await gate.wait()
        await start(replica)

    async def check() -> None:
        async with lone(tmp_path) as bench:
            monkeypatch.setattr(Replica, "start", slow)
            worker, member = bench.worker("a", standby=True), Hand()
            bench.run(worker, member)
            member.give()
            await asyncio.wait_for(worker.working(), 20)
            assert worker.unready() == "it folds partitions 0, to follow them"
            gate.set()
            await asyncio.wait_for(worker.seats[0].opened(), 20)
            assert worker.unready() is None

    asyncio.run(check())


def test_what_is_taken_back_before_it_is_owned_is_waited_for_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def for_ever(replica: Replica) -> None:
        del replica
        await asyncio.Event().wait()

    async def check() -> None:
        async with lone(tmp_path) as bench:
            monkeypatch.setattr(Replica, "start", for_ever)
            worker, member = bench.worker("a"), Hand()
            bench.run(worker, member)
            member.give(0)
            working = asyncio.create_task(worker.working())
            await member.take_back()
            await asyncio.sleep(0.1)
            assert not working.done(), "the group has not said who gets it"
            member.give()
            assert await asyncio.wait_for(working, 20) == frozenset()

    asyncio.run(check())
