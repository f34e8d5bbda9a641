"""Checkpoints of an engine that runs: made by whom, and what they have."""

import asyncio
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmsb
from mmsb import i64, u64
from mmsb.streams.checkpoints.folder import CHECKPOINTS, list_names, read_manifest
from mmsb.streams.checkpoints.manifest import Cause
from mmsb.streams.files import RealFiles
from mmsb.streams.homes import DISTRUSTED

app = mmsb.App("tills", generation=1)


@app.page(key=u64)
class Till(mmsb.Page):
    total: i64


@app.intent
class Sell(mmsb.Intent):
    till: u64
    amount: i64

    def query(self):
        return Till[self.till]

    def delta(self, till: Till) -> None:
        till.total += self.amount


@app.intent(checkpoint=True)
class CloseDay(mmsb.Intent):
    till: u64

    def query(self):
        return Till[self.till]

    def predicate(self, till: Till) -> bool:
        return till.total > 0

    def delta(self, till: Till) -> None:
        till.total = 0


def manifests(folder: Path) -> list[Any]:
    files, partition = RealFiles(), folder / "0"
    return [read_manifest(files, partition / CHECKPOINTS / name) for name in list_names(files, partition)]


async def until(count: int, folder: Path) -> None:
    async with asyncio.timeout(20):
        while len(manifests(folder)) < count:
            await asyncio.sleep(0.01)


async def until_one_has(offset: int, folder: Path) -> None:
    """Only the newest is looked at: others may be removed meanwhile."""
    files, partition = RealFiles(), folder / "0"
    async with asyncio.timeout(60):
        while not any(
            read_manifest(files, partition / CHECKPOINTS / name).facts.settled >= offset
            for name in list_names(files, partition)[:1]
        ):
            await asyncio.sleep(0.01)


