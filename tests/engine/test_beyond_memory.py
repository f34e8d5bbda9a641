"""Scans of more pages than memory: each page once, also while buckets share the rows of a type that was smaller."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmsb
from mmsb.kernels.digest import clock_term
from mmsb.state.home import home
from mmsb.state.store import META
from mmsb.streams.files import RealFiles
from mmsb.streams.folder import MEMORY_MIN
from mmsb.streams.past.folding import fold_partition
from mmsb.streams.store.rocks import RocksCheckpoint
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


app = mmsb.App("shelf", generation=1)


@app.page(key=mmsb.u64)
class Book(mmsb.Page):
    lent: mmsb.i64
    pages: mmsb.i64


@app.intent
class Lend(mmsb.Intent):
    book: mmsb.u64
    other: mmsb.u64

    def query(self):
        return Book[self.book], Book[self.other]

    def delta(self, book: Book, other: Book) -> None:
        book.lent += 1
        other.pages += book.lent  # wrong, if a book that is elsewhere counts as new


@app.intent
class Burn(mmsb.Intent):
    book: mmsb.u64

    def query(self):
        return Book[self.book]

    def delta(self, book: Book) -> None:
        mmsb.delete(book)


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["fsync", "process"])
def test_a_tenth_of_the_memory_gives_the_same_digest(tmp_path: Path, durability: Any) -> None:
    count = 400_000  # 13 MB of slots, and 16 of their index
    rng = np.random.default_rng(5)
    columns = [
        {"book": rng.integers(0, count, 2_000, np.uint64), "other": rng.integers(0, count, 2_000, np.uint64)}
        for _ in range(6)
    ]

    async def fill(folder: Path, memory: int | None) -> tuple[str, int, int]:
        async with app.run(data=folder, durability=durability) as shelf:
            books = np.arange(count, dtype=np.uint64)
            await shelf.submit_many(Lend, {"book": books, "other": books[::-1]})
        async with app.run(data=folder, memory=memory, durability=durability) as shelf:
            for some in columns:
                await shelf.submit_many(Lend, some)
            (part,) = (await shelf.stats()).partitions
            return part.digest, part.page_bytes, part.page_evictions

    whole, large, none = run(fill(tmp_path / "whole", None))
    part, small, evictions = run(fill(tmp_path / "part", MEMORY_MIN))
    assert _digest_but_clock(tmp_path / "whole", whole) == _digest_but_clock(tmp_path / "part", part)
    assert none == 0 < evictions
    assert small < 2 * MEMORY_MIN
    assert large > 0


def _digest_but_clock(folder: Path, digest: str) -> bytes:
    """The clocks of two runs differ. What an engine said of itself is also what its log says."""
    fold = fold_partition(RealFiles(), folder / "0")
    assert fold.digest.pack().hex() == digest
    return (fold.digest - clock_term(fold.state.clock)).pack()


def test_what_was_created_and_deleted_leaves_nothing_behind(tmp_path: Path) -> None:
    count = 100_000

    async def main() -> None:
        async with app.run(data=tmp_path) as shelf:
            before = (await shelf.stats()).partitions[0].page_bytes
            books = np.arange(count, dtype=np.uint64)
            made = (await shelf.checkpoint())[0]
            for _ in range(2):
                await shelf.submit_many(Lend, {"book": books, "other": books})
                await shelf.checkpoint()
                assert (await shelf.stats()).partitions[0].page_bytes > 16 * count
                await shelf.submit_many(Burn, {"book": books})
                made = (await shelf.checkpoint())[0]
                assert (await shelf.stats()).partitions[0].page_bytes <= max(before, 100_000)
        rows = RocksCheckpoint(tmp_path / "0" / "checkpoints" / made.name / "store")
        assert [key for key, _ in rows.rows(b"", b"\xff")] == [META], "no rows of pages are left"
        rows.close()

    run(main())
