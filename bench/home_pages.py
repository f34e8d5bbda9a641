"""Pages of two sizes, folders that are full of them, and their home without an engine around it."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import mmsb
from mmsb import i64, u64
from mmsb.kernels.pages.buckets import DIRTY
from mmsb.schemas.classes import page_layout_of
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.claims import Durability
from mmsb.streams.beginning import Wanted
from mmsb.streams.building import build, build_folding
from mmsb.streams.bus import Bus
from mmsb.streams.opening import Code, Opened, open_partition
from mmsb.streams.world import RealWorld

Numbers = NDArray[np.int64]

MEMORY: Final = 8 << 30
FILLED_AT_ONCE: Final = 20_000

app = mmsb.App("pages", generation=1)


@app.page(key=u64)
class Small(mmsb.Page):
    """64 bytes."""

    name: str = mmsb.text(40)
    first: i64
    second: i64
    third: i64


@app.page(key=u64)
class Large(mmsb.Page):
    """4 KiB."""

    name: str = mmsb.text(40)
    first: i64
    second: i64
    third: i64
    more: bytes = mmsb.blob(4_032)


@app.intent
class FillSmall(mmsb.Intent):
    key: u64
    name: str = mmsb.text(40)
    value: i64

    def query(self) -> mmsb.Ref[Small]:
        return Small[self.key]

    def delta(self, small: Small) -> None:
        small.name = self.name
        small.first = self.value
        small.second += 1


@app.intent
class FillLarge(mmsb.Intent):
    key: u64
    name: str = mmsb.text(40)
    value: i64
    more: bytes = mmsb.blob(4_032)

    def query(self) -> mmsb.Ref[Large]:
        return Large[self.key]

    def delta(self, large: Large) -> None:
        large.name = self.name
        large.first = self.value
        large.second += 1
        large.more = self.more


@app.intent
class Bump(mmsb.Intent):
    """A small change of a small page."""

    key: u64
    value: i64

    def query(self) -> mmsb.Ref[Small]:
        return Small[self.key]

    def delta(self, small: Small) -> None:
        small.first = self.value
        small.second += 1


FILL: Final[dict[type[mmsb.Page], type[mmsb.Intent]]] = {Small: FillSmall, Large: FillLarge}
BYTES: Final[dict[type[mmsb.Page], int]] = {Small: 64, Large: 4_096}


def count_of(page: type[mmsb.Page], megabytes: int) -> int:
    return megabytes * 1_000_000 // BYTES[page]


def filled(folder: Path, page: type[mmsb.Page], megabytes: int) -> Path:
    """A data folder with so much in its pages."""
    asyncio.run(_fill(folder, page, count_of(page, megabytes)))
    return folder


async def _fill(folder: Path, page: type[mmsb.Page], count: int) -> None:
    async with app.run(data=folder, memory=MEMORY) as bus:
        for start in range(0, count, FILLED_AT_ONCE):
            await change(bus, page, np.arange(start, min(start + FILLED_AT_ONCE, count)))


async def change(bus: Bus, page: type[mmsb.Page], keys: Numbers) -> None:
    """Change each of these pages, or make it. Nothing in large ones can be compressed."""
    rng = np.random.default_rng(len(keys))
    names = [f"page {key} of {first}" for key, first in zip(keys, rng.integers(0, 1 << 40, len(keys)), strict=True)]
    columns: dict[str, Any] = {
        "key": keys.astype(np.uint64),
        "name": names,
        "value": rng.integers(0, 1 << 40, len(keys)),
    }
    if page is Large:
        columns["more"] = [rng.bytes(4_032) for _ in range(len(keys))]
    receipts = await bus.submit_many(FILL[page], columns)
    assert receipts.counts == {Status.APPLIED: len(keys)}, "nothing speaks against it"


@contextmanager
def at_home(folder: Path) -> Generator[Opened]:
    """A partition that nobody asks anything, so that its home can be told to flush."""
    bundle = app.bundle()
    code = Code(bundle, build(bundle), Durability.FSYNC, memory=MEMORY)
    build_folding()
    opened = open_partition(RealWorld(), folder / "0", Wanted(app.name, 0), code, lambda _, __: None)
    opened.home.budget = MEMORY
    try:
        yield opened
    finally:
        opened.close()


def flush_all(opened: Opened, page: type[mmsb.Page]) -> int:
    """Take all pages of a type home, as if each had changed; gives how many bytes were written."""
    fold = opened.fold
    buckets = opened.home.state.array_pages.types[page_layout_of(page).type_id].buckets
    buckets.touch(np.arange(len(buckets)), DIRTY)
    cut = opened.home.cut(fold.settled)
    size = opened.store.ingest(cut.rows(fold.standing([])))
    opened.home.written()
    return size
