"""Flushes and checkpoints while something else ends: their callers, the engine, what they wait for."""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest

import mmsb
from mmsb import i64, u64
from mmsb.state.home.cuts import Cut
from mmsb.state.home.home import Home
from mmsb.state.home.restoring import read_meta
from mmsb.state.store import Row
from mmsb.streams import checkpointing, flushing
from mmsb.streams.checkpoints import creating
from mmsb.streams.checkpoints.folder import CHECKPOINTS, list_names, read_manifest
from mmsb.streams.checkpoints.manifest import Manifest, StoredFile
from mmsb.streams.checkpoints.verifying import hash_files, verify_checkpoint
from mmsb.streams.engine import Engine
from mmsb.streams.journal import FolderJournal
from mmsb.streams.relay import Relay
from mmsb.streams.store.rocks import RocksStore
from mmsb.streams.world import RealWorld
from tests.checkpoints.test_engine import CloseDay, Sell, Till, app, until


async def seen(event: Event) -> None:
    async with asyncio.timeout(20):
        while not event.is_set():
            await asyncio.sleep(0.01)


def test_one_that_nobody_waits_for_any_more_is_whole_before_the_next_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashing, hashed = Event(), Event()

    def slow(*arguments: Any) -> tuple[StoredFile, ...]:
        hashing.set()
        assert hashed.wait(20)
        return hash_files(*arguments)

    monkeypatch.setattr(creating, "hash_files", slow)

    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bus:
            await bus.submit(Sell(1, 5))
            first = asyncio.create_task(bus.checkpoint())
            await seen(hashing)
            first.cancel()
            await bus.submit(Sell(1, 5))
            second = asyncio.create_task(bus.checkpoint())
            await asyncio.sleep(0.1)
            hashed.set()
            (made,) = await second
            assert made.settled == 1

    asyncio.run(main())
    names = list_names(RealWorld().files, tmp_path / "0")
    assert len(names) == 2
    for name in names:
        verify_checkpoint(RealWorld(), tmp_path / "0" / CHECKPOINTS / name)


def test_whoever_waits_for_one_hears_when_the_engine_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing, cutting, failed = Event(), Event(), Event()
    cut = Home.cut

    def no_room(*_: Any) -> None:
        writing.set()
        assert cutting.wait(20)
        raise mmsb.EnvironmentFailed("the disk is full")

    def late(home: Home, settled: int) -> Cut:
        cutting.set()
        assert failed.wait(20)
        return cut(home, settled)

    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bus:
            await bus.submit(Sell(1, 5))
            monkeypatch.setattr(FolderJournal, "_write_blocks", no_room)
            monkeypatch.setattr(Home, "cut", late)
            submitted = asyncio.create_task(bus.submit(Sell(1, 5)))
            await seen(writing)
            asked = asyncio.create_task(bus.checkpoint())
            with pytest.raises(mmsb.OutcomeUnknown):
                await submitted
            failed.set()
            with pytest.raises(mmsb.EnvironmentFailed, match="the disk is full"):
                await asyncio.wait_for(asked, 20)

    with pytest.raises(mmsb.EnvironmentFailed, match="the disk is full"):
        asyncio.run(main())


def test_what_settles_while_a_flush_is_under_way_is_flushed_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flushing, "FLUSH_SECONDS", 0.05)
    ingesting = Event()
    ingest = RocksStore.ingest

    def slow(store: RocksStore, rows: Iterable[Row]) -> int:
        ingesting.set()
        time.sleep(0.2)
        return ingest(store, rows)

    monkeypatch.setattr(RocksStore, "ingest", slow)

    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bus:
            await bus.submit(Sell(1, 5))
            await seen(ingesting)
            last = (await bus.submit(Sell(1, 5))).offset
        monkeypatch.setattr(flushing, "FLUSH_SECONDS", 60.0)
        async with app.run(data=tmp_path, interpreted=True) as bus:
            assert (await bus.stats()).partitions[0].flushed == last
            assert (await bus.get(Till, 1)).total == 10

    asyncio.run(main())


post = mmsb.App("post", generation=1)


@post.page(key=u64)
class Box(mmsb.Page):
    letters: i64


@post.intent
class Arrive(mmsb.Intent):
    box: u64

    def query(self):
        return Box[self.box]

    def delta(self, box: Box) -> None:
        box.letters += 1


