"""Scans of more pages than memory: each page once, also while buckets share the rows of a type that was smaller."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmsb.state.home import home
from mmsb.streams.folder import MEMORY_MIN
from tests.golden import shop_1


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(what, 60))


def test_a_scan_gives_each_page_once_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "ROWS_AT_ONCE", 63)
    first, count = 104_857, 104_950  # with one more there are twice as many buckets, in rows of two

    async def main() -> None:
        for start, stop in ((0, first), (first, count)):
            async with shop_1.app.run(data=tmp_path, memory=MEMORY_MIN) as shop:
                items = np.arange(start, stop)
                await shop.submit_many(shop_1.Put, {"item": items, "count": items})
        async with shop_1.app.run(data=tmp_path, memory=MEMORY_MIN) as shop:
            for item in range(0, count, 1000):  # some come, one by one
                assert (await shop.get(shop_1.Item, item)).count == item
            seen = Counter([key async for key, _ in shop.scan(shop_1.Item)])
        assert seen.total() == len(seen) == count

    run(main())
