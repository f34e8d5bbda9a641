"""A home against a plain dictionary: whatever comes, goes, is cut, written and restored, pages are what they were."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from unittest.mock import patch

import numpy as np
import pytest

from examples.bank import Account
from mmsb.kernels.pages.buckets import DIRTY, USED
from mmsb.schemas.classes import page_layout_of
from mmsb.schemas.sources import OUTSIDE, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state import buckets
from mmsb.state.array_pages import ArrayPageType
from mmsb.state.arrays import ArrayState
from mmsb.state.home import table_rows
from mmsb.state.home.bucket_rows import buckets_of
from mmsb.state.home.cuts import Cut
from mmsb.state.home.home import Home
from mmsb.state.home.meta import Standing
from mmsb.state.home.part import copy_unwritten
from mmsb.state.home.restoring import read_meta, restore
from mmsb.state.page_copy import PageCopy
from mmsb.state.page_fold import state_beside
from mmsb.state.store import IDS, META, PAGES, Row, each_row
from mmsb.state.store import Run as ColumnsOfRows
from mmsb.streams.store.model import MemorySnapshot

LAYOUT = page_layout_of(Account)
WINDOW = 40
INDEX_BYTES = 16_500  # of a page type with few pages
BUDGETS = (0, INDEX_BYTES + 200, INDEX_BYTES + 3_000, 1 << 30)


class Rows(MemorySnapshot):
    """A store without a disk."""

    def __init__(self) -> None:
        super().__init__({})
        self.all: dict[bytes, bytes] = {}

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return MemorySnapshot(self.all).read(keys)

    def rows(self, first: bytes, stop: bytes) -> Iterator[Row]:
        return MemorySnapshot(self.all).rows(first, stop)

    def put(self, rows: Iterator[Row | ColumnsOfRows]) -> None:
        last = b""
        for key, value in each_row(rows):
            assert key > last, "keys rise"
            self.all[key], last = value, key
            if not value:
                del self.all[key]

    def count(self, kind: bytes) -> int:
        return sum(key.startswith(kind) for key in self.all)


@contextmanager
def small() -> Generator[None]:
    """Few pages are many buckets, few ids many rows."""
    with (
        patch.multiple(buckets, BUCKET_BYTES=128, BUCKET_PAGES=1),
        patch.multiple(table_rows, OFFSETS=8, SOURCES=2),
    ):
        yield


class Run:
    """A state with a home, and what its pages should be."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.keys = self.random.choice((3, 60, 3_000))
        self.rows = Rows()
        self.state = ArrayState(Genesis(b"x" * 16, "bank", window=WINDOW))
        self.state.add_layout(LAYOUT)
        self.home = Home(self.state, self.rows, self.random.choice(BUDGETS))
        self.pages: dict[bytes, tuple[int, bytes]] = {}
        self.offset = -1
        self.cut: Cut | None = None
        self.parts: list[tuple[Home, dict[bytes, tuple[int, bytes]]]] = []

    def write(self) -> None:
        """One intent that writes or deletes a page, with an id and a source."""
        key = self.random.randrange(self.keys).to_bytes(8, "little")
        self.home.bring_pages([(LAYOUT.type_id, key)])
        self.offset += 1
        if key in self.pages and self.random.random() < 0.4:
            self.state.write_page(LAYOUT.type_id, key, 0, None)
            del self.pages[key]
        else:
            body = self.random.randbytes(LAYOUT.size)
            self.state.write_page(LAYOUT.type_id, key, self.offset + 1, body)
            self.pages[key] = self.offset + 1, body
        source = Source(OUTSIDE, self.random.choice("abcde").encode() * 16, self.offset + 1, 0)
        id = self.random.randbytes(16) if self.random.random() < 0.7 else None
        self.state.settle(self.offset, Status.APPLIED, id, source)
        self.state.advance_clock(self.offset)
        bucket = buckets_of(self.type, np.frombuffer(key, np.uint64), np.zeros(1, np.int64))
        assert not self.type.buckets.touch(bucket, DIRTY | USED)

    @property
    def type(self) -> ArrayPageType:
        return self.state.array_pages.of(LAYOUT)

    def read(self) -> None:
        key = self.random.randrange(self.keys).to_bytes(8, "little")
        self.home.bring_pages([(LAYOUT.type_id, key)])
        assert self.state.read_page(LAYOUT.type_id, key) == self.pages.get(key), "[pages are there]"

    def begin_cut(self) -> None:
        if self.cut is None:
            self.cut = self.home.cut(self.offset)
            self.standing = Standing(self.offset, b"h" * 32, b"p" * 32, 1, 2, False, None, None, ())
            self.then = dict(self.pages), self.state.digest

    def end_cut(self) -> None:
        if self.cut is not None:
            self.rows.put(self.cut.rows(self.standing))
            self.home.written()
            self.cut = None
            self.flushed = self.then

    def take_part(self) -> None:
        """A moment of the pages, for somebody who goes on with it."""
        copies = {LAYOUT.type_id: copy_unwritten(LAYOUT.type_id, self.type)}
        state, rows = state_beside(self.state, copies), MemorySnapshot(dict(self.rows.all))
        part = self.home.part(state, rows, self.random.choice(BUDGETS))
        self.parts.append((part, dict(self.pages)))

    def read_part(self) -> None:
        """Whatever its owner has done since, it shows its moment, and goes on by itself."""
        if not self.parts:
            return
        part, pages = self.random.choice(self.parts)
        for _ in range(5):
            key = self.random.randrange(self.keys).to_bytes(8, "little")
            part.bring_pages([(LAYOUT.type_id, key)])
            assert part.state.read_page(LAYOUT.type_id, key) == pages.get(key), "[a part is of its moment]"
        key = self.random.randrange(self.keys).to_bytes(8, "little")
        part.bring_pages([(LAYOUT.type_id, key)])
        pages[key] = 1, self.random.randbytes(LAYOUT.size)
        part.state.pages.put((LAYOUT.type_id, key), *pages[key])
        bucket = buckets_of(part.state.array_pages.of(LAYOUT), np.frombuffer(key, np.uint64), np.zeros(1, np.int64))
        part.state.array_pages.of(LAYOUT).buckets.touch(bucket, DIRTY | USED)

    def end_parts(self) -> None:
        for part, pages in self.parts:
            part.bring_type(LAYOUT.type_id)
            copy = PageCopy(LAYOUT, part.state.array_pages.of(LAYOUT))
            found = {key: (epoch, body) for key, epoch, body in copy.pages(0, len(copy))}
            assert found == pages, "[a part is of its moment]"
            assert len(copy) == len(part.state.array_pages.of(LAYOUT)) == len(pages)
        self.parts = []

    def change_budget(self) -> None:
        self.home.budget = self.random.choice(BUDGETS)

    def restart(self) -> None:
        """Go on from the rows: all that came after them is gone."""
        self.begin_cut()
        if self.random.random() < 0.5:
            self.end_cut()
        if not self.rows.all:
            return
        meta = read_meta(self.rows)
        assert meta is not None
        fold, self.home = restore(self.rows, meta, self.random.choice(BUDGETS))
        assert isinstance(fold.state, ArrayState)
        self.state, self.cut, self.offset = fold.state, None, meta.standing.settled
        pages, digest = self.flushed
        self.pages = dict(pages)
        assert (self.state.digest, len(self.type)) == (digest, len(pages))

    def check(self) -> None:
        """All that there is, through other eyes."""
        self.end_parts()
        self.end_cut()
        self.begin_cut()
        self.end_cut()
        meta = read_meta(self.rows)
        assert meta is not None
        counted = sum(sum(each.rows.values()) for each in meta.contents.types)
        assert counted == self.rows.count(PAGES), "[there are no rows but those that are counted]"
        fold, home = restore(self.rows, meta, 1 << 30)
        home.bring_type(LAYOUT.type_id)
        assert {key: (epoch, body) for (_, key), epoch, body in fold.state.pages} == self.pages, "[pages are there]"
        assert fold.state.recompute_digest() == self.state.digest, "[rows come to the state]"
        assert self.rows.count(META) == 1
        assert self.rows.count(IDS) <= WINDOW // table_rows.OFFSETS + 2, "rows of forgotten ids are taken away"


