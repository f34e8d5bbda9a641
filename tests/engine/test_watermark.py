"""Who waits for an offset hears of it, or of why it never comes; and whoever goes away is forgotten."""

import asyncio

import pytest

import mmsb
from mmsb.streams.watermark import Watermark


def test_each_waiter_is_told_when_its_offset_is_there() -> None:
    async def main() -> None:
        mark = Watermark(-1)
        near, far = asyncio.create_task(mark.reach(0)), asyncio.create_task(mark.reach(2))
        await asyncio.sleep(0)
        mark.rise(1)
        await near
        assert not far.done()
        mark.fail(mmsb.EnvironmentFailed("the disk is full"))
        with pytest.raises(mmsb.EnvironmentFailed, match="the disk is full"):
            await far
        await mark.reach(1)
        with pytest.raises(mmsb.EnvironmentFailed):
            await mark.reach(2)

    asyncio.run(main())


def test_who_gives_up_is_forgotten() -> None:
    async def main() -> None:
        mark = Watermark(-1)
        for _ in range(20):
            waiting = asyncio.create_task(mark.reach(0))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert not mark._waiting

    asyncio.run(main())