def test_a_command_makes_one_of_all_that_has_settled(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bus:
            receipt = await bus.submit(Sell(1, 5))
            (made,) = await bus.checkpoint()
            stats = (await bus.stats()).partitions[0]
            assert (made.settled, made.digest) == (receipt.offset, stats.digest)
            assert stats.flushed == receipt.offset
            assert await bus.checkpoint() == [made], "of one state there is one checkpoint"
        (manifest,) = manifests(tmp_path)
        assert manifest.cause == Cause("command")
        assert manifest.facts.pages == {"Till": 1}

    asyncio.run(main())


def test_an_intent_asks_for_one_if_it_applies(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bus:
            await bus.submit(Sell(1, 5))
            assert str((await bus.submit(CloseDay(2))).status) == "rejected"
            receipt = await bus.submit(CloseDay(1))
            await until(1, tmp_path)
        (manifest,) = manifests(tmp_path)
        assert manifest.cause == Cause("intent", receipt.offset)
        assert manifest.facts.settled >= receipt.offset

    asyncio.run(main())


def test_a_schedule_makes_them_and_logs_are_trimmed_behind_the_older_of_the_two_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmsb.streams.log.log.SEGMENT_BYTES", 1 << 16)
    monkeypatch.setattr("mmsb.streams.log.log.Log.open.__func__.__defaults__", (1 << 16,))

    async def main() -> None:
        async with app.run(data=tmp_path, window=1, checkpoint_seconds=0.2, trim=True) as bus:
            for day in range(3):
                for _ in range(10):
                    await bus.submit_many(Sell, {"till": np.arange(1000), "amount": 1})
                await until_one_has(10_000 * (day + 1) - 1, tmp_path)
            await bus.checkpoint()  # of this state there is one: none follows, and this waits until logs are trimmed
            assert {manifest.cause for manifest in manifests(tmp_path)} == {Cause("schedule")}
            first = manifests(tmp_path)[1].facts.settled
            assert (await bus.get(Till, 7)).total == 30
            assert (await bus.get(Till, 7, at=first)).total == (first + 1) // 1000
            history = await bus.history(Till, 7, limit=100)
            assert history.trimmed is not None
            with pytest.raises(mmsb.InvalidValue, match="trimmed"):
                await bus.get(Till, 7, at=0)
        async with app.run(data=tmp_path, window=1) as bus:
            assert (await bus.get(Till, 7)).total == 30

    asyncio.run(main())
    assert 2 <= len(manifests(tmp_path)) <= 4, "one more where the engine was left before the oldest was removed"
    segments = sorted(path.name for path in (tmp_path / "0" / "tlog").glob("*.log"))
    assert segments[0] > "0" * 20 + ".log"
    older = manifests(tmp_path)[1].facts
    assert int(segments[0].removesuffix(".log")) <= older.accepted_at


def test_without_room_for_a_checkpoint_that_an_intent_asked_for_the_engine_goes_on(tmp_path: Path) -> None:
    """Only a person who asks for one is told; the others find a warning, and its count."""

    async def close_a_day(bus: mmsb.Bus) -> None:
        await bus.submit(Sell(1, 5))
        await bus.submit(CloseDay(1))
        async with asyncio.timeout(20):
            while not (await bus.stats()).partitions[0].checkpoint_failures:
                await asyncio.sleep(0.01)

    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bus:
            (tmp_path / "0" / CHECKPOINTS).write_text("no folder can be made here")
            with pytest.warns(RuntimeWarning, match=r"(?s)no checkpoint was made by intent: .*made when it is due"):
                await close_a_day(bus)
            with pytest.raises(mmsb.EnvironmentFailed):
                await bus.checkpoint()
            (tmp_path / "0" / CHECKPOINTS).unlink()
            await bus.submit(Sell(1, 5))
            await bus.submit(CloseDay(1))
            await until(1, tmp_path)
            (partition,) = (await bus.stats()).partitions
            assert (partition.checkpoint_failures, partition.settled) == (1, 3)

    asyncio.run(main())


@pytest.mark.parametrize("checkpoints", [0, 1])
def test_a_damaged_home_is_set_aside_and_the_newest_sound_checkpoint_used(tmp_path: Path, checkpoints: int) -> None:
    count = 20_000

    async def fill() -> None:
        async with app.run(data=tmp_path) as bus:
            await bus.submit_many(Sell, {"till": np.arange(count), "amount": 2})
            for _ in range(checkpoints):
                await bus.checkpoint()

    async def sum_up() -> int:
        async with app.run(data=tmp_path) as bus:
            return sum([page.total async for _, page in bus.scan(Till)])

    asyncio.run(fill())
    largest = max((tmp_path / "0" / "home").glob("*.sst"), key=lambda path: path.stat().st_size)
    damaged = bytearray(largest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    largest.unlink()  # a checkpoint has the same file
    largest.write_bytes(damaged)
    with pytest.raises(mmsb.CorruptState):
        asyncio.run(sum_up())
    assert (tmp_path / "0" / DISTRUSTED).exists()
    instead = "checkpoint 0" if checkpoints else "the log alone"
    with pytest.warns(RuntimeWarning, match=instead):
        assert asyncio.run(sum_up()) == 2 * count
    aside = tmp_path / "0" / "home.damaged-1" / largest.name
    assert aside.read_bytes() == bytes(damaged), "nothing is removed to recover"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(sum_up()) == 2 * count


def test_the_newest_checkpoint_that_is_bad_is_passed_over_by_name(tmp_path: Path) -> None:
    async def fill() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bus:
            for _ in range(2):
                await bus.submit(Sell(1, 5))
                await bus.checkpoint()

    async def look() -> int:
        async with app.run(data=tmp_path, interpreted=True) as bus:
            return (await bus.get(Till, 1)).total

    asyncio.run(fill())
    bad, good = list_names(RealFiles(), tmp_path / "0")
    path = tmp_path / "0" / CHECKPOINTS / bad / "manifest"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    (tmp_path / "0" / "home" / "CURRENT").write_bytes(b"")
    with pytest.warns(RuntimeWarning, match=rf"(?s)Checkpoint {bad} was passed over: .*checkpoint {good}"):
        assert asyncio.run(look()) == 10


def test_events_of_the_past_begin_with_the_newest_checkpoint_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmsb.streams.log.log.Log.open.__func__.__defaults__", (1 << 16,))

    async def events_behind(bus: Any, offset: int, count: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        async with asyncio.timeout(20):
            async for event in bus.events(Till, after={0: mmsb.Position(offset, 0)}):
                found.append((event.offset, event.page.total))
                if len(found) == count:
                    break
        return found

    async def main() -> None:
        async with app.run(data=tmp_path, window=1, trim=True) as bus:
            for _ in range(20):
                await bus.submit_many(Sell, {"till": np.arange(1000), "amount": 1})
                await bus.checkpoint()
        async with app.run(data=tmp_path, window=1) as bus:
            kept = manifests(tmp_path)
            oldest = kept[1].facts.settled
            assert await events_behind(bus, oldest + 5, 3) == [(oldest + 6 + n, 19 + 1) for n in range(3)]
            with pytest.raises(mmsb.InvalidValue, match="trimmed"):
                await events_behind(bus, 10, 1)

    asyncio.run(main())
