"""Who made events and is not wanted any more keeps nothing: neither pages nor a moment of the store."""

import asyncio
import gc
import os
from pathlib import Path
from typing import Any, cast

import numpy as np

from mmsb.streams.engine import Engine
from mmsb.streams.events.follower import Follower, start_of_cut
from mmsb.streams.partition import Partition
from mmsb.streams.store.rocks import RocksStore
from tests.checkpoints.test_engine import Sell, app


def moments(partition: Partition[Any]) -> int:
    return len(cast(RocksStore, partition.opened.store)._snapshots)  # pyright: ignore[reportPrivateUsage]


def partition_of(bus: Any) -> Partition[Any]:
    return cast(Engine, bus._door)._partitions[0]  # pyright: ignore[reportPrivateUsage]


async def follow_and_drop(partition: Partition[Any]) -> None:
    first, second = await partition.reads.cut(), await partition.reads.cut()
    assert moments(partition) == 2
    follower = Follower(partition.reads, start_of_cut(first))
    del first
    assert follower.take() == []
    assert second.settled >= 0


def test_a_follower_and_a_cut_that_nobody_followed_go_when_they_are_let_go(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bus:
            await bus.submit_many(Sell, {"till": np.arange(1_000), "amount": 1})
        async with app.run(data=tmp_path, interpreted=True) as bus:
            partition = partition_of(bus)
            assert not partition.opened.home.is_whole, "a store that is opened has all pages"
            gc.disable()
            try:
                await follow_and_drop(partition)
                async with asyncio.timeout(20):
                    while moments(partition):  # the thread that made a cut lets it go a little later
                        await asyncio.sleep(0.01)
            finally:
                gc.enable()

    asyncio.run(main())


def test_a_partition_that_is_closed_leaves_no_checkpoint_open(tmp_path: Path) -> None:
    async def main() -> None:
        async with app.run(data=tmp_path, interpreted=True) as bus:
            await bus.submit(Sell(1, 5))
            await bus.checkpoint()
            await bus.submit(Sell(1, 5))
            partition = partition_of(bus)
            base = partition.reads.base_before(2)
            assert base is not None
            assert open_rows(tmp_path)
        assert not open_rows(tmp_path)

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()


def open_rows(data: Path) -> list[str]:
    """The files of checkpoints that this process has open."""
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]
    found = [os.readlink(link) for link in links if link.is_symlink()]
    return [path for path in found if path.startswith(str(data)) and "/checkpoints/" in path]
