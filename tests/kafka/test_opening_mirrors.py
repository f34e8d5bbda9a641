"""How mirrors begin where topics were trimmed, made anew or are long, and when nobody wants them any more."""

import asyncio
import dataclasses
import threading
import time
from pathlib import Path

import pytest

from examples.bank import Deposit, Open
from mmsb.processors.requests import pack
from mmsb.schemas.errors import CorruptState
from mmsb.streams import opening as streams_opening
from mmsb.streams.files import RealFiles
from mmsb.streams.folder import INTENTS, MARK
from mmsb.streams.folding import Folding, Read
from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition
from mmsb.streams.kafka.partitions import mirror as mirrors
from mmsb.streams.kafka.partitions import opening as openings
from mmsb.streams.kafka.partitions import replica as replicas
from mmsb.streams.kafka.partitions.mirror import check_same, open_mirror
from mmsb.streams.log import Log
from mmsb.streams.opening import Opened
from tests.kafka.small import Lone, lone, until

OPENS = [pack(Open(number, f"owner {number}")) for number in range(100)]
DEPOSITS = [pack(Deposit(number, 5)) for number in range(100)]


def test_a_mirror_that_begins_within_a_batch_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a worker which begins with a shared checkpoint: where much is changed, flushes come within batches."""

    def restored(*arguments: object) -> Opened:
        opened = open_mirror(*arguments)  # type: ignore[arg-type]
        opened.intents.begin_at(50)
        return opened

    async def check() -> None:
        async with lone(tmp_path) as bench:
            await bench.produce(OPENS)
            await bench.produce(DEPOSITS)
            first = await bench.owner("a")
            await bench.settled(first)
            await bench.produce(DEPOSITS)
            monkeypatch.setattr(openings, "open_mirror", restored)
            second = await bench.replica("b")
            running = asyncio.create_task(second.run())
            try:
                mirrored = asyncio.create_task(until(lambda: second.journal.logged == 300, 5))
                await asyncio.wait([running, mirrored], return_when=asyncio.FIRST_COMPLETED)
                assert not running.done(), running.exception()
                await mirrored
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await second.close()

    asyncio.run(check())


async def leave_behind(bench: Lone) -> None:
    """The mirror of "b" has intents that are trimmed, and none of those that are not."""
    await bench.produce(OPENS)
    old = await bench.replica("b")
    running = asyncio.create_task(old.run())
    await until(lambda: old.journal.logged == 100)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await old.close()
    owner = await bench.owner("a")
    for _ in range(5):
        await bench.produce(DEPOSITS)
    await bench.settled(owner)
    await bench.logs.trim(bench.of.intents, 300)  # behind two checkpoints; the TLog stays, for its window


def test_a_mirror_older_than_trimmed_intents_starts_again(tmp_path: Path) -> None:
    async def check() -> None:
        async with lone(tmp_path) as bench:
            await leave_behind(bench)
            again = await bench.replica("b")
            mirrored = again.partition.opened.intents
            assert (mirrored.first, mirrored.end) == (600, 600)  # what had not settled is still to come
            await again.close()
            assert (tmp_path / "b" / "0.intents-until-100" / "intents").is_dir()

    asyncio.run(check())


class Dead(Exception):
    """What a process does no more."""


class Dies(RealFiles):
    """When it is to move something."""

    def __init__(self, name: str) -> None:
        self._name = name

    def replace(self, source: Path, target: Path) -> None:
        if source.name == self._name:
            raise Dead
        super().replace(source, target)


@pytest.mark.parametrize("at", [MARK, INTENTS])
def test_who_dies_while_he_sets_intents_aside_starts_again(tmp_path: Path, at: str) -> None:
    async def check() -> None:
        async with lone(tmp_path) as bench:
            await leave_behind(bench)
            bench.world.files = Dies(at)
            with pytest.raises(Dead):
                await bench.replica("b")
            bench.world.files = RealFiles()
            again = await bench.replica("b")
            assert again.partition.opened.intents.first == 600
            await again.close()

    asyncio.run(check())


def test_what_a_start_folds_does_not_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crowded, read = list[bool](), Folding.read

    async def watched(folding: Folding, batches: bytes) -> Read:
        crowded.append(folding._opened.home.is_crowded)
        return await read(folding, batches)

    async def check() -> None:
        async with lone(tmp_path) as bench:
            owner = await bench.owner("a")
            for begin in range(0, 8000, 1000):
                await bench.produce([pack(Open(number, f"owner {number}")) for number in range(begin, begin + 1000)])
                await bench.settled(owner)
            bench.memory = 128 << 10
            monkeypatch.setattr(mirrors, "GROUP_BYTES", 10_000)
            monkeypatch.setattr(Folding, "read", watched)
            fresh = await bench.replica("b")  # all comes in one fetch
            crowded.append(fresh.partition.opened.home.is_crowded)
            assert fresh.partition.flushing.count > 1
            await fresh.close()
            assert len(crowded) > 8
            assert not any(crowded)

    asyncio.run(check())


def test_who_is_cancelled_while_a_mirror_is_folded_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*arguments: object) -> Opened:
        time.sleep(1.5)
        return open_mirror(*arguments)  # type: ignore[arg-type]

    async def check() -> None:
        async with lone(tmp_path) as bench:
            monkeypatch.setattr(openings, "open_mirror", slow)
            opening = asyncio.create_task(bench.replica("a"))
            await asyncio.sleep(0.2)
            opening.cancel()
            begun = time.monotonic()
            await asyncio.sleep(0.05)
            stood = time.monotonic() - begun
            await asyncio.gather(opening, return_exceptions=True)
            assert stood < 1
            monkeypatch.undo()
            again = await bench.replica("a")  # nothing was left open
            await again.close()

    asyncio.run(check())


def test_who_is_cancelled_while_a_mirror_is_folded_folds_no_further(tmp_path: Path) -> None:
    folds = threading.Event()
    told = list[int]()

    async def check() -> None:
        async with lone(tmp_path) as bench:
            await bench.produce(OPENS)
            await bench.settled(await bench.owner("a"))
            await bench.end()
            (tmp_path / "a" / "0" / "home").rename(tmp_path / "lost")  # so that all is folded again

            def tell(done: int, total: int) -> None:
                del total
                told.append(done)
                folds.set()
                time.sleep(0.2)

            opening = asyncio.create_task(dataclasses.replace(bench.opening("a"), tell=tell).replica(0))
            assert await asyncio.to_thread(folds.wait, 20)
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            assert opening.cancelled()
            assert told[-1] < bench.logs.end(bench.of.tlog)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams_opening, "FOLD_BYTES", 1)  # a record at a time
        asyncio.run(check())


def test_a_tlog_that_is_made_anew_while_a_worker_starts_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check() -> None:
        async with lone(tmp_path) as bench:
            await bench.produce(OPENS)
            await bench.settled(await bench.owner("a"))
            await bench.end()

            async def deleted(broker: Broker, at: TopicPartition, log: Log) -> None:
                await check_same(broker, at, log)
                del bench.logs.batches[bench.of.tlog]

            monkeypatch.setattr(replicas, "check_same", deleted)
            with pytest.raises(CorruptState, match="expected records up to offset 1"):
                await bench.replica("b")

    asyncio.run(check())
