"""Whoever follows events, or scans, has a moment of the pages: what the store does not say is copied, and no more."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from mmsb.schemas.classes import page_layout_of
from mmsb.state.home.home import Home
from mmsb.streams import reading
from mmsb.streams.engine import Engine
from mmsb.streams.partition import Partition
from tests.checkpoints.test_engine import Sell, Till, app

TILLS: Final = 20_000
TYPE: Final = page_layout_of(Till).type_id


@asynccontextmanager
async def written(folder: Path) -> AsyncGenerator[tuple[Any, Partition[Any]]]:
    """An engine with many pages, all of them in memory and in the store."""
    async with app.run(data=folder) as bus:
        partition = cast(Engine, bus._door)._partitions[0]  # pyright: ignore[reportPrivateUsage]
        await bus.submit_many(Sell, {"till": np.arange(TILLS), "amount": 1})
        await partition.flushing.flush()
        assert partition.opened.home.is_whole
        yield bus, partition


def resident(home: Home) -> int:
    return home.state.array_pages.types[TYPE].resident


def test_a_cut_copies_only_what_the_store_does_not_say(tmp_path: Path) -> None:
    async def main() -> None:
        async with written(tmp_path) as (bus, partition):
            for till in range(5):
                await bus.submit(Sell(till, 10))
            cut = await partition.reads.cut()
            assert 5 <= resident(cut.home) < TILLS // 20, "[only changed buckets are copied]"
            part = partition.reads._part_of(TYPE)  # pyright: ignore[reportPrivateUsage]
            assert part is not None
            assert 5 <= resident(part) < TILLS // 20, "[only changed buckets are copied]"

    asyncio.run(main())


def test_events_of_pages_that_a_cut_did_not_copy_say_what_was(tmp_path: Path) -> None:
    async def main() -> None:
        async with written(tmp_path) as (bus, partition):
            await bus.submit(Sell(3, 10))
            events = bus.events(Till)
            for till in (3, 7_000, 19_999):
                await bus.submit(Sell(till, 100))
                await partition.flushing.flush()
            found = [await anext(events) for _ in range(3)]
            await events.aclose()
            assert [event.page.total for event in found] == [111, 101, 101]

    asyncio.run(main())


def test_a_scan_shows_one_moment_whatever_is_written_while_it_is_read(tmp_path: Path) -> None:
    async def main() -> None:
        async with written(tmp_path) as (bus, partition):
            await bus.submit(Sell(3, 10))
            seen = dict[int, int]()
            async for till, page in bus.scan(Till):
                if not seen:
                    await bus.submit_many(Sell, {"till": np.arange(TILLS), "amount": 1_000})
                    await partition.flushing.flush()
                seen[till] = page.total
            assert seen == {till: 11 if till == 3 else 1 for till in range(TILLS)}
            assert list(seen) == sorted(seen)

    asyncio.run(main())


def test_many_pages_are_not_looked_up_on_the_event_loop(tmp_path: Path) -> None:
    async def main() -> None:
        async with written(tmp_path) as (bus, partition):
            looked_up = list[str]()
            look_up = partition.reads._look_up  # pyright: ignore[reportPrivateUsage]

            def noting(pages: Any) -> Any:
                looked_up.append(threading.current_thread().name)
                return look_up(pages)

            partition.reads._look_up = noting  # type: ignore[method-assign]  # pyright: ignore[reportPrivateUsage]
            for count in (reading.LOOKED_UP_AT_ONCE, reading.LOOKED_UP_AT_ONCE + 1):
                found = await bus.get_many(Till, list(range(count)))
                assert [page.total for page in found] == [1] * count
            here, there = looked_up
            assert here == threading.current_thread().name != there

    asyncio.run(main())