@pytest.mark.parametrize("seed", range(30))
def test_pages_are_what_they_were_wherever_they_have_been(seed: int) -> None:
    with small():
        run = Run(seed)
        steps = (
            run.write, run.read, run.begin_cut, run.end_cut, run.change_budget, run.restart, run.take_part,
            run.read_part,
        )  # fmt: skip
        run.write()
        for number in range(600):
            run.random.choices(steps, (60, 20, 4, 5, 1, 0.7, 2, 6))[0]()
            if number % 150 == 149:
                run.check()


def test_as_pages_become_more_older_rows_hold_several_buckets_and_are_taken_away_when_written() -> None:
    with small():
        run = Run(0)
        run.keys, run.home.budget = 4, 0
        for _ in range(8):
            run.write()
        run.check()
        assert run.type.buckets.depth == 1
        run.keys = 4_000
        depths = set[int]()
        for _ in range(12):
            for _ in range(60):
                run.write()
            run.check()
            depths |= run.type.buckets.rows.keys()
            assert len(run.type.buckets.rows) >= 1
        assert len(depths) > 3


def test_a_part_copies_no_more_than_what_no_row_says() -> None:
    with small():
        run = Run(4)
        run.keys, run.home.budget = 3_000, 1 << 30
        for _ in range(3_000):
            run.write()
        run.check()
        for _ in range(10):
            run.write()
        whole = run.type.resident
        run.take_part()
        ((part, _),) = run.parts
        assert whole > 500
        assert 0 < part.state.array_pages.of(LAYOUT).resident < whole // 5
        assert part.dirty_bytes > 0, "[what nobody will write stays]"
        run.end_parts()