@post.intent
class Send(mmsb.Intent):
    box: u64
    to: u64

    def query(self):
        return Box[self.box]

    def delta(self, box: Box) -> None:
        box.letters -= 1
        mmsb.emit(Arrive(self.to))


def test_one_that_is_made_when_all_follow_ups_have_arrived_says_so_though_nothing_else_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry = Relay._carry  # pyright: ignore[reportPrivateUsage]

    async def main() -> None:
        may_carry = asyncio.Event()

        async def late(relay: Relay) -> None:
            await may_carry.wait()
            await carry(relay)

        monkeypatch.setattr(Relay, "_carry", late)
        async with post.run(data=tmp_path, interpreted=True, partitions=2) as bus:
            boxes: dict[int, int] = {}
            for box in range(40):
                boxes[(await bus.submit(Arrive(box))).partition] = box
            await bus.submit(Send(boxes[0], boxes[1]))
            relaying = [manifest.facts.relaying for manifest in await made(bus)]
            assert relaying == [1, 0]
            may_carry.set()
            async with asyncio.timeout(20):
                while (await bus.get(Box, boxes[1])).letters < 2:
                    await asyncio.sleep(0.01)
            assert [manifest.facts.relaying for manifest in await made(bus)] == [0, 0]

    async def made(bus: mmsb.Bus) -> list[Manifest]:
        files = RealWorld().files
        return [
            read_manifest(files, tmp_path / str(one.partition) / CHECKPOINTS / one.name)
            for one in await bus.checkpoint()
        ]

    asyncio.run(main())


def test_no_log_is_trimmed_that_the_home_would_relay_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmsb.streams.log.log.Log.open.__func__.__defaults__", (1 << 12,))
    carry, seal = Relay._carry, creating.seal_checkpoint  # pyright: ignore[reportPrivateUsage]

    async def main() -> None:
        may_carry = asyncio.Event()

        async def late(relay: Relay) -> None:
            await may_carry.wait()
            await carry(relay)

        monkeypatch.setattr(Relay, "_carry", late)
        async with post.run(data=tmp_path, interpreted=True, partitions=2, window=1, trim=True) as bus:
            boxes: dict[int, int] = {}
            for box in range(40):
                boxes[(await bus.submit(Arrive(box))).partition] = box
            await bus.submit(Send(boxes[0], boxes[1]))
            source = cast(Engine, bus._door)._partitions[0]  # pyright: ignore[reportPrivateUsage]
            for _ in range(3):
                await bus.submit_many(Arrive, {"box": [boxes[0]] * 200})
                await bus.checkpoint()

            def relayed_meanwhile(*arguments: Any) -> Path:
                loop.call_soon_threadsafe(may_carry.set)
                while source.follow_up_blocks:
                    time.sleep(0.01)
                return seal(*arguments)

            loop = asyncio.get_running_loop()
            monkeypatch.setattr(checkpointing, "seal_checkpoint", relayed_meanwhile)
            await bus.submit_many(Arrive, {"box": [boxes[0]] * 200})
            await bus.checkpoint()
            meta = read_meta(source.opened.store)
            assert meta is not None
            assert len(meta.standing.follow_up_blocks) == 1
            assert source.opened.tlog.first <= meta.standing.follow_up_blocks[0]
            monkeypatch.setattr(checkpointing, "seal_checkpoint", seal)
            await bus.submit_many(Arrive, {"box": [boxes[0]] * 200})
            await bus.checkpoint()
            assert source.opened.tlog.first > meta.standing.follow_up_blocks[0], "it arrived long ago"

    asyncio.run(main())


def test_one_has_what_many_intents_asked_for_while_the_one_before_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealing, asked, made = Event(), Event(), list[int | None]()
    seal = creating.seal_checkpoint

    def counted(*arguments: Any) -> Path:
        made.append(arguments[3].offset)
        sealing.set()
        assert asked.wait(20)
        return seal(*arguments)

    monkeypatch.setattr(checkpointing, "seal_checkpoint", counted)

    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bus:
            for till in range(9):
                await bus.submit(Sell(till, 5))
                await bus.submit(CloseDay(till))
                await seen(sealing)
            asked.set()
            await until(2, tmp_path)
            await bus.submit(Sell(1, 5))
            await bus.submit(CloseDay(1))
            await until(3, tmp_path)

    asyncio.run(main())
    assert made == [1, 3, 19]