def test_what_was_cut_and_not_written_stays_in_memory() -> None:
    with small():
        run = Run(1)
        run.keys, run.home.budget = 50, 0
        for _ in range(100):
            run.write()
        run.begin_cut()
        before = run.type.resident
        run.home._make_room(1 << 20)
        run.home._make_room(1 << 20)
        assert run.type.resident == before, "[pages stay until they are written]"
        run.end_cut()
        assert run.type.resident == 0
        assert run.home.use.evictions
        run.read()


def test_pages_that_are_all_deleted_leave_no_row() -> None:
    with small():
        run = Run(2)
        run.keys = 60
        for _ in range(200):
            run.write()
        run.check()
        assert run.rows.count(PAGES) > 5
        for key in list(run.pages):
            run.home.bring_pages([(LAYOUT.type_id, key)])
            run.state.write_page(LAYOUT.type_id, key, 0, None)
            bucket = buckets_of(run.type, np.frombuffer(key, np.uint64), np.zeros(1, np.int64))
            run.type.buckets.touch(bucket, DIRTY | USED)
        run.pages = {}
        run.check()
        assert run.rows.count(PAGES) == 0
        assert len(run.type) == 0


def test_a_row_that_was_there_and_is_not_any_more_is_damage_and_no_bucket_without_pages() -> None:
    some = buckets.Buckets()
    numbers, replaced = np.zeros(1, np.int64), list[tuple[int, int]]()
    some.touch(numbers, DIRTY)
    assert not some.copied(numbers, replaced, np.array([10])).any()
    some.written()
    some.went(numbers, 1)
    assert not some.are_empty(numbers), "its row was written, so it has pages"
    assert buckets.Buckets.stored(3, {}, 0).are_empty(np.arange(8))
